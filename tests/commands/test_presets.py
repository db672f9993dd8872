"""`presets`, and `start --preset`."""

from __future__ import annotations

import json

import pytest
import yaml
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.running.opening import read_fit

STORAGE = "sqlite:///studies.db"


@pytest.fixture
def start(cli, folder):
    """Stores the study small.yaml, with batches of 1000 or of an axis, without running it."""

    def run(*args, study="small.yaml"):
        return cli("start", "--study", study, "--detach", "--device", "cpu", *args)

    spec = yaml.safe_load((folder / "small.yaml").read_text())
    del spec["base"]["batch_size"], spec["base"]["amp"]
    spec["space"]["hybrid.batch_size"] = {"choice": [500, 1024, 2048]}
    spec["known"][1]["batch_size"] = 2048
    (folder / "small.yaml").write_text(yaml.safe_dump(spec, sort_keys=False))
    return run


@pytest.fixture
def stored(folder):
    """The study as it is stored, and what a preset has decided."""
    url = f"sqlite:///{folder}/studies.db"
    return lambda: (StudyReader(url).spec, read_fit("small", url))


def test_the_table_fits_80_columns(cli, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    lines = cli("presets").out.splitlines()
    assert max(map(len, lines)) <= 80
    shown = "rtx3090 RTX 3090 24 GB bf16 at most 1024 1 0.40"
    assert lines[3].split() == shown.split()


def test_the_presets_as_json(cli):
    presets = json.loads(cli("presets", "--json").out)
    assert [preset["name"] for preset in presets][:4] == ["a6000", "rtx4090", "rtx3090", "a100"]
    assert presets[0]["batch_sizes"] == {"hybrid": 2048}


def test_a_preset_sets_batch_sizes_precision_and_price(start, stored):
    outcome = start("--preset", "rtx3090")
    assert outcome.code == 0
    assert (
        "preset rtx3090 (24 GB): precision bf16; hybrid.batch_size one of 500, 1024, not one of "
        "500, 1024, 2048; net with a batch size of 1024; 0.4 USD an hour"
    ) in outcome.err
    spec, fit = stored()
    assert spec.space.axes["hybrid.batch_size"].choices == (500, 1024)
    assert spec.base["amp"] == "bf16"
    assert spec.budget.usd_per_hour == 0.4
    assert fit.preset == "rtx3090"


def test_an_explicit_price_replaces_the_presets(start, stored):
    start("--preset", "rtx3090", "--usd-per-hour", "7")
    assert stored()[0].budget.usd_per_hour == 7
    start("--preset", "h100", study="small")
    assert stored()[0].budget.usd_per_hour == 7


def test_a_preset_prices_a_budget(start, stored):
    assert start("--preset", "a6000", "--budget-usd", "20").code == 0
    assert stored()[0].budget.usd == 20


@pytest.mark.parametrize("study", ["small", "small.yaml"])
def test_a_study_keeps_its_preset(start, stored, study):
    start("--preset", "rtx3090")
    before = stored()
    assert start(study=study).code == 0
    assert stored() == before


def test_another_preset_changes_the_price_alone(start, stored):
    start("--preset", "rtx3090")
    before, _ = stored()
    assert start("--preset", "h100", study="small.yaml").code == 0
    after, fit = stored()
    assert after.budget.usd_per_hour == 4
    assert after.model_copy(update={"budget": before.budget}) == before
    assert (fit.preset, fit.batch_sizes["hybrid"]) == ("h100", 1024)


def test_cpu_turns_mixed_precision_off(start, stored):
    outcome = start("--preset", "cpu")
    assert "preset cpu: precision off" in outcome.err
    assert stored()[0].base["amp"] == "off"


def test_a_preset_for_a_gpu_is_noted_on_a_machine_without_one(cli, folder):
    command = ["start", "--study", "small.yaml", "--trials", "1", "--device", "cpu", "--quiet"]
    outcome = cli(*command, "--preset", "a6000")
    assert outcome.code == 0
    record = StudyReader(f"sqlite:///{folder}/studies.db").show(0)
    assert record["state"] == "complete"


def test_an_unknown_preset_is_wrong_usage(cli, folder):
    outcome = cli("start", "--study", "small.yaml", "--preset", "a600")
    assert (outcome.code, outcome.err) == (
        2,
        "error: no preset named 'a600'; did you mean a6000?\n",
    )
    assert not (folder / "studies.db").exists()
