"""A refit trains on train and validation ratings, for a known number of epochs."""

from __future__ import annotations

import json
import math
import signal
from dataclasses import replace

import pytest
import torch
from pytest import approx
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.ledger import Ledger
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_fingerprint, split_ratings
from recsys_search.errors import ConfigError, OptionError, RunError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.model.runs.plan import plan_experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.run_folder import checkpoint_folder
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training.descent.descent import Descent
from recsys_search.model.training.reports import read_reports

SPEC = SplitSpec(seed=3)


@pytest.fixture(autouse=True)
def small_demo(monkeypatch, demo):
    """The demo dataset is one of 600 ratings: 480 to train on, 60 to validate, 60 to test."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.fixture
def experiment(small_config):
    return Experiment(config=small_config("mf", max_epochs=6), dataset="demo", split=SPEC)


@pytest.fixture
def refit(experiment):
    return replace(experiment, refit_epochs=4)


def keys(ratings):
    return set(zip(ratings.user.tolist(), ratings.film.tolist(), strict=True))


def trained_on(run):
    store = run.model.store
    return set(zip(store.user.tolist(), store.film.tolist(), strict=True))


# What it is trained on.


def test_a_refit_trains_on_every_rating_but_those_of_the_test_split(tmp_path, demo, refit):
    stores = []
    train_run(
        refit,
        tmp_path / "a",
        device="cpu",
        on_epoch=lambda run, _: stores.append(run._store),
    )
    split = split_ratings(demo, SPEC)
    run = Run.load(tmp_path / "a", "cpu")
    assert trained_on(run) == keys(split.train) | keys(split.validation)
    assert trained_on(run).isdisjoint(keys(open_test(demo, SPEC)))
    assert {len(store) for store in stores} == {540}


def test_a_refit_split_has_another_fingerprint_so_that_no_checkpoint_is_taken_for_its_own(demo):
    split = split_ratings(demo, SPEC)
    assert split.refit().fingerprint != split.fingerprint
    assert len(split.refit().validation) == 0


# How long.


def test_epochs_have_steps_for_all_ratings_on_the_schedule_of_the_config(
    tmp_path, refit, monkeypatch
):
    """540 ratings in batches of 200 are three steps; four of six epochs end at 2/3 of a cosine."""
    rates, original = [], Descent.step

    def step(self, *args):
        rates.append(self.learning_rate)
        original(self, *args)

    monkeypatch.setattr(Descent, "step", step)
    train_run(refit, tmp_path / "a", device="cpu")
    assert len(rates) == 4 * 3
    base = refit.config.learning_rate
    assert rates == approx([base * (1 + math.cos(math.pi * n / 18)) / 2 for n in range(12)])


def test_the_weights_are_those_of_the_last_epoch(tmp_path, demo, refit):
    """Though patience is 1, and whatever the validation ratings would say."""
    predicted = []

    def remember(run, report):
        predicted.append(run._model.predict(run._store.held_out(open_test(demo, SPEC))))

    impatient = replace(refit, config=replace(refit.config, patience=1))
    train_run(impatient, tmp_path / "a", device="cpu", on_epoch=remember)
    model = Run.load(tmp_path / "a", "cpu").model
    assert len(predicted) == 4
    assert torch.equal(model.predict(model.store.held_out(open_test(demo, SPEC))), predicted[-1])


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid", "biases"])
def test_every_architecture_can_be_refitted(tmp_path, small_config, architecture):
    values = {} if architecture == "biases" else {"max_epochs": 2}
    config = small_config(architecture, **values)
    experiment = Experiment(config=config, dataset="demo", split=SPEC, refit_epochs=1)
    result = train_run(experiment, tmp_path / "a", device="cpu")
    assert (result["epochs"], result["stop_reason"]) == (1, None)
    assert Run.load(tmp_path / "a", "cpu").evaluate("test")["n"] == 60


@pytest.mark.parametrize("step", [2, 12])
def test_an_interrupted_refit_goes_on_to_the_bit(tmp_path, refit, monkeypatch, step):
    train_run(refit, tmp_path / "whole", device="cpu")
    taken, original, out = [], Descent.step, tmp_path / "a"

    def interrupt(self, *args):
        original(self, *args)
        taken.append(None)
        if len(taken) == step:
            signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Descent, "step", interrupt)
        train_run(refit, out, device="cpu")
    if checkpoint_folder(out).is_dir():
        assert train_run(refit, out, device="cpu")["epochs"] == 4
    weights = [folder / "weights.safetensors" for folder in (out, tmp_path / "whole")]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_a_refit_that_diverges_saves_nothing(tmp_path, refit, monkeypatch):
    original = Descent.epoch

    def epoch(self, *args):
        steps = original(self, *args)
        return steps._replace(loss=math.nan)

    monkeypatch.setattr(Descent, "epoch", epoch)
    with pytest.raises(RunError, match=r"^the refit diverged: the train loss of epoch 1 is not"):
        train_run(refit, tmp_path / "a", device="cpu")
    assert not (tmp_path / "a").exists()


# What it reports.


def test_no_validation_figure_is_reported(tmp_path, refit):
    result = train_run(refit, tmp_path / "a", device="cpu")
    names = ("val_rmse", "val_mse", "bias_val_rmse", "best_epoch", "reproduced")
    assert [result[name] for name in names] == [None] * len(names)
    assert (result["refit_epochs"], result["epochs"]) == (4, 4)
    kept = read_experiment(tmp_path / "a" / "config.yaml")
    assert kept.refit_epochs == 4
    assert [kept.metrics[name] for name in names[:4]] == [None] * 4
    lines = (tmp_path / "a" / "reports.jsonl").read_text().splitlines()
    values = {json.loads(line)[name] for line in lines for name in ("val_rmse", "val_loss")}
    assert values == {None}
    assert all(report.train_rmse > 0 for report in read_reports(tmp_path / "a" / "reports.jsonl"))


def test_an_evaluation_on_validation_is_refused(tmp_path, refit):
    train_run(refit, tmp_path / "a", device="cpu")
    with pytest.raises(RunError, match=r"^a refit has no validation figures, because it was"):
        Run.load(tmp_path / "a", "cpu").evaluate("validation")


def test_test_openings_of_a_refit_count_with_those_of_other_runs(tmp_path, demo, experiment, refit):
    before = len(Ledger().openings(split_fingerprint(demo, SPEC)))
    openings = []
    for name, each in (("a", experiment), ("b", refit)):
        train_run(each, tmp_path / name, device="cpu")
        openings.append(Run.load(tmp_path / name, "cpu").evaluate("test"))
    assert [result["opening"] for result in openings] == [before + 1, before + 2]
    assert [result["refit_epochs"] for result in openings] == [None, 4]


# How it is planned.


@pytest.fixture
def path(tmp_path):
    """A config as a study exports it: the best epoch was the fifth of nine."""
    experiment = Experiment(
        config=build_config("mf", max_epochs=9),
        dataset="demo",
        split=SPEC,
        origin={"study": "mine", "trial": 4},
        metrics={"val_rmse": 0.9, "best_epoch": 5, "epochs": 8},
    )
    write_experiment(tmp_path / "config.yaml", experiment)
    return tmp_path / "config.yaml"


def test_a_refit_takes_the_number_of_the_best_epoch_and_the_schedule_of_the_config(path):
    planned = plan_experiment(path, None, refit=True)
    assert (planned.refit_epochs, planned.config.max_epochs) == (5, 9)
    assert planned.origin == {"study": "mine", "trial": 4}
    assert planned.metrics == {}


def test_epochs_of_a_refit_leave_the_schedule_as_it_is(path):
    planned = plan_experiment(path, None, refit=True, epochs=7)
    assert (planned.refit_epochs, planned.config.max_epochs) == (7, 9)


def test_a_config_that_was_changed_has_no_best_epoch(path):
    with pytest.raises(OptionError, match=r"^--refit needs the number of the best epoch, and this"):
        plan_experiment(path, None, refit=True, seed=3)
    assert plan_experiment(path, None, refit=True, seed=3, epochs=5).refit_epochs == 5


def test_more_epochs_than_the_schedule_are_refused(path):
    with pytest.raises(OptionError, match=r"^--epochs 10 exceeds max_epochs \(9\), at whose end"):
        plan_experiment(path, None, refit=True, epochs=10)


def test_biases_need_no_number_of_epochs():
    notices = []
    planned = plan_experiment(
        None, "biases", dataset="demo", refit=True, epochs=3, notify=notices.append
    )
    assert planned.refit_epochs == 1
    assert notices == ["without effect: --epochs on biases"]


def test_the_config_of_a_refit_is_that_of_a_refit(tmp_path, path):
    refit = plan_experiment(path, None, refit=True)
    write_experiment(tmp_path / "refit.yaml", refit)
    assert plan_experiment(tmp_path / "refit.yaml", None) == refit
    assert plan_experiment(tmp_path / "refit.yaml", None, epochs=6).refit_epochs == 6


def test_a_file_with_more_refit_epochs_than_epochs_is_refused_with_its_line(tmp_path, path):
    refit = plan_experiment(path, None, refit=True)
    write_experiment(tmp_path / "refit.yaml", refit)
    text = (tmp_path / "refit.yaml").read_text().replace("refit_epochs: 5", "refit_epochs: 10")
    (tmp_path / "refit.yaml").write_text(text)
    with pytest.raises(ConfigError, match=r"line \d+: refit_epochs must be at most max_epochs \(9"):
        plan_experiment(tmp_path / "refit.yaml", None)
