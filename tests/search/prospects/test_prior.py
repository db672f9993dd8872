"""What earlier studies say, and when it is dropped."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.prospects.outcomes import Outcome, outcomes
from recsys_search.search.prospects.prior import (
    MIN_EARLIER,
    PRIOR,
    Prior,
    earlier_configs,
    most_different,
    read_prior,
    unless_contradicted,
)
from recsys_search.search.prospects.surrogate import Surrogate

from .conftest import Builder, level


@pytest.fixture
def earlier(spec, searched):
    return earlier_configs(spec, searched.trials, VAL_RMSE)


@pytest.fixture
def prior(spec, earlier):
    return Prior(spec.space, earlier)


def study_of(spec, n, seed=9, of=level):
    """A study on other ratings: its levels are those of the function, or of another one."""
    builder = Builder(spec, seed)
    for _ in range(n):
        params = builder.params()
        builder.add(params, end=of(params))
    return builder


def opposite(params):
    return 2.0 - level(params)


def test_earlier_configs_are_ranked_best_first(earlier, searched):
    values = [searched.trials[each.number].value for each in earlier]
    assert values == sorted(values)
    scores = np.array([each.score for each in earlier])
    assert scores.mean() == pytest.approx(0, abs=0.05)
    assert scores.std() == pytest.approx(1, abs=0.15)


def test_configs_off_the_new_space_are_left_out(spec, searched):
    axis = {**spec.space.model_dump(by_alias=True)}
    axis["two_tower.learning_rate"] = {"float": [1e-3, 1e-2], "log": True}
    here = spec.model_copy(update={"space": type(spec.space).model_validate(axis)})
    rates = [
        each.params["two_tower.learning_rate"]
        for each in earlier_configs(here, searched.trials, VAL_RMSE)
        if each.params["architecture"] == "two_tower"
    ]
    assert 3 < len(rates) < 24
    assert min(rates) >= 1e-3


def test_it_predicts_the_ranking_on_other_ratings(spec, prior):
    builder = study_of(spec, 12, of=lambda params: 1.3 + 0.2 * level(params))
    assert prior.agreement(outcomes(builder.trials)) > 0.8
    assert unless_contradicted(prior, outcomes(builder.trials)) is prior


def test_it_is_dropped_where_the_ranking_does_not_hold(spec, prior):
    known = outcomes(study_of(spec, 12, of=opposite).trials)
    assert prior.verdict(known)["dropped"]
    assert unless_contradicted(prior, known) is None


def test_a_few_trials_drop_nothing(spec, prior):
    known = outcomes(study_of(spec, 5, of=opposite).trials)
    assert prior.verdict(known) == {"rank_correlation": None, "trials": 5, "dropped": False}


def test_a_trust_of_ones_own_is_kept(spec, earlier):
    sure = Prior(spec.space, earlier, trust=1.0)
    known = outcomes(study_of(spec, 12, of=opposite).trials)
    assert unless_contradicted(sure, known) is sure
    assert sure.weight(np.array([1.0]), np.array([-1.0])) == 1.0


def test_the_weight_follows_the_outcomes(prior):
    scores = np.linspace(-1, 1, 20)
    like, unlike = prior.weight(scores, scores), prior.weight(scores, -scores)
    assert like > 0.85
    assert unlike == 0.0
    assert prior.weight(scores[:0], scores[:0]) == pytest.approx(0.7)


def test_with_a_prior_a_surrogate_of_four_trials_knows_more(spec, prior):
    builder = study_of(spec, 4, seed=3)
    known = outcomes(builder.trials)
    params = [builder.params() for _ in range(50)]
    true = np.array([level(each) for each in params])
    errors = []
    for each in (prior, None):
        surrogate = Surrogate(spec.space, known, each)
        mean, _ = surrogate.predict(surrogate.encoding.encode_params(params))
        errors.append(np.sqrt(np.mean((mean - true) ** 2)))
    assert errors[0] < 0.85 * errors[1]


def test_a_prior_is_read_from_what_the_study_stores(spec, earlier):
    stored = [each.to_json() for each in earlier]
    assert read_prior(spec.space, {f"{PRIOR}:old": stored}, "auto") is not None
    few = stored[: MIN_EARLIER - 1]
    assert read_prior(spec.space, {f"{PRIOR}:old": few}, "auto") is None
    assert read_prior(spec.space, {}, "auto") is None


def test_configs_of_another_architecture_are_left_out(searched):
    """Also where the space has no axis for the architecture, and its fields have the same names."""
    searched.add(searched.params("hybrid"))
    axes = {"learning_rate": {"float": [1e-5, 1.0], "log": True}}
    only = StudySpec.model_validate(
        {
            **{"name": "one", "dataset": "demo", "trials": 1},
            **{"base": {"architecture": "hybrid"}, "space": axes},
        }
    )
    found = earlier_configs(only, searched.trials, VAL_RMSE)
    assert found
    assert {searched.trials[each.number].params["architecture"] for each in found} == {"hybrid"}


def test_predictions_that_are_all_the_same_agree_with_nothing(prior, searched, monkeypatch):
    known = outcomes(searched.trials)
    monkeypatch.setattr(prior, "predict", lambda points: np.zeros(len(points)))
    assert prior.agreement(known) is None
    assert not prior.is_dropped(known)


@pytest.mark.parametrize(("agreement", "n", "is_dropped"), [(-0.1, 8, False), (-0.1, 40, True)])
def test_few_trials_must_contradict_it_clearly(prior, monkeypatch, agreement, n, is_dropped):
    monkeypatch.setattr(prior, "agreement", lambda known: agreement)
    known = [Outcome(number, {}, 0.8, 0.0) for number in range(n)]
    assert prior.is_dropped(known) is is_dropped


def test_configs_that_are_nearly_the_same_come_first_only_once(spec, searched):
    best = searched.params(learning_rate=1e-3, latent_dim=64, batch_size=1024)
    for rate in (1.001e-3, 1.002e-3, 1.003e-3):
        searched.add({**best, "two_tower.learning_rate": rate})
    earlier = earlier_configs(spec, searched.trials, VAL_RMSE)
    first = most_different(spec.space, earlier, 3)
    assert first[0] == earlier[0]
    alike = [each for each in first if abs(each.params["two_tower.learning_rate"] - 1e-3) < 1e-5]
    assert len(first) == 3
    assert len([each for each in alike if each.params["two_tower.latent_dim"] == 64]) == 1
