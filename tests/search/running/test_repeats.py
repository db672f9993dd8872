"""A suggestion that was trained already is not trained again."""

from __future__ import annotations

import optuna
import pytest
from recsys_search.search.running import trial_progress as module
from recsys_search.search.storage.database import readable_storage


@pytest.fixture
def repeated(workplace, recorder):
    """A study whose trials 0 and 2 have one config; what its listener received."""
    listener = recorder()
    known = [{"name": "a"}, {"name": "b", "seed": 7}, {"name": "again"}]
    base = {**workplace.base, "learning_rate": 1e-2}
    workplace.start(workplace.write_study(base=base, space={}, known=known, trials=3), listener)
    return workplace, listener


def test_a_repeated_config_reuses_the_figures_and_trains_no_epoch(repeated):
    first, other, again = repeated[0].read().trials()
    assert (again["state"], again["stop_reason"], again["same_as"]) == ("complete", None, 0)
    assert again["reason"] == "the same config as trial 0: not trained again"
    assert (again["epochs"], again["train_s"]) == (0, 0)
    for key in ("val_rmse", "val_mse", "best_epoch", "params", "architecture"):
        assert again[key] == first[key]
    assert repeated[0].read().show(2)["config"] == repeated[0].read().show(0)["config"]
    assert repeated[0].read().show(2)["environment"] == repeated[0].read().show(0)["environment"]
    # Another seed is another config.
    assert (other["same_as"], other["epochs"]) == (None, 2)


def test_a_repeated_trial_counts_but_is_not_ranked(repeated):
    reader = repeated[0].read()
    assert reader.status()["done"] == reader.status()["complete"] == 3
    assert sorted(trial["number"] for trial in reader.best(9)) == [0, 1]


def test_optuna_receives_the_same_value(repeated):
    study = optuna.load_study(study_name="small", storage=readable_storage(repeated[0].storage))
    first, _, again = study.get_trials()
    assert again.value == first.value
    assert again.intermediate_values == {}


def test_rules_see_the_curve_of_a_repeated_config_once(workplace, monkeypatch):
    seen = []
    progress = module.Progress

    def recorded(**values):
        seen.append(len(values["ended"]))
        return progress(**values)

    monkeypatch.setattr(module, "Progress", recorded)
    known = [{"name": "a"}, {"name": "again"}, {"name": "b", "seed": 7}]
    base = {**workplace.base, "learning_rate": 1e-2}
    workplace.start(workplace.write_study(base=base, space={}, known=known, trials=3))
    assert seen == [0, 0, 1, 1]


def test_a_third_repetition_names_the_trial_that_was_trained(workplace):
    base = {**workplace.base, "learning_rate": 1e-2}
    reader = workplace.start(workplace.write_study(base=base, space={}, trials=3))
    assert [trial["same_as"] for trial in reader.trials()] == [None, 0, 0]


def test_a_config_whose_trial_was_interrupted_is_trained(workplace, recorder):
    def interrupt(number, report):
        if number == 0:
            raise KeyboardInterrupt

    base = {**workplace.base, "learning_rate": 1e-2}
    study = workplace.write_study(base=base, space={}, trials=1)
    with pytest.raises(KeyboardInterrupt):
        workplace.start(study, recorder(interrupt))
    trials = workplace.start(study).trials()
    assert [(trial["state"], trial["same_as"]) for trial in trials] == [
        ("interrupted", None),
        ("complete", None),
    ]


def test_a_repeated_trial_reports_the_same_constraints_to_the_sampler(workplace):
    base = {**workplace.base, "learning_rate": 1e-2}
    study = workplace.write_study(base=base, space={}, limits={"kl_weight": 0.5}, trials=2)
    workplace.start(study)
    stored = optuna.load_study(study_name="small", storage=readable_storage(workplace.storage))
    first, again = stored.get_trials()
    assert again.constraints == first.constraints != {}
