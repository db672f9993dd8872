"""The command line, called in this process, on a study that takes a second."""

from __future__ import annotations

import io
from contextlib import chdir, redirect_stderr, redirect_stdout
from typing import NamedTuple

import pytest
import yaml
from recsys_search.cli import main
from recsys_search.data.demo.generator import demo_ratings

STUDY = {
    "dataset": "ratings",
    "base": {
        "amp": "off",
        "max_epochs": 2,
        "batch_size": 1000,
        "two_tower.latent_dim": 2,
        "hybrid.latent_dim": 2,
        "hybrid.n_factors": 3,
        "hybrid.hidden_dims": [6, 4],
    },
    "space": {
        "architecture": {"choice": ["two_tower", "hybrid"]},
        "learning_rate": {"float": [1e-3, 1e6], "log": True},
    },
    "known": [
        {"name": "tower", "architecture": "two_tower", "learning_rate": 1e-2},
        {"name": "net", "architecture": "hybrid", "learning_rate": 3e-3},
        {"name": "wild", "architecture": "two_tower", "learning_rate": 1e6},
    ],
    "trials": 3,
}


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


def call(folder, *args):
    """The outcome of a command that is called in a folder."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        redirect_stdout(out),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main([str(arg) for arg in args])
    return Outcome(ended.value.code or 0, out.getvalue(), err.getvalue())


@pytest.fixture(scope="session")
def make_folder(write_ratings):
    """Writes ratings and a study file into a folder."""

    def make(folder):
        write_ratings(folder / "ratings", demo_ratings(2000, n_users=60, n_films=80))
        (folder / "small.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
        return folder

    return make


@pytest.fixture(autouse=True)
def no_storage_variable(monkeypatch):
    monkeypatch.delenv("RECSYS_SEARCH_STORAGE", raising=False)


@pytest.fixture
def press_ctrl_c(monkeypatch):
    """`press_ctrl_c(module, name)`: replace a function by one that raises KeyboardInterrupt."""

    def interrupted(*args, **kwargs):
        raise KeyboardInterrupt

    return lambda module, name: monkeypatch.setattr(module, name, interrupted)


@pytest.fixture
def folder(tmp_path, make_folder):
    """A folder with ratings and a study file, and nothing else."""
    return make_folder(tmp_path)


@pytest.fixture
def cli(folder):
    """Calls a command there."""
    return lambda *args: call(folder, *args)


@pytest.fixture(scope="session")
def job(tmp_path_factory, make_folder):
    """A folder in which the main job was run, and the outcome of each of its commands.

    The study has trials 0 (two_tower, completed), 1 (hybrid, completed) and 2 (diverged).
    """
    folder = make_folder(tmp_path_factory.mktemp("job"))
    commands = {
        "start": ["start", "--study", "small.yaml", "--device", "cpu"],
        "best": ["best", "--export", "config.yaml"],
        "train": ["train", "--config", "config.yaml", "--out", "runs/a", "--device", "cpu"],
    }
    return folder, {name: call(folder, *args) for name, args in commands.items()}


@pytest.fixture
def done(job):
    """Calls a command in the folder of the finished job; what it writes there stays."""
    return lambda *args: call(job[0], *args)
