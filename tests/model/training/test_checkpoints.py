"""A training that is stopped and goes on ends as if it had not been stopped."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import asdict
from itertools import islice

import pytest
import torch
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.model.training.checkpoints import Checkpoints
from recsys_search.model.training.descent import row_adamw
from recsys_search.model.training.reports import MEASURED
from recsys_search.model.training.training import Training

ARCHITECTURES = ["two_tower", "hybrid", "mf", "biases"]


def curve(run):
    """The reports without the fields that differ from run to run."""
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in run.reports
    ]


def assert_same(run, other):
    assert curve(run) == curve(other)
    assert run.best.report.epoch == other.best.report.epoch
    for name, weights in run.best.weights.items():
        assert torch.equal(weights, other.best.weights[name])


def train(config, split):
    with Training(config, split, "cpu") as run:
        for _ in run:
            pass
    return run


class After:
    """Says so once, after a number of questions."""

    def __init__(self, n):
        self.n = n

    def __call__(self):
        self.n -= 1
        return self.n == 0


def train_in_pieces(config, split, folder, pauses):
    """Pause after each of these numbers of steps, and go on in a new training from the disk."""
    checkpoints = Checkpoints(folder)
    for pause in [*pauses, 0]:
        torch.manual_seed(pause)  # the process's own generator is somewhere else each time
        with Training(config, split, "cpu", should_pause=After(pause)) as run:
            if (state := checkpoints.load()) is not None:
                run.resume(state)
            for _ in run:
                pass
            checkpoints.save(run.state())
    return run


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_training_goes_on_between_epochs_to_the_bit(split, small_config, tmp_path, architecture):
    config = small_config(architecture)
    checkpoints = Checkpoints(tmp_path / "checkpoints")
    with Training(config, split, "cpu") as run:
        for _ in islice(run, 1):
            checkpoints.save(run.state())
    with Training(config, split, "cpu") as run:
        run.resume(checkpoints.load())
        assert run.resumed_from_epoch == 1
        for _ in run:
            pass
    assert_same(run, train(config, split))


@pytest.mark.parametrize("architecture", ["hybrid", "mf", "two_tower"])
def test_a_training_goes_on_to_the_bit_with_tables_updated_by_row(
    split, small_config, tmp_path, monkeypatch, architecture
):
    monkeypatch.setattr(row_adamw, "ROWS_PER_LOOKUP", 0)
    config = small_config(architecture, max_epochs=3, batch_size=100, weight_decay=0.1)
    run = train_in_pieces(config, split, tmp_path / "checkpoints", pauses=[1, 3, 2, 7])
    assert_same(run, train(config, split))


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        *(
            (architecture, {"kl_schedule": schedule})
            for architecture in ("two_tower", "hybrid")
            for schedule in ("linear", "cyclical", "controller")
        ),
        ("two_tower", {"neighbours": "both"}),
        ("two_tower", {"rank_weight": 1.0}),
        ("two_tower", {"likelihood": "gaussian"}),
        ("two_tower", {"likelihood": "ordinal", "neighbours": "both"}),
        ("hybrid", {"likelihood": "ordinal"}),
        ("hybrid", {"neighbours": "both"}),
    ],
)
def test_a_training_goes_on_within_an_epoch_to_the_bit(
    split, small_config, tmp_path, architecture, values
):
    config = small_config(architecture, max_epochs=3, batch_size=100, **values)
    run = train_in_pieces(config, split, tmp_path / "checkpoints", pauses=[1, 3, 2, 7])
    assert_same(run, train(config, split))


def test_a_pause_ends_the_iteration_without_a_report(split, small_config):
    config = small_config("mf", max_epochs=3, batch_size=100)
    with Training(config, split, "cpu") as run:
        n_steps = run._fit.n_steps
    assert n_steps > 2
    # It is not asked after the last step of an epoch.
    with Training(config, split, "cpu", should_pause=After(n_steps + 1)) as run:
        assert [report.epoch for report in run] == [1]
        assert run.state()["fit"]["epoch"]["n_done"] == 2
    assert run.resumed_from_epoch is None


def test_a_state_of_an_earlier_version_is_refused(split, small_config):
    with Training(small_config("mf"), split, "cpu") as run:
        state = run.state()
        del state["format"]
        with pytest.raises(ValueError, match="the checkpoint has another format"):
            run.resume(state)


@pytest.mark.parametrize("changed", ["config", "split", "metric"])
def test_the_state_of_another_training_is_refused(split, small_config, changed):
    config = small_config("mf")
    with Training(config, split, "cpu") as run:
        state = run.state()
        other = {
            "config": (small_config("mf", seed=7), split),
            "split": (config, split.recut(1)),
            "metric": (config, split),
        }[changed]
        metric = METRICS["val_mse" if changed == "metric" else "val_rmse"]
        with (
            Training(*other, "cpu", metric=metric) as second,
            pytest.raises(ValueError, match=f"the checkpoint has another {changed}"),
        ):
            second.resume(state)


# Files


@pytest.fixture
def checkpoints(tmp_path):
    return Checkpoints(tmp_path / "a" / "checkpoints")


def names(checkpoints):
    return sorted(path.name[:8] for path in checkpoints.folder.path.iterdir())


def test_the_newest_two_checkpoints_are_kept(checkpoints):
    assert checkpoints.load() is None
    for number in range(4):
        checkpoints.save({"number": number, "tensor": torch.arange(number)})
    assert names(checkpoints) == ["00000003", "00000004"]
    assert checkpoints.load()["number"] == 3
    assert checkpoints.load()["tensor"].tolist() == [0, 1, 2]
    checkpoints.remove()
    assert not checkpoints.folder.path.exists()


@pytest.mark.parametrize("damage", ["cut", "flip", "empty", "folder"])
def test_a_damaged_checkpoint_falls_back_to_the_one_before(checkpoints, damage):
    checkpoints.save({"number": 1})
    checkpoints.save({"number": 2})
    newest = max(checkpoints.folder.path.iterdir())
    content = bytearray(newest.read_bytes())
    content[len(content) // 2] ^= 1
    if damage == "folder":
        newest.unlink()
        newest.mkdir()
    else:
        newest.write_bytes({"cut": content[:100], "flip": content, "empty": b""}[damage])
    assert checkpoints.load() == {"number": 1}


def test_weights_of_the_best_epoch_are_stored_once(checkpoints):
    def size_with(current):
        best = {"epoch": 1, "weights": {"a": torch.arange(10_000.0), "b": torch.zeros(2)}}
        checkpoints.save({"best": best, "weights": {"a": torch.arange(10_000.0), "b": current}})
        return max(checkpoints.folder.files().items())[1]

    same, other = size_with(torch.zeros(2)), size_with(torch.ones(2))
    assert 40_000 < same < other < 50_000
    assert checkpoints.load()["weights"]["b"].tolist() == [1, 1]
    size_with(torch.tensor([0.0, -0.0]))  # equal, but not the same to the bit
    assert checkpoints.load()["weights"]["b"].signbit().tolist() == [False, True]


def test_a_checkpoint_to_keep_is_the_only_one(checkpoints):
    for number in range(3):
        checkpoints.save({"number": number}, kept=1 if number == 2 else 2)
    assert names(checkpoints) == ["00000003"]
    assert checkpoints.load() == {"number": 2}


def test_code_in_a_checkpoint_is_not_run(checkpoints, tmp_path):
    class Touch:
        def __reduce__(self):
            return (open, (str(tmp_path / "touched"), "w"))

    checkpoints.save({"number": 1})
    checkpoints.save({"evil": Touch()})
    assert checkpoints.load() == {"number": 1}
    assert not (tmp_path / "touched").exists()


KILLED_AT = """
import os, sys
from pathlib import Path
from recsys_search.base import folders
from recsys_search.model.training import checkpoints as module

def die(*args, **kwargs):
    os._exit(9)

checkpoints = module.Checkpoints(Path(sys.argv[1]))
checkpoints.save({"number": 1})
checkpoints.save({"number": 2})
{patch}
checkpoints.save({"number": 3})
"""


@pytest.mark.parametrize(
    ("patch", "number"),
    [
        ("module.torch.save = die", 2),
        ("os.fsync = die", 2),
        ("Path.replace = die", 2),
        ("folders._sync_folder = die", 3),
        ("Path.unlink = die", 3),
    ],
    ids=["before the write", "sync", "rename", "folder's sync", "removal of the oldest"],
)
def test_a_process_killed_while_it_saves_leaves_a_whole_checkpoint(checkpoints, patch, number):
    script = KILLED_AT.replace("{patch}", patch)
    done = subprocess.run([sys.executable, "-c", script, checkpoints.folder.path], check=False)
    assert done.returncode == 9
    assert checkpoints.load() == {"number": number}
    checkpoints.save({"number": 4})
    assert checkpoints.load() == {"number": 4}
    assert len(names(checkpoints)) == 2


def test_a_full_disk_keeps_the_earlier_checkpoints(checkpoints, monkeypatch):
    checkpoints.save({"number": 1})

    def full(descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        checkpoints.save({"number": 2})
    assert checkpoints.load() == {"number": 1}
    assert names(checkpoints) == ["00000001"]
