"""A stopped trial goes on later, to the bit, as one trial more that counts once."""

from __future__ import annotations

import signal
from dataclasses import asdict

import pytest
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.reports import MEASURED
from recsys_search.search.prospects.thaw import Thaw
from recsys_search.search.results.removal import remove_trials
from recsys_search.search.storage.artifacts import checkpoint_folder
from recsys_search.search.workers import planner

BASE = {
    "architecture": "two_tower",
    "amp": "off",
    "batch_size": 1000,
    "latent_dim": 2,
    "neighbours": "off",
    "max_epochs": 5,
}
KNOWN = [
    {"name": "good", "learning_rate": 1e-2},
    {"name": "slow", "learning_rate": 1e-4},
]
MEDIAN = {"median": {"startup_trials": 1, "warmup_epochs": 1}}


@pytest.fixture
def write_study(workplace):
    def write(name="small", **changes):
        study = {
            "base": BASE,
            "space": {"learning_rate": {"float": [1e-5, 1e-1], "log": True}},
            "known": KNOWN,
            "pruners": [MEDIAN],
            "thaw": True,
            "trials": 3,
        }
        return workplace.write_study(name, **{**study, **changes})

    return write


@pytest.fixture
def thaw_slow(monkeypatch):
    """Let the search find that trial 1 is worth going on with."""
    asked = []

    def find_thaw(spec, trials, star, kept, prior):
        asked.append(kept)
        is_open = 1 in kept and len(trials) == 2
        return Thaw(1, 0.5, 1e-3, 1e-4) if is_open else None

    monkeypatch.setattr(planner, "find_thaw", find_thaw)
    return asked


def curve(reader, number):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in reader.reports(number)
    ]


def test_it_goes_on_to_the_bit(workplace, write_study, thaw_slow):
    whole = workplace.start(write_study("whole", pruners=[], thaw=False, trials=2))
    reader = workplace.start(write_study())
    frozen, thawed = reader.trials()[1:3]
    assert (frozen["state"], frozen["stop_reason"], frozen["epochs"]) == ("pruned", "median", 2)
    assert (thawed["state"], thawed["continues"], thawed["epochs"]) == ("complete", 1, 5)
    assert thawed["known_config"] == "slow"
    assert curve(reader, 2) == curve(whole, 1)
    assert reader.show(2)["resumed_from_epoch"] == 2


def test_it_counts_once(workplace, write_study, thaw_slow):
    reader = workplace.start(write_study())
    status = reader.status()
    assert (status["done"], status["total"], len(reader.trials())) == (3, 3, 4)
    # Trials 0 and 3, two epochs of trial 1, and the three that were left of it.
    epochs = [trial["epochs"] for trial in reader.trials()]
    assert status["epochs"] == epochs[0] + 5 + epochs[3]


def test_both_rows_name_each_other(workplace, write_study, thaw_slow, recorder):
    listener = recorder()
    reader = workplace.start(write_study(), listener=listener)
    assert reader.trials()[1]["reason"].endswith("; trial 2 continues it")
    assert "trial 1 goes on as trial 2" in listener.notices
    assert any("goes on from trial 1's checkpoint, after 2 of 5" in m for m in listener.notices)


def test_only_trials_with_a_checkpoint_are_offered(workplace, write_study, thaw_slow):
    reader = workplace.start(write_study(keep_checkpoints="0"))
    assert all(trial["continues"] is None for trial in reader.trials())
    assert thaw_slow == []  # there is nothing to choose from


def test_it_is_off_unless_the_study_asks_for_it(workplace, write_study, thaw_slow):
    reader = workplace.start(write_study(thaw=False))
    assert all(trial["continues"] is None for trial in reader.trials())


def test_its_checkpoint_goes_with_its_end(workplace, write_study, thaw_slow):
    workplace.start(write_study())
    kept = [name.rpartition("-")[2] for name in checkpoint_folder(workplace.storage).sizes()]
    assert "1" not in kept


def test_an_interrupted_one_is_resumed_and_still_continues_it(
    workplace, write_study, thaw_slow, monkeypatch
):
    whole = workplace.start(write_study("whole", pruners=[], thaw=False, trials=2))
    path = write_study()
    taken, original = [], Descent.step

    def step(self, *args):
        original(self, *args)
        taken.append(None)
        if len(taken) == interrupt_at:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Descent, "step", step)
    interrupt_at = None
    workplace.start(write_study("count", pruners=[], thaw=False, trials=1))
    # Five epochs of trial 0, two of trial 1, and in the second of those that are left of it.
    interrupt_at = len(taken) + len(taken) // 5 * 8 + 1
    with pytest.raises(KeyboardInterrupt):
        workplace.start(path)
    reader = workplace.start(path)
    interrupted, resumed = reader.trials()[2:4]
    assert interrupted["state"] == "interrupted"
    assert (resumed["retry_of"], resumed["continues"], resumed["state"]) == (2, 1, "complete")
    assert curve(reader, 3) == curve(whole, 1)
    assert reader.status()["done"] == 3


def test_removing_it_removes_what_it_continues(workplace, write_study, thaw_slow):
    reader = workplace.start(write_study())
    assert remove_trials(workplace.storage, reader.spec.name, [2]) == [1, 2]
    assert reader.status()["done"] == 2
