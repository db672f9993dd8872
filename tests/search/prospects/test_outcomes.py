"""Where each trial ended, or would have."""

from __future__ import annotations

import pytest
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.storage.trials import CONTINUES

from .conftest import level


def one(builder, number):
    return next(each for each in outcomes(builder.trials) if each.number == number)


def test_a_complete_trial_has_its_value(builder):
    number = builder.add()
    found = one(builder, number)
    assert (found.level, found.sd) == (pytest.approx(level(found.params)), 0.0)


def test_a_stopped_trial_has_its_forecast_with_an_uncertainty(searched):
    number = searched.add(epochs=4, end=0.85, stop_reason="hopeless")
    found = one(searched, number)
    reached = min(searched.trials[number].intermediate_values.values())
    assert found.level < reached
    assert found.level == pytest.approx(0.85, abs=3 * found.sd)
    assert found.sd > 0.001


def test_the_forecast_is_less_certain_the_earlier_a_trial_stops(searched):
    early, late = (
        one(searched, searched.add(epochs=epochs, end=0.85, stop_reason="hopeless"))
        for epochs in (2, 8)
    )
    assert early.sd > 2 * late.sd


def test_a_trial_with_nothing_to_compare_to_is_hardly_known(builder):
    builder.add()
    number = builder.add(builder.params("hybrid"), epochs=3, stop_reason="median")
    found = one(builder, number)
    reached = min(builder.trials[number].intermediate_values.values())
    assert (found.level, found.sd) == (pytest.approx(reached - 0.01), 0.02)


@pytest.mark.parametrize("stop_reason", ["diverged", "collapse", "out-of-memory"])
def test_a_sick_trial_counts_as_the_worst_of_the_others(searched, stop_reason):
    worst = max(each.level for each in outcomes(searched.trials))
    number = searched.add(epochs=2, end=0.1, stop_reason=stop_reason)
    found = one(searched, number)
    assert (found.level, found.is_sick) == (worst, True)


def test_a_config_beyond_a_limit_says_nothing_about_levels(searched):
    number = searched.add(stop_reason="known-limit", epochs=0)
    assert number not in [each.number for each in outcomes(searched.trials)]


def test_a_plateau_counts_with_its_best_value(searched):
    number = searched.add(epochs=7, end=0.85, stop_reason="plateau")
    found = one(searched, number)
    assert found.level == min(searched.trials[number].intermediate_values.values())
    assert found.sd == 0.0


def test_a_continued_trial_counts_once(searched):
    params = searched.params()
    first = searched.add(params, epochs=3, stop_reason="median")
    later = searched.add(params, **{CONTINUES: first})
    numbers = [each.number for each in outcomes(searched.trials)]
    assert first not in numbers
    assert numbers.count(later) == 1


def test_reused_results_say_nothing_new(searched):
    number = searched.add(same_as=0)
    assert number not in [each.number for each in outcomes(searched.trials)]


def test_without_a_healthy_trial_there_are_no_outcomes(builder):
    builder.add(epochs=2, stop_reason="diverged")
    assert outcomes(builder.trials) == []


def test_levels_are_stars_whatever_the_scale_of_the_ratings(searched):
    stars, scaled = outcomes(searched.trials), outcomes(searched.trials, star=2.0)
    assert [each.level / 2 for each in stars] == [each.level for each in scaled]


def test_metrics_to_maximise_become_levels_to_minimise(searched):
    ndcg = outcomes(searched.trials, METRICS["val_ndcg"])
    assert all(each.level < 0 for each in ndcg)
