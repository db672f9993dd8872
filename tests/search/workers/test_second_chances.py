"""What is tried instead of a trial that went wrong."""

from __future__ import annotations

import optuna
import pytest
import torch
from optuna.trial import TrialState, create_trial
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import config_to_mapping
from recsys_search.model.training.training import Training
from recsys_search.search.definition.contingency import Contingency
from recsys_search.search.definition.space import Space
from recsys_search.search.running.second_chances import second_chance, smaller_batch
from recsys_search.search.storage.trials import CONFIG

SPACE = Space.model_validate(
    {
        "architecture": {"choice": ["two_tower", "hybrid"]},
        "hybrid.batch_size": {"choice": [1024, 1536, 2048, 3072]},
        "hybrid.kl_weight": {"float": [1e-3, 0.03], "log": True},
        "hybrid.kl_warmup_epochs": {"int": [0, 40]},
    }
)


def ended(stop_reason, state=TrialState.PRUNED, attrs=(), epochs=8, **values):
    """A finished trial of that config."""
    config = config_to_mapping(build_config("hybrid", **values))
    return create_trial(
        state=state,
        value=0.9 if state == TrialState.COMPLETE else None,
        user_attrs={"stop_reason": stop_reason, "epochs": epochs, **dict(attrs)},
        system_attrs={CONFIG: config},
    )


def changes(trial, contingency=None):
    chance = second_chance(trial, SPACE, contingency or Contingency())
    return chance and chance.changes


@pytest.mark.parametrize(
    ("size", "smaller"), [(3072, 2048), (2048, 1536), (1536, 1024), (1024, None)]
)
def test_out_of_memory_tries_the_next_smaller_batch_of_the_axis(size, smaller):
    trial = ended("out-of-memory", TrialState.FAIL, batch_size=size)
    assert changes(trial) == (smaller and {"batch_size": smaller})


def test_without_an_axis_the_batch_shrinks_by_a_quarter():
    config = config_to_mapping(build_config("two_tower", batch_size=2048))
    assert smaller_batch(config, SPACE).changes == {"batch_size": 1536}
    assert smaller_batch({**config, "batch_size": 2}, SPACE) is None


def test_a_second_out_of_memory_gets_no_second_chance():
    assert changes(ended("out-of-memory", TrialState.PRUNED, batch_size=2048)) is None


def test_a_diverged_trial_is_tried_with_a_lower_kl_weight():
    assert changes(ended("diverged", kl_weight=0.02)) == {"kl_weight": 0.005}
    assert changes(ended("diverged", kl_weight=0.005)) is None


def test_an_early_plateau_far_from_the_best_is_tried_with_a_longer_warmup():
    assert changes(ended("plateau", kl_warmup_epochs=3.0)) == {"kl_warmup_epochs": 10}
    assert changes(ended("plateau", kl_warmup_epochs=15.0)) == {"kl_warmup_epochs": 30}


@pytest.mark.parametrize(
    "fine",
    [
        ended("plateau", TrialState.COMPLETE),  # a contender
        ended("plateau", epochs=20),  # not early
        ended("plateau", kl_schedule="constant"),
        ended("plateau", kl_warmup_epochs=6.0, max_epochs=12),  # half of all epochs
        ended("hopeless"),
        ended("collapse"),
        ended(None, TrialState.COMPLETE),
    ],
)
def test_other_endings_get_no_second_chance(fine):
    assert changes(fine) is None


def test_a_second_chance_gets_no_further_one():
    trial = ended("diverged", attrs={"contingency_of": 3}, kl_weight=0.02)
    assert changes(trial) is None


def test_contingency_is_off_unless_the_study_file_asks_for_it():
    trial = ended("diverged", kl_weight=0.02)
    assert second_chance(trial, SPACE, None) is None
    assert second_chance(trial, SPACE, Contingency(kl_weight=None)) is None
    assert second_chance(trial, SPACE, Contingency(kl_weight=0.01)).changes == {"kl_weight": 0.01}


def test_an_axis_that_ends_above_the_wanted_value_is_used_up_to_its_end():
    space = Space.model_validate({"kl_weight": {"float": [0.008, 0.03]}})
    chance = second_chance(ended("diverged", kl_weight=0.02), space, Contingency())
    assert chance.changes == {"kl_weight": 0.008}
    assert second_chance(ended("diverged", kl_weight=0.008), space, Contingency()) is None


# In a study.


@pytest.fixture
def no_room(monkeypatch):
    """A machine on which batches above a size do not fit."""

    def above(size):
        train_epoch = Training._train_epoch

        def starved(training):
            if training.config.batch_size > size:
                raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
            return train_epoch(training)

        monkeypatch.setattr(Training, "_train_epoch", starved)

    return above


BATCHES = {"batch_size": {"choice": [500, 1000, 1500]}}


def study_of_batches(workplace, **values):
    base = {name: value for name, value in workplace.base.items() if name != "batch_size"}
    known = [{"name": "large", "batch_size": 1500}]
    return workplace.write_study(base=base, space=BATCHES, known=known, **values)


def test_an_out_of_memory_trial_is_tried_again_with_a_smaller_batch_and_counts_once(
    workplace, no_room
):
    no_room(1000)
    reader = workplace.start(study_of_batches(workplace, trials=1))
    first, second = reader.trials()
    assert (first["state"], first["stop_reason"]) == ("failed", "out-of-memory")
    assert first["reason"] == (
        "out of memory in epoch 1 with batch size 1500; batch size 1000 is tried instead"
    )
    assert (second["state"], second["retry_of"]) == ("complete", 0)
    assert second["second_chance"] == (
        "batch size 1000, because trial 0 ran out of memory with 1500"
    )
    assert reader.show(1)["config"]["batch_size"] == 1000
    assert second["known_config"] == "large"
    assert reader.status()["done"] == 1


def test_a_second_out_of_memory_is_pruned_and_its_batch_size_infeasible(workplace, no_room):
    no_room(500)
    reader = workplace.start(study_of_batches(workplace, trials=1))
    second = reader.trials()[1]
    assert (second["state"], second["stop_reason"]) == ("pruned", "out-of-memory")
    assert second["reason"] == (
        "out of memory in epoch 1 with batch size 1000, for the second time"
    )
    study = optuna.load_study(study_name="small", storage=workplace.storage)
    assert study.trials[1].constraints == {"out-of-memory": 1.0}
    assert study.trials[0].constraints == {}
    assert reader.status()["done"] == 1


def test_three_trials_out_of_memory_do_not_end_the_study(workplace, no_room):
    no_room(0)
    reader = workplace.start(study_of_batches(workplace, trials=3))
    assert reader.status()["done"] == reader.status()["pruned"] == 3


def test_a_diverged_trial_gets_another_attempt_that_names_it(workplace):
    known = [{"name": "wild", "kl_weight": 50.0, "learning_rate": 1e6}]
    space = {"kl_weight": {"float": [1e-4, 100.0], "log": True}}
    study = workplace.write_study(space=space, known=known, contingency={}, trials=2)
    first, second = workplace.start(study).trials()
    assert first["stop_reason"] == "diverged"
    assert (second["contingency_of"], second["retry_of"]) == (0, None)
    assert second["second_chance"] == "KL weight 0.005, because trial 0 diverged at 50"
    shown = workplace.read().show(1)["config"]
    assert (shown["kl_weight"], shown["learning_rate"]) == (0.005, 1e6)
    assert workplace.read().status()["waiting"] == 0  # it diverges again, and gets no third attempt
