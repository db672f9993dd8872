"""What stopped trials would have come to."""

from __future__ import annotations

import signal
from dataclasses import replace

import pytest
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import split_ratings
from recsys_search.errors import DataError, NothingYet, OptionError, StudyError
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.training.training import Training
from recsys_search.search.report.audit import (
    Audited,
    Forecast,
    audit,
    changed_outcome,
    describe_result,
    draw,
    n_within,
    savings,
    share_interval,
    stopped_trials,
)
from recsys_search.search.report.facts import facts_of
from recsys_search.search.results.study_data import StudyData

CONFIG = {"architecture": "two_tower", "max_epochs": 10}


def run(workplace, trials, listener=lambda event: None):
    return audit(None, workplace.storage, trials, device="cpu", listener=listener)


def stored(workplace):
    return Audited.of(workplace.read().system_attrs())


@pytest.fixture
def stopped(workplace):
    """A study of which the median pruner has stopped trials 2, 3 and 4 after an epoch."""
    rates = [1e-2, 8e-3, 1e-6, 1e-7, 1e-8]
    workplace.start(
        workplace.write_study(
            base={**workplace.base, "max_epochs": 3},
            space={"learning_rate": {"float": [1e-9, 1e-1], "log": True}},
            known=[{"name": f"rate {rate}", "learning_rate": rate} for rate in rates],
            pruners=[{"median": {"startup_trials": 2, "warmup_epochs": 0}}],
            trials=5,
        )
    )
    numbers = [each.number for each in stopped_trials(StudyData.read(workplace.storage))]
    assert numbers == [2, 3, 4]
    return workplace


# The arithmetic.


def test_each_rule_has_saved_the_epochs_that_its_trials_had_left(study, make_trial):
    trials = [
        make_trial(0, state="complete", epochs=10, config=CONFIG),
        make_trial(1, state="pruned", stop_reason="median", epochs=2, config=CONFIG),
        make_trial(2, state="pruned", stop_reason="median", epochs=4, config=CONFIG),
        make_trial(3, state="pruned", stop_reason="collapse", epochs=1, config=CONFIG),
        make_trial(4, state="pruned", stop_reason="known-limit", epochs=0, config=CONFIG),
        make_trial(5, state="failed", epochs=3, config=CONFIG),
        make_trial(6, state="complete", stop_reason="plateau", epochs=7, config=CONFIG),
    ]
    study = replace(study, trials=trials)
    rows = [
        (each.rule, each.trials, each.completed, each.epochs, each.saved) for each in savings(study)
    ]
    assert rows == [("median", 2, 0, 6, 14), ("collapse", 1, 0, 1, 9), ("plateau", 1, 1, 7, 3)]


def test_a_stopped_trial_that_was_continued_is_not_counted(study, make_trial):
    trials = [
        make_trial(0, state="pruned", stop_reason="median", config=CONFIG),
        make_trial(1, state="complete", continues=0, config=CONFIG),
    ]
    assert stopped_trials(replace(study, trials=trials)) == []


def test_a_smaller_draw_is_part_of_a_larger_one_and_ignores_values(make_trial):
    def numbers(n, value=1.0, name="small"):
        trials = [make_trial(at, state="pruned", value=value + at) for at in range(20)]
        return [each.number for each in draw(name, trials, n)]

    assert numbers(20) != sorted(numbers(20)) and sorted(numbers(20)) == list(range(20))
    assert numbers(99) == numbers(20)
    assert all(numbers(n) == numbers(20)[:n] for n in range(20))
    assert numbers(5, value=-3.0) == numbers(5)
    assert numbers(20, name="other") != numbers(20)


def test_only_a_better_end_than_the_best_changes_the_outcome(study):
    best = study.status["best"]["val_rmse"]
    results = {
        number: Audited(value=value, epochs=3)
        for number, value in {5: best - 0.01, 3: best, 4: best + 0.01, 7: None, 1: 0.0}.items()
    }
    assert changed_outcome(study, results) == [1, 5]


@pytest.mark.parametrize("n", [1, 10, 59])
def test_the_interval_of_none_changed_has_its_closed_form(n):
    """No success in n trials has probability (1 - p)^n, which is 2.5% at the upper end."""
    assert share_interval(0, n) == (0, pytest.approx(1 - 0.025 ** (1 / n)))
    assert share_interval(n, n) == (pytest.approx(0.025 ** (1 / n)), 1)


# The training.


def test_an_audited_value_is_what_training_the_config_alone_reaches(stopped):
    results = run(stopped, 1)
    ((number, result),) = results.items()
    reader = stopped.read()
    split = split_ratings(load_ratings(reader.spec.dataset), reader.spec.split)
    config = config_from_mapping(reader.show(number)["config"])
    with Training(config, split, "cpu") as training:
        values = [report.val_rmse for report in training]
    assert result == Audited(value=min(values), epochs=3)
    assert stored(stopped) == results


def test_a_second_audit_trains_only_what_is_missing(stopped, recorder):
    one, three = recorder(), recorder()
    first = run(stopped, 1, one)
    assert run(stopped, 9, three).keys() == {2, 3, 4}
    assert len(one.started) == 1 and len(three.started) == 2
    assert "training 3 of 3 stopped trials to their end: 1 are done" in three.notices[0]
    assert first.items() <= stored(stopped).items()
    audited = facts_of(StudyData.read(stopped.storage))["audit"]["sample"]
    assert (audited["n"], audited["of"], audited["changed"]) == (3, 3, [])
    assert (audited["low"], audited["high"]) == ("0%", "71%")  # 1 - 0.025^(1/3) = 0.708
    assert len(audited["lines"]) == 3
    assert stopped.read().status()["done"] == 5


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_keeps_what_is_done(stopped, recorder, number, raised):
    epochs = []

    def at_epoch(trial, report):
        epochs.append(trial)
        if len(epochs) == 4:  # the first of the second training
            signal.raise_signal(number)

    with pytest.raises(raised):
        run(stopped, 3, recorder(at_epoch))
    assert stored(stopped).keys() == {epochs[0]}
    assert len(epochs) == 4


def test_a_config_that_diverges_has_no_value(workplace):
    workplace.start(
        workplace.write_study(space={"learning_rate": {"float": [1e5, 1e6], "log": True}}, trials=1)
    )
    ((number, result),) = run(workplace, 1).items()
    assert (number, result.value) == (0, None)
    data = StudyData.read(workplace.storage)
    assert changed_outcome(data, {number: result}) == []


def test_a_line_says_what_was_and_what_would_have_been(study, make_trial):
    trial = make_trial(7, state="pruned", stop_reason="median", value=0.95, epochs=2)
    assert describe_result(trial, Audited(value=0.9, epochs=10), study.metric) == (
        "trial 7 ends at 0.9000 after 10 epochs; median stopped it at 0.9500 after 2"
    )
    assert describe_result(trial, Audited(value=None, epochs=4), study.metric).startswith(
        "trial 7 diverged after 4 epochs"
    )
    nothing = make_trial(7, state="pruned", stop_reason="diverged", value=None, epochs=1)
    assert describe_result(nothing, Audited(value=None, epochs=1), study.metric) == (
        "trial 7 diverged after 1 epoch; diverged stopped it after 1"
    )


def test_a_result_of_a_trial_that_is_no_longer_stopped_is_not_counted(study, make_trial):
    trials = [
        make_trial(0, state="pruned", stop_reason="median", config=CONFIG),
        make_trial(1, state="complete", continues=0, config=CONFIG),
    ]
    attrs = {"recsys_search:audit:0": {"value": 0.1, "epochs": 10}}
    status = {**study.status, "best": None}
    facts = facts_of(replace(study, trials=trials, attrs=attrs, status=status))
    assert facts["audit"]["sample"] is None


# What is refused.


def test_other_ratings_are_refused(stopped):
    stopped.write_ratings(seed=1)
    with pytest.raises((DataError, StudyError), match="ratings"):
        run(stopped, 1)
    assert stored(stopped) == {}


def test_a_study_without_a_stopped_trial_has_nothing_to_audit(workplace):
    workplace.start(workplace.write_study(trials=1))
    with pytest.raises(NothingYet, match="no rule has stopped a trial of small"):
        run(workplace, 1)


def test_at_least_one_trial_is_audited(workplace):
    with pytest.raises(OptionError, match="must be at least 1, got 0"):
        run(workplace, 0)


def test_forecasts_are_compared_to_the_ends_of_audited_trials():
    expected = {1: Forecast(0.8, 0.01), 2: Forecast(0.8, 0.01), 3: Forecast(0.8, 0.01)}
    results = {
        1: Audited(value=0.815, epochs=9),
        2: Audited(value=0.775, epochs=9),
        3: Audited(value=None, epochs=2),
        4: Audited(value=0.8, epochs=9),
    }
    assert n_within(results, expected) == (1, 2)
