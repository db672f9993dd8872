"""A trial that was cut off goes on from its last checkpoint in the next start."""

from __future__ import annotations

import signal
from dataclasses import asdict
from itertools import pairwise

import pytest
from optuna.trial import Trial
from recsys_search.model.training import checkpoints
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.reports import MEASURED
from recsys_search.search.storage.artifacts import checkpoint_folder

BASE = {"architecture": "two_tower", "amp": "off", "max_epochs": 4, "latent_dim": 2}


@pytest.fixture
def write_study(workplace):
    """A study of one trial with several steps per epoch."""

    def write(name="small", **changes):
        base = {**BASE, "batch_size": 400}
        return workplace.write_study(name, **{"base": base, "trials": 1, **changes})

    return write


def curve(reader, number):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in reader.reports(number)
    ]


def interrupt_at(monkeypatch, step):
    """Send SIGINT during a step, counted over all epochs of the process."""
    taken, original = [], Descent.step

    def step_and_interrupt(self, *args):
        original(self, *args)
        taken.append(None)
        if len(taken) == step:
            signal.raise_signal(signal.SIGINT)

    monkeypatch.setattr(Descent, "step", step_and_interrupt)


def checkpoints_in(workplace):
    folder = checkpoint_folder(workplace.storage)
    return [folder.child(name).path for name in sorted(folder.sizes())]


@pytest.mark.parametrize("step", [2, 4, 7, 11])
def test_an_interrupted_trial_goes_on_to_the_bit(
    workplace, write_study, recorder, monkeypatch, step
):
    expected = workplace.start(write_study("whole"))
    with monkeypatch.context() as patch:
        interrupt_at(patch, step)
        with pytest.raises(KeyboardInterrupt):
            workplace.start(write_study())
    assert len(checkpoints_in(workplace)) == 1
    listener = recorder()
    reader = workplace.start(write_study(), listener)
    first, second = reader.trials()
    n_done = first["epochs"]
    assert (first["state"], second["state"]) == ("interrupted", "complete")
    assert (second["retry_of"], second["resumed_from_epoch"]) == (0, n_done)
    assert (
        f"trial 1 goes on from trial 0's checkpoint, after {n_done} of 4 epochs" in listener.notices
    )
    assert curve(reader, 1) == curve(expected, 0)
    assert second["val_rmse"] == expected.trials()[0]["val_rmse"]
    assert reader.status()["epochs"] == 4
    assert checkpoints_in(workplace) == []


def test_a_trial_can_be_interrupted_again_and_again(workplace, write_study, monkeypatch):
    expected = workplace.start(write_study("whole"))
    for step in (3, 2, 1):
        with monkeypatch.context() as patch:
            interrupt_at(patch, step)
            with pytest.raises(KeyboardInterrupt):
                workplace.start(write_study())
    reader = workplace.start(write_study())
    assert [record["state"] for record in reader.trials()] == [*["interrupted"] * 3, "complete"]
    assert curve(reader, 3) == curve(expected, 0)
    assert reader.status()["done"] == 1


def test_a_timeout_stops_within_an_epoch(workplace, write_study, monkeypatch):
    clock, original = [0.0], Descent.step

    def slow(self, *args):
        clock[0] += 1
        return original(self, *args)

    for module in ("launch.run_study", "workers.job"):
        monkeypatch.setattr(f"recsys_search.search.{module}.time", lambda: clock[0])
    monkeypatch.setattr(Descent, "step", slow)
    [record] = workplace.start(write_study(), timeout="6s").trials()
    assert record["reason"] == "out of time (6s) in epoch 2"
    assert workplace.start(write_study()).trials()[1]["resumed_from_epoch"] == 1


def test_a_killed_trial_goes_on_after_its_last_checkpoint(workplace, write_study, start_python):
    code = """
import os, sys
from recsys_search.model.training import checkpoints
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.running.events import EpochEnded
checkpoints.SAVE_EVERY_S = 0

def listen(event):
    if isinstance(event, EpochEnded) and event.report.epoch == 3:
        os._exit(9)

run_study(sys.argv[1], sys.argv[2], device="cpu", listener=listen)
"""
    process = start_python(code, write_study(), workplace.storage)
    assert process.wait(60) == 9
    reader = workplace.start(write_study())
    assert reader.trials()[1]["resumed_from_epoch"] == 2
    assert curve(reader, 1) == curve(workplace.start(write_study("whole")), 0)
    assert reader.status()["epochs"] == 5  # the third was trained twice


def test_epochs_that_are_copied_when_the_process_ends_are_not_counted_again(
    workplace, write_study, monkeypatch
):
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        interrupt_at(patch, 11)
        workplace.start(write_study())
    report = Trial.report

    def report_and_end(self, value, step):
        report(self, value, step)
        raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Trial, "report", report_and_end)
        workplace.start(write_study())
    first, copying = workplace.read().trials()
    assert copying["resumed_from_epoch"] == first["epochs"] > 1
    assert workplace.read().status()["epochs"] == first["epochs"]
    assert workplace.start(write_study()).status()["epochs"] == 4


def test_a_damaged_checkpoint_means_a_new_beginning(workplace, write_study, monkeypatch):
    with monkeypatch.context() as patch:
        interrupt_at(patch, 7)
        with pytest.raises(KeyboardInterrupt):
            workplace.start(write_study())
    for path in checkpoints_in(workplace)[0].iterdir():
        path.write_bytes(b"damaged")
    record = workplace.start(write_study()).trials()[1]
    assert (record["state"], record["resumed_from_epoch"]) == ("complete", None)


def test_a_checkpoint_is_saved_once_a_minute(workplace, write_study, monkeypatch):
    clock = [0.0]
    saved = []
    monkeypatch.setattr(checkpoints, "monotonic", lambda: clock[0])
    monkeypatch.setattr(
        checkpoints.Checkpoints, "save", lambda self, state, kept: saved.append(clock[0])
    )

    def listen(event):
        clock[0] += 25

    workplace.start(write_study(base={**BASE, "max_epochs": 8}), listen)
    assert saved[0] >= 60
    assert all(later - earlier >= 60 for earlier, later in pairwise(saved))


def test_a_checkpoint_that_cannot_be_written_ends_no_trial(
    workplace, write_study, recorder, monkeypatch
):
    def full(self, state, *, kept):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(checkpoints, "SAVE_EVERY_S", 0)
    monkeypatch.setattr(checkpoints.Checkpoints, "save", full)
    listener = recorder()
    [record] = workplace.start(write_study(), listener).trials()
    assert record["state"] == "complete"
    notes = [note for note in listener.notices if "checkpoint" in note]
    assert notes == ["no checkpoint can be written: OSError: [Errno 28] No space left on device"]
