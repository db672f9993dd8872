"""Studies on a GPU, from the command line. They need Optuna and its dashboard."""

from __future__ import annotations

import json
import os

import pytest
import yaml

pytest.importorskip("optuna", reason="Optuna is not installed")
pytest.importorskip("optuna_dashboard", reason="optuna-dashboard is not installed")
pytest.importorskip("typer", reason="Typer is not installed")

pytestmark = pytest.mark.gpu

COMMAND = "from recsys_search.cli import main; main()"

STUDY = {
    "dataset": "ratings",
    "base": {
        "max_epochs": 2,
        "batch_size": 400,
        "two_tower.latent_dim": 4,
        "hybrid.latent_dim": 4,
        "hybrid.n_factors": 4,
        "hybrid.hidden_dims": [8, 4],
    },
    "space": {
        "architecture": {"choice": ["two_tower", "hybrid"]},
        "learning_rate": {"float": [1e-3, 1e-2], "log": True},
    },
    "pruners": [{"gpu_memory": {"share": 0.98}}],
    "trials": 4,
}


@pytest.fixture
def command(tmp_path, ratings_folder, start_python):
    """Runs a command in a folder with ratings and a study file; returns what it prints."""
    (tmp_path / "small.yaml").write_text(yaml.safe_dump(STUDY, sort_keys=False))
    variables = {"RECSYS_SEARCH_STORAGE": f"sqlite:///{tmp_path}/studies.db"}

    def run(*arguments, code=0):
        process = start_python(COMMAND, *arguments, cwd=tmp_path, env=os.environ | variables)
        out, _ = process.communicate(timeout=280)
        assert process.returncode == code
        return out

    return run


@pytest.mark.parametrize(
    "options",
    [
        ("--workers", "1"),
        # It sets the precision, and leaves the first use of the GPU to the training.
        ("--workers", "2", "--preset", "a6000"),
    ],
)
def test_a_study_trains_all_its_trials(command, device, options):
    command("start", "--study", "small.yaml", "--device", device, *options)
    status = json.loads(command("status", "--json"))
    assert (status["complete"] + status["pruned"], status["failed"]) == (4, 0)
    assert 0.3 < status["best"]["val_rmse"] < 2
    trials = json.loads(command("trials", "--json"))
    assert len({trial["number"] for trial in trials}) == 4


def test_the_best_trial_trains_and_evaluates(command, device, tmp_path):
    command("start", "--study", "small.yaml", "--device", device, "--trials", "2")
    command("best", "--export", "best.yaml")
    command("train", "--config", "best.yaml", "--out", "run", "--device", device)
    figures = json.loads(command("evaluate", "run", "--device", device, "--json"))
    assert 0.3 < figures["rmse"] < 2
    on_cpu = json.loads(command("evaluate", "run", "--device", "cpu", "--json"))
    assert figures["rmse"] == pytest.approx(on_cpu["rmse"], abs=1e-3)


def test_doctor_finds_the_device_in_order(command, device):
    checks = json.loads(command("doctor", "--device", device, "--json"))
    found = {check["check"]: check for check in checks}
    for name in ("cuda", "device", "gpu_memory", "amp"):
        assert found[name]["ok"], found[name]
    assert found["device"]["detail"].startswith(device)
