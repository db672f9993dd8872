"""`train` with the same folder goes on from the checkpoint of a training that was cut off."""

from __future__ import annotations

import json
import signal

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import RunError
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.run_folder import checkpoint_folder
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training import checkpoints
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.reports import MEASURED

SPEC = SplitSpec(train=0.6, validation=0.2, test=0.2)


@pytest.fixture
def experiment(small_config):
    config = small_config("mf", max_epochs=4, batch_size=400)
    return Experiment(config=config, dataset="demo:2k", split=SPEC)


def curve(out):
    reports = [json.loads(line) for line in (out / "reports.jsonl").read_text().splitlines()]
    return [{k: v for k, v in report.items() if k not in MEASURED} for report in reports]


def interrupted(experiment, out, monkeypatch, step):
    """Train until a signal arrives in this step, and return the messages."""
    taken, messages, original = [], [], Descent.step

    def step_and_interrupt(self, *args):
        original(self, *args)
        taken.append(None)
        if len(taken) == step:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch:
        patch.setattr(Descent, "step", step_and_interrupt)
        with pytest.raises(KeyboardInterrupt):
            train_run(experiment, out, device="cpu", notify=messages.append)
    return messages


@pytest.mark.parametrize("step", [1, 2, 5, 8])
def test_an_interrupted_training_goes_on_to_the_bit(experiment, tmp_path, monkeypatch, step):
    train_run(experiment, tmp_path / "whole", device="cpu")
    out, messages = tmp_path / "run", []
    interrupted(experiment, out, monkeypatch, step)
    result = train_run(experiment, out, device="cpu", notify=messages.append)
    n_done = result["resumed_from_epoch"]
    assert f"goes on after {n_done} of 4 epochs" in messages
    assert curve(out) == curve(tmp_path / "whole")
    assert result["val_rmse"] == Run.load(tmp_path / "whole", "cpu").experiment.metrics["val_rmse"]
    assert Run.load(out, "cpu").experiment.metrics["stop_reason"] is None
    assert not checkpoint_folder(out).exists()
    assert {path.name for path in tmp_path.iterdir()} == {"whole", "run"}


def test_a_training_that_was_not_cut_off_is_not_resumed(experiment, tmp_path):
    assert train_run(experiment, tmp_path / "a", device="cpu")["resumed_from_epoch"] is None
    with pytest.raises(RunError, match="a already exists; choose another --out, or remove it"):
        train_run(experiment, tmp_path / "a", device="cpu")


def test_another_experiment_does_not_replace_an_interrupted_run(
    experiment, small_config, tmp_path, monkeypatch
):
    out = tmp_path / "run"
    interrupted(experiment, out, monkeypatch, step=6)
    before = curve(out)
    other = experiment.edited(
        config=small_config("mf", max_epochs=4, batch_size=400, seed=5), split=SPEC
    )
    with pytest.raises(RunError, match="run is another training's; choose another --out, or "):
        train_run(other, out, device="cpu")
    assert curve(out) == before


def test_a_killed_training_goes_on_after_its_last_checkpoint(experiment, tmp_path, monkeypatch):
    class Killed(BaseException):
        pass

    def kill(run, report):
        if report.epoch == 3:
            raise Killed

    monkeypatch.setattr(checkpoints, "SAVE_EVERY_S", 0)
    with pytest.raises(Killed):
        train_run(experiment, tmp_path / "run", device="cpu", on_epoch=kill)
    assert not (tmp_path / "run").exists()
    assert train_run(experiment, tmp_path / "run", device="cpu")["resumed_from_epoch"] == 2
