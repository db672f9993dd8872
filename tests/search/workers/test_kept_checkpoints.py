"""Checkpoints are there until a trial's end is stored, and of frozen trials afterwards."""

from __future__ import annotations

from dataclasses import asdict
from time import time

import optuna
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from optuna.trial import TrialState, create_trial
from recsys_search.base.folders import LocalFolder
from recsys_search.errors import OptionError
from recsys_search.model.training.checkpoints import Checkpoints
from recsys_search.model.training.reports import MEASURED
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.results.housekeeping import delete_study
from recsys_search.search.running.checkpoint_folders import count_kept, tidy_checkpoints
from recsys_search.search.storage.artifacts import (
    artifact_store,
    checkpoint_folder,
    open_artifacts,
)

BASE = {
    "architecture": "two_tower",
    "amp": "off",
    "batch_size": 1000,
    "latent_dim": 2,
    "neighbours": "off",
}
# Trial 0 completes, 1 is above the median, 2 diverges, 3 is above the median too.
KNOWN = [
    {"name": "good", "learning_rate": 1e-2},
    {"name": "slow", "learning_rate": 1e-9},
    {"name": "wild", "learning_rate": 1e6},
    {"name": "slower", "learning_rate": 1e-8},
]


@pytest.fixture
def write_study(workplace):
    def write(name="small", **changes):
        study = {
            "base": {**BASE, "max_epochs": 3},
            "space": {"learning_rate": {"float": [1e-9, 1e6], "log": True}},
            "known": KNOWN,
            "pruners": [{"median": {"startup_trials": 1, "warmup_epochs": 1}}],
            "trials": 4,
        }
        return workplace.write_study(name, **{**study, **changes})

    return write


def kept_in(workplace):
    """First trials of the checkpoint folders."""
    return sorted(int(name.rpartition("-")[2]) for name in all_kept(workplace))


def all_kept(workplace):
    return checkpoint_folder(workplace.storage).sizes()


def outcome(reader):
    """What must be the same, however often the study was killed: the last attempts."""
    records = reader.trials()
    retried = {record["retry_of"] for record in records}
    return {
        record["known_config"]: (
            *(record[key] for key in ("state", "stop_reason", "epochs", "val_rmse")),
            curve(reader, record["number"]),
        )
        for record in records
        if record["number"] not in retried
    }


def curve(reader, number):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in reader.reports(number)
    ]


def state_in(workplace, name):
    return Checkpoints(checkpoint_folder(workplace.storage).child(name)).load()


def test_only_trials_that_a_comparison_stopped_keep_one_checkpoint(workplace, write_study):
    reader = workplace.start(write_study())
    assert [record["stop_reason"] for record in reader.trials()] == [
        None,
        "median",
        "diverged",
        "median",
    ]
    assert kept_in(workplace) == [1, 3]
    folder = checkpoint_folder(workplace.storage)
    for name, number in zip(sorted(folder.sizes()), (1, 3), strict=True):
        assert len(folder.child(name).files()) == 1
        state = state_in(workplace, name)
        assert len(state["reports"]) == reader.trials()[number]["epochs"]
    kept = reader.status()["kept_checkpoints"]
    assert kept == {
        "trials": 2,
        "bytes": sum(folder.sizes().values()),
        "limit_bytes": 2 * 10**9,
    }
    delete_study(workplace.storage, "small")
    assert kept_in(workplace) == []


def test_beyond_the_limit_the_worst_trials_go_first(workplace, write_study):
    reader = workplace.start(write_study())
    sizes, values = all_kept(workplace), [trial["value"] for trial in reader.trials()]
    # Each is a few kB; a limit between one and both leaves the better one.
    limit = f"{(sum(sizes.values()) - 1) / 1000:.3f}kB"
    workplace.start("small", keep_checkpoints=limit)
    assert kept_in(workplace) == [1 if values[1] <= values[3] else 3]
    assert workplace.read().spec.keep_checkpoints == limit
    workplace.start("small", keep_checkpoints="0")
    assert kept_in(workplace) == []
    assert workplace.read().status()["kept_checkpoints"]["limit_bytes"] == 0


def test_with_zero_nothing_is_saved(workplace, write_study, monkeypatch):
    saved = []
    monkeypatch.setattr(Checkpoints, "save", lambda *args, **options: saved.append(args))
    workplace.start(write_study(keep_checkpoints=0))
    assert (saved, kept_in(workplace)) == ([], [])


def test_the_key_may_change_in_the_file(workplace, write_study):
    workplace.start(write_study(), trials=1)
    workplace.start(write_study(keep_checkpoints="1MB"), trials=1)
    assert workplace.read().spec.keep_checkpoints == "1MB"
    with pytest.raises(OptionError, match="'2G' is not a size"):
        workplace.start("small", keep_checkpoints="2G")


def test_a_damaged_kept_checkpoint_harms_nothing(workplace, write_study):
    workplace.start(write_study())
    for name in all_kept(workplace):
        folder = checkpoint_folder(workplace.storage).child(name)
        for file in folder.files():
            folder.write(file, b"damaged")
        assert Checkpoints(folder).load() is None
    reader = workplace.start("small", trials=5)
    assert reader.status()["done"] == 5
    assert reader.status()["kept_checkpoints"]["trials"] >= 2


# What is removed, decided from the stored trials alone.


@pytest.fixture
def tidy(tmp_path, write_study):
    """Trials given as (state, value, attributes), a checkpoint of each; the numbers that remain."""
    spec = load_study(write_study(keep_checkpoints="2.5kB"))
    folder = LocalFolder(tmp_path / "kept")

    def tidy(*trials, retries=0, study=None):
        study = study or optuna.create_study()
        for number, (state, value, attrs) in enumerate(trials):
            attrs = {**attrs, **({} if value is None else {"val_rmse": value})}
            value = 1.0 if state == TrialState.COMPLETE else None
            study.add_trial(create_trial(state=state, value=value, user_attrs=attrs))
            if "retry_of" not in attrs:
                folder.child(f"0-{number}").write("a", bytes(1000))
        tidy_checkpoints(study, spec, folder, pytest.fail)
        assert count_kept(study, spec, folder)["bytes"] <= 2500
        return sorted(int(name.removeprefix("0-")) for name in folder.sizes())

    tidy.folder, tidy.spec = folder, spec
    return tidy


def pruned(value, stop_reason="median", **attrs):
    return TrialState.PRUNED, value, {"stop_reason": stop_reason, "reason": "x", **attrs}


def test_the_best_frozen_trials_stay_within_the_limit(tidy):
    assert tidy(pruned(0.9), pruned(0.7), pruned(None), pruned(0.8), pruned(float("nan"))) == [1, 3]


@pytest.mark.parametrize(
    ("stop_reason", "stays"),
    [
        *((name, True) for name in ("hopeless", "plateau", "overfit-gap", "median", "percentile")),
        *((name, True) for name in ("successive-halving", "hyperband", "budget")),
        *((name, False) for name in ("collapse", "diverged", "gpu-memory", "out-of-memory")),
        ("known-limit", False),
    ],
)
def test_a_sick_trial_is_not_frozen(tidy, stop_reason, stays):
    assert tidy(pruned(0.9, stop_reason)) == ([0] if stays else [])


def test_trials_that_will_run_again_keep_theirs_whatever_the_limit(tidy):
    interrupted = {"stop_reason": "interrupted", "reason": "x"}
    states = [
        (TrialState.RUNNING, None, {}),
        (TrialState.WAITING, None, {}),
        (TrialState.FAIL, None, interrupted),
        (TrialState.FAIL, None, {"stop_reason": "out-of-memory", "reason": "x"}),
        (TrialState.FAIL, None, {}),  # its process died, and Optuna has ended it
        (TrialState.FAIL, None, {"reason": "ValueError: x"}),
        (TrialState.COMPLETE, 0.8, {}),
    ]
    assert tidy(*states) == [0, 1, 2, 3, 4]


def test_the_last_attempt_decides(tidy):
    interrupted = (TrialState.FAIL, None, {"stop_reason": "interrupted", "reason": "x"})
    assert tidy(interrupted, (TrialState.COMPLETE, 0.8, {"retry_of": 0})) == []
    assert tidy(interrupted, pruned(0.8, retry_of=0)) == [0]


def test_other_studies_and_other_files_stay(tidy):
    for name in ("1-0", "0-aa-0", "01-0", "0-x"):
        tidy.folder.child(name).write("a", b"1")
    tidy_checkpoints(optuna.create_study(), tidy.spec, tidy.folder, pytest.fail)
    assert sorted(tidy.folder.sizes()) == ["0-aa-0", "0-x", "01-0", "1-0"]


def test_folders_that_another_process_removes_meanwhile_are_no_error(tidy, monkeypatch):
    original = LocalFolder.sizes

    def list_and_lose(self):
        sizes = original(self)
        for name in sizes:
            self.child(name).delete()
        return sizes

    monkeypatch.setattr(LocalFolder, "sizes", list_and_lose)
    assert tidy((TrialState.COMPLETE, 0.8, {}), *[pruned(0.9)] * 4) == []


def test_a_checkpoint_that_was_never_completed_is_removed_an_hour_later(tidy):
    study = optuna.create_study()
    assert tidy(pruned(0.9), study=study) == [0]
    folder, running = tidy.folder.child("0-0"), f".partial-{int(time())}-b"
    for name in (".partial-1700000000-a", running):
        folder.write(name, b"")
    tidy_checkpoints(study, tidy.spec, tidy.folder, pytest.fail)
    assert folder.files().keys() == {"a", running}


def test_reports_that_were_never_completed_are_removed_too(workplace, write_study):
    artifacts = open_artifacts(workplace.storage)
    artifacts.write(".partial-1700000000-a", b"")
    workplace.start(write_study(trials=1))
    assert [name for name in artifacts.files() if name.startswith(".partial")] == []


TIDY = """
import sys
from pathlib import Path
import optuna
from recsys_search.base.folders import LocalFolder
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.running.checkpoint_folders import tidy_checkpoints
study = optuna.load_study(study_name="small", storage=sys.argv[1])
spec, folder = load_study(sys.argv[2]), LocalFolder(Path(sys.argv[3]))
print("ready", flush=True)
sys.stdin.readline()
tidy_checkpoints(study, spec, folder, sys.exit)
"""


def test_two_processes_tidy_at_once(workplace, write_study, start_python):
    path = write_study(keep_checkpoints="2.5kB")
    study = optuna.create_study(study_name="small", storage=workplace.storage)
    folder = LocalFolder(workplace.folder / "kept")
    for number in range(40):
        attrs = {"stop_reason": "median", "reason": "x", "val_rmse": 1 + number / 100}
        study.add_trial(create_trial(state=TrialState.PRUNED, user_attrs=attrs))
        folder.child(f"{study._study_id}-{number}").write("a", bytes(1000))
    processes = [start_python(TIDY, workplace.storage, path, folder.path) for _ in range(2)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [process.wait(60) for process in processes] == [0, 0]
    assert sorted(folder.sizes()) == [f"{study._study_id}-{number}" for number in (0, 1)]


# A folder elsewhere.


def test_reports_and_checkpoints_go_to_a_url(workplace, write_study, monkeypatch):
    MemoryFileSystem.store.clear()
    here = outcome(workplace.start(write_study("here")))
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", "memory://bucket/shared")
    reader = workplace.start(write_study())
    assert repr(outcome(reader)) == repr(here)  # one diverges: NaN is not equal to itself
    assert kept_in(workplace) == [1, 3]
    assert all("/bucket/shared/" in path for path in MemoryFileSystem.store)
    assert not any(".p" in path.removesuffix(".pt") for path in MemoryFileSystem.store)
    [meta] = optuna.artifacts.get_all_artifact_meta(reader._study.trials[0], storage=reader.storage)
    assert artifact_store(workplace.storage).open_reader(meta.artifact_id).read()
    delete_study(workplace.storage, "small")
    assert not list(MemoryFileSystem.store)


def test_two_storages_may_share_a_folder(workplace, write_study, monkeypatch, tmp_path):
    monkeypatch.setenv("RECSYS_SEARCH_ARTIFACTS", str(tmp_path / "shared"))
    workplace.start(write_study())
    workplace.storage = f"sqlite:///{tmp_path}/other.db"
    workplace.start(write_study())
    assert kept_in(workplace) == [1, 1, 3, 3]
    delete_study(workplace.storage, "small")
    assert kept_in(workplace) == [1, 3]


# Killed at any point, a study ends as if it had not been.

KILLED = """
import os, sys
from pathlib import Path
import optuna
from recsys_search.base import folders
from recsys_search.model.training import checkpoints
from recsys_search.search.running import checkpoint_folders
from recsys_search.search.storage import artifacts
from recsys_search.search.launch import run_study as module

checkpoints.SAVE_EVERY_S = 0

def die_at(owner, name, call, *, after=False):
    calls, original = [], getattr(owner, name)

    def counting(*args, **options):
        calls.append(None)
        if len(calls) == call and not after:
            os._exit(9)
        result = original(*args, **options)
        if len(calls) == call:
            os._exit(9)
        return result

    setattr(owner, name, counting)

{patch}
module.run_study(
    sys.argv[1], sys.argv[2], overrides=module.Overrides(trials=3), device="cpu"
)
"""

# With a checkpoint after each epoch: trial 1 saves two and completes, trial 2 saves one and a last
# one when it is pruned.
POINTS = {
    "checkpoint's write": 'die_at(checkpoints.torch, "save", 4)',
    "checkpoint's sync": 'die_at(os, "fsync", 9)',
    "checkpoint's rename": 'die_at(Path, "replace", 5)',
    "after the rename": 'die_at(folders, "_sync_folder", 5)',
    "removal of the earlier one": 'die_at(folders.LocalFolder, "remove", 1)',
    "before the upload": 'die_at(artifacts.ArtifactStore, "write", 2)',
    "after the upload": 'die_at(artifacts.ArtifactStore, "write", 2, after=True)',
    "before the complete trial's tell": ('import optuna; die_at(optuna.Study, "tell", 1)'),
    "before the pruned trial's tell": ('import optuna; die_at(optuna.Study, "tell", 2)'),
    "after the tell": ('import optuna; die_at(optuna.Study, "tell", 2, after=True)'),
    "before the removal": 'die_at(folders.LocalFolder, "delete", 1)',
    "within the removal": (
        "folders.rmtree = lambda path, **_: (next(path.iterdir()).unlink(), os._exit(9))"
    ),
    "after the removal": 'die_at(folders.LocalFolder, "delete", 1, after=True)',
}


@pytest.fixture(scope="module")
def unharmed(tmp_path_factory):
    """The outcome of the study without a kill."""
    return {}


@pytest.mark.parametrize("point", POINTS)
def test_a_study_killed_at_any_point_ends_the_same(
    workplace, write_study, start_python, unharmed, point
):
    known = [KNOWN[0], {"name": "better", "learning_rate": 3e-2}, KNOWN[1]]
    study = write_study(known=known, trials=3)
    if not unharmed:
        whole = workplace.start(write_study("whole", known=known, trials=3))
        unharmed["outcome"] = outcome(whole)
        unharmed["epochs"] = [
            len(state_in(workplace, name)["reports"]) for name in sorted(all_kept(workplace))
        ]
        delete_study(workplace.storage, "whole")
    # With a complete trial to compare with, the order of the others changes no ending.
    workplace.start(study, trials=1)
    process = start_python(KILLED.replace("{patch}", POINTS[point]), study, workplace.storage)
    assert process.wait(60) == 9
    reader = workplace.start(study, trials=3)
    assert outcome(reader) == unharmed["outcome"]
    assert reader.status()["done"] == 3
    retries = [record for record in reader.trials() if record["retry_of"] is not None]
    assert all(record["resumed_from_epoch"] for record in retries)
    kept = all_kept(workplace)
    assert [len(state_in(workplace, name)["reports"]) for name in kept] == unharmed["epochs"]
    for name in kept:
        assert len(checkpoint_folder(workplace.storage).child(name).files()) == 1
