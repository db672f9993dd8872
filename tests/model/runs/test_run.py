"""Runs on disk."""

from __future__ import annotations

import signal
from dataclasses import replace
from math import nan

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.commands.terminal import evaluation
from recsys_search.data.formats.pairs import UserFilmPairs
from recsys_search.data.sets.registry import DATASETS
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_ratings
from recsys_search.errors import ConfigError, DataError, RunError
from recsys_search.model.evaluation import ranking
from recsys_search.model.evaluation.metrics import METRICS, Metric
from recsys_search.model.evaluation.ranking import full_catalogue, held_out_rated
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training import training
from recsys_search.model.training.quality import Quality
from recsys_search.model.training.reports import best_report, read_reports

SPEC = SplitSpec(seed=3)
FILES = ["config.yaml", "reports.jsonl", "weights.safetensors"]


@pytest.fixture(autouse=True)
def small_demo(monkeypatch, demo):
    """The demo dataset is one of 600 ratings."""
    monkeypatch.setitem(DATASETS, "demo", lambda: demo)


@pytest.fixture
def experiment(small_config):
    return Experiment(config=small_config(max_epochs=3), dataset="demo", split=SPEC)


@pytest.fixture
def folder(tmp_path, experiment):
    """A finished run."""
    train_run(experiment, tmp_path / "a", device="cpu")
    return tmp_path / "a"


def pairs_of(ratings, rows):
    return UserFilmPairs(
        ratings.user_ids[ratings.user[rows]], ratings.films.ids[ratings.film[rows]], None
    )


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid", "mf"])
def test_a_loaded_run_predicts_as_its_best_epoch_did(tmp_path, demo, small_config, architecture):
    """To the bit, compared with the model at the end of each epoch."""
    predicted = {}

    def remember(run, report):
        predicted[report.epoch] = run._model.predict(run._store.held_out(open_test(demo, SPEC)))

    experiment = Experiment(
        config=small_config(architecture, max_epochs=5), dataset="demo", split=SPEC
    )
    result = train_run(experiment, tmp_path / "a", device="cpu", on_epoch=remember)
    model = Run.load(tmp_path / "a", "cpu").model
    loaded = model.predict(model.store.held_out(open_test(demo, SPEC)))
    assert torch.equal(loaded, predicted[result["best_epoch"]])
    assert sum(torch.equal(loaded, other) for other in predicted.values()) == 1


def test_a_run_is_three_consistent_files(tmp_path, demo, experiment):
    result = train_run(experiment, tmp_path / "a", device="cpu")
    assert sorted(entry.name for entry in (tmp_path / "a").iterdir()) == FILES
    reports = read_reports(tmp_path / "a" / "reports.jsonl")
    best = best_report(reports)
    assert result["run"] == str(tmp_path / "a")
    assert (result["val_rmse"], result["val_mse"]) == (best.val_rmse, best.val_mse)
    assert (result["best_epoch"], result["epochs"]) == (best.epoch, len(reports))
    kept = read_experiment(tmp_path / "a" / "config.yaml")
    assert (kept.config, kept.split) == (experiment.config, experiment.split)
    assert kept.fingerprint == demo.fingerprint
    assert kept.metrics["val_rmse"] == best.val_rmse
    assert kept.environment["threads"] == torch.get_num_threads()


def test_on_epoch_is_called_after_each_epoch(tmp_path, experiment):
    epochs = []
    train_run(
        experiment,
        tmp_path / "a",
        device="cpu",
        on_epoch=lambda run, report: epochs.append((report.epoch, run.bias_val_rmse)),
    )
    assert [epoch for epoch, _ in epochs] == [1, 2, 3]
    assert epochs[0][1] > 0


def test_a_run_trained_from_its_own_config_is_the_same_run(tmp_path, folder):
    """Except for times and memory."""
    train_run(read_experiment(folder / "config.yaml"), tmp_path / "b", device="cpu")
    assert (tmp_path / "b" / FILES[2]).read_bytes() == (folder / FILES[2]).read_bytes()
    pairs = zip(
        read_reports(tmp_path / "b" / FILES[1]), read_reports(folder / FILES[1]), strict=True
    )
    for again, first in pairs:
        assert (again.val_rmse, again.train_loss, again.kl) == (
            first.val_rmse,
            first.train_loss,
            first.kl,
        )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_evaluation_agrees_with_numpy_sums_over_the_ratings(folder, demo, split):
    run = Run.load(folder, "cpu")
    part = open_test(demo, SPEC) if split == "test" else split_ratings(demo, SPEC).validation
    predicted, *_ = run.predict(pairs_of(part, np.arange(len(part))))
    errors = predicted.astype(float) - part.rating
    biases = run.model.store.biases
    bias_errors = [
        min(max(float(biases.mean + biases.user[u] + biases.film[i]), 0.5), 5.0) - r
        for u, i, r in zip(part.user, part.film, part.rating, strict=True)
    ]
    result = run.evaluate(split)
    assert result["n"] == len(part) == 60
    assert result["mse"] == approx((errors**2).mean(), rel=1e-6)
    assert result["rmse"] == approx((errors**2).mean() ** 0.5, rel=1e-6)
    assert result["mae"] == approx(np.abs(errors).mean(), rel=1e-6)
    assert result["mse_se"] == approx((errors**2).std(ddof=1) / 60**0.5, rel=1e-6)
    assert result["rmse_se"] == approx(result["mse_se"] / (2 * result["rmse"]), rel=1e-6)
    assert result["mae_se"] == approx(np.abs(errors).std(ddof=1) / 60**0.5, rel=1e-6)
    assert result["bias_rmse"] == approx(np.square(bias_errors).mean() ** 0.5, rel=1e-5)
    noise = part.expected.astype(float) - part.rating
    assert result["noise_rmse"] == approx((noise**2).mean() ** 0.5, rel=1e-6)
    assert result["above_floor"] == approx((errors**2 - noise**2).mean(), rel=1e-6)
    above_se = (errors**2 - noise**2).std(ddof=1) / 60**0.5
    assert result["above_floor_se"] == approx(above_se, rel=1e-6)
    assert result["leak"] is False
    assert (result["split"], result["dataset"]) == (split, "demo")
    assert result["fingerprint"] == demo.fingerprint


def test_errors_use_clipped_predictions_and_rankings_unclipped_ones(folder, demo):
    """Adding eight stars puts every prediction above the scale and keeps the order."""
    run = Run.load(folder, "cpu")
    before = run.evaluate("validation")["ranking"]["held_out_rated"]
    run.model.heads[0].mean += 8
    run.model.store.biases.mean.add_(8)
    result = run.evaluate("validation")
    part = split_ratings(demo, SPEC).validation
    assert result["mae"] == approx(np.mean(5 - part.rating), rel=1e-6)
    assert result["ranking"]["held_out_rated"]["ndcg"] == approx(before["ndcg"])


def leak_noise(run):
    """The run, with a model that knows half of the noise of each validation rating."""
    part = run.split.validation
    leaked, score = torch.from_numpy((part.expected + part.rating) / 2), run.model.score
    run.model.score = lambda pairs: leaked if len(pairs) == len(part) else score(pairs)
    return run


def test_a_model_that_has_seen_the_ratings_is_reported_as_a_leak(folder):
    result = leak_noise(Run.load(folder, "cpu")).evaluate("validation")
    assert result["leak"] is True
    assert result["rmse"] == approx(result["noise_rmse"] / 2, rel=1e-6)
    assert result["above_floor"] == approx(-0.75 * result["noise_rmse"] ** 2, rel=1e-6)


def test_without_a_known_floor_no_leak_is_reported(folder, demo, monkeypatch):
    monkeypatch.setitem(DATASETS, "demo", lambda: replace(demo, expected=None))
    result = Run.load(folder, "cpu").evaluate("validation")
    names = ("noise_rmse", "above_floor", "above_floor_se", "leak")
    assert [result[name] for name in names] == [None] * 4
    assert "floor" not in printed(result)


def printed(result):
    with evaluation.out.capture() as capture:
        evaluation.print_evaluation(result)
    return capture.get()


def test_the_printed_evaluation_compares_the_rmse_to_the_noise_floor(folder):
    result = Run.load(folder, "cpu").evaluate("validation")
    above = f"{result['rmse'] - result['noise_rmse']:.4f} above the noise floor's"
    line = f"{above} {result['noise_rmse']:.4f}, the best possible RMSE on these rows"
    assert line in printed(result).splitlines()
    assert "LEAK" not in printed(result)


def test_the_printed_evaluation_reports_a_leak_in_one_line(folder):
    result = leak_noise(Run.load(folder, "cpu")).evaluate("validation")
    [line] = [line for line in printed(result).splitlines() if "LEAK" in line]
    below = f"{result['noise_rmse'] - result['rmse']:.4f} below"
    squared = f"{-result['above_floor']:.4f} ± {result['above_floor_se']:.4f}"
    assert line == (
        f"LEAK: RMSE {result['rmse']:.4f} is {below} the noise floor's {result['noise_rmse']:.4f} "
        f"({squared} in squared error), which is only possible for a model that has seen "
        "these ratings: trust no figure of this run until you have found how"
    )


@pytest.mark.parametrize("split", ["validation", "test"])
def test_an_evaluation_ranks_in_both_protocols(folder, demo, split):
    run = Run.load(folder, "cpu")
    part = open_test(demo, SPEC) if split == "test" else split_ratings(demo, SPEC).validation
    predicted, *_ = run.predict(pairs_of(part, np.arange(len(part))))
    result = run.evaluate(split)["ranking"]
    assert result == {
        "held_out_rated": held_out_rated(run.model.store, part, torch.from_numpy(predicted)),
        "full_catalogue": full_catalogue(run.model, part),
    }
    for figures in result.values():
        assert figures["k"] == 10
        assert figures["users"] + figures["users_left_out"] == len(set(part.user))
        for row in (figures, figures["popularity"], figures["random"]):
            assert all(0 <= row[name] <= 1 for name in ("precision", "recall", "ndcg"))


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_the_printed_evaluation_fits_in_80_columns(
    tmp_path, small_config, monkeypatch, architecture
):
    monkeypatch.setattr(ranking, "MAX_USERS", 5)
    experiment = Experiment(
        config=small_config(architecture, max_epochs=1), dataset="demo", split=SPEC
    )
    train_run(experiment, tmp_path / "a", device="cpu")
    result = Run.load(tmp_path / "a", "cpu").evaluate("validation")
    lines = [line.rstrip() for line in printed(result).splitlines()]
    assert max(map(len, lines)) <= 80
    at = next(at for at, line in enumerate(lines) if line.startswith("rmse"))
    assert lines[at].split() == ["rmse", f"{result['rmse']:.4f}", "±", f"{result['rmse_se']:.4f}"]
    whole = "\n".join(lines)
    assert f"{result['ranking']['full_catalogue']['users_left_out']} left out" in whole
    assert ("5 users (a sample)" in whole) == (architecture == "hybrid")
    for name, figures in result["ranking"].items():
        at = lines.index(f"ranking: {name}")
        rows = {label: line for line in lines[at : at + 8] if (label := line[:10].strip())}
        for label, row in (("this run", figures), ("random", figures["random"])):
            shown = [f"{row[metric]:.4f}" for metric in ("precision", "recall", "ndcg")]
            assert rows[label].split()[-3:] == shown


def test_the_validation_errors_equal_those_of_training(folder):
    run = Run.load(folder, "cpu")
    reported = run.experiment.metrics
    result = run.evaluate("validation")
    assert result["rmse"] == approx(reported["val_rmse"], rel=1e-6)
    assert result["bias_rmse"] == approx(reported["bias_val_rmse"], rel=1e-6)


def test_a_train_rating_is_left_out_of_its_own_prediction(folder):
    run = Run.load(folder, "cpu")
    store = run.model.store
    rows = torch.arange(0, len(store), 40)
    train = split_ratings(run.ratings, SPEC).train
    predicted, known, _ = run.predict(pairs_of(train, rows.numpy()))
    assert known.all()
    left_out = run.model.predict(store.pairs(rows)).numpy()
    included = run.model.predict(replace(store.pairs(rows), row=torch.full_like(rows, -1))).numpy()
    assert (predicted == left_out).all()
    assert (predicted != included).any()


def test_an_unknown_user_or_film_is_predicted_and_marked(folder, demo):
    run = Run.load(folder, "cpu")
    user, film = demo.user_ids[demo.user[0]], demo.films.ids[demo.film[0]]
    pairs = UserFilmPairs(np.array([user, 9999, user]), np.array([film, film, 9999]), None)
    predicted, known, _ = run.predict(pairs)
    assert known.tolist() == [True, False, False]
    biases = run.model.store.biases
    assert predicted[1] == approx(float(biases.mean + biases.film[demo.film[0]]), abs=1e-6)
    assert predicted[2] == approx(float(biases.mean + biases.user[demo.user[0]]), abs=1e-6)


def test_an_existing_folder_is_refused_before_training(tmp_path, experiment):
    out = tmp_path / "a"
    out.mkdir()
    with pytest.raises(RunError) as caught:
        train_run(experiment, out, device="cpu", on_epoch=pytest.fail)
    assert str(caught.value) == f"{out} already exists; choose another --out, or remove it"
    assert not list(out.iterdir())


def test_a_training_that_fails_leaves_nothing_behind(tmp_path, experiment, monkeypatch):
    def fail(*args, **kwargs):
        raise ZeroDivisionError

    monkeypatch.setattr(training.Training, "_epoch", fail)
    with pytest.raises(ZeroDivisionError):
        train_run(experiment, tmp_path / "deep" / "a", device="cpu")
    assert not list(tmp_path.iterdir())


def test_callbacks_that_fail_end_neither_the_training_nor_the_saving(tmp_path, small_config):
    def on_epoch(run, report):
        if report.epoch == 2:
            signal.raise_signal(signal.SIGINT)
        raise OSError("no space left")

    def notify(message):
        raise OSError("no space left")

    experiment = Experiment(config=small_config(max_epochs=9), dataset="demo", split=SPEC)
    with (
        pytest.warns(UserWarning, match="no space left") as caught,
        pytest.raises(KeyboardInterrupt),
    ):
        train_run(experiment, tmp_path / "a", device="cpu", on_epoch=on_epoch, notify=notify)
    assert {str(each.message).split()[0] for each in caught} == {"on_epoch", "notify"}
    assert Run.load(tmp_path / "a", "cpu").experiment.metrics["epochs"] == 2


def test_ctrl_c_in_the_last_epoch_is_reported_with_what_was_saved(tmp_path, small_config):
    experiment = Experiment(config=small_config(max_epochs=1), dataset="demo", split=SPEC)
    messages = []
    with pytest.raises(KeyboardInterrupt):
        train_run(
            experiment,
            tmp_path / "a",
            device="cpu",
            on_epoch=lambda run, report: signal.raise_signal(signal.SIGINT),
            notify=messages.append,
        )
    assert messages == [
        "Ctrl-C: stopping after this batch; press it again to stop at once",
        f"interrupted in epoch 1; saved the best epoch in {tmp_path}/a",
    ]


def test_a_training_that_diverges_advises_a_lower_learning_rate(
    tmp_path, small_config, monkeypatch
):
    nowhere = Quality(mse=nan, rmse=nan, loss=nan)
    monkeypatch.setattr(training, "evaluate", lambda *args, **options: nowhere)
    experiment = Experiment(config=small_config(learning_rate=0.5), dataset="demo", split=SPEC)
    with pytest.raises(RunError) as caught:
        train_run(experiment, tmp_path / "a", device="cpu")
    assert str(caught.value) == (
        "training diverged: no epoch had a finite validation RMSE; lower learning_rate (0.5)"
    )
    assert not list(tmp_path.iterdir())


def test_a_metric_that_is_never_finite_is_named(tmp_path, experiment, monkeypatch):
    metric = Metric(name="m", label="metric m", direction="maximize", compute=lambda _: nan)
    monkeypatch.setitem(METRICS, "m", metric)
    with pytest.raises(RunError, match=r"^training diverged: no epoch had a finite metric m; "):
        train_run(replace(experiment, metric="m"), tmp_path / "a", device="cpu")


def test_ctrl_c_saves_the_best_epoch_so_far(tmp_path, small_config):
    def press(run, report):
        if report.epoch == 2:
            raise KeyboardInterrupt

    experiment = Experiment(config=small_config(max_epochs=9), dataset="demo", split=SPEC)
    with pytest.raises(KeyboardInterrupt):
        train_run(experiment, tmp_path / "a", device="cpu", on_epoch=press)
    run = Run.load(tmp_path / "a", "cpu")
    assert run.experiment.metrics["epochs"] == 2
    assert len(read_reports(tmp_path / "a" / "reports.jsonl")) == 2


def test_ctrl_c_before_the_first_epoch_leaves_nothing(tmp_path, experiment, monkeypatch):
    def press(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(training.Training, "_epoch", press)
    with pytest.raises(KeyboardInterrupt):
        train_run(experiment, tmp_path / "a", device="cpu")
    assert not list(tmp_path.iterdir())


def test_a_missing_run_is_reported_with_the_command_that_makes_one(tmp_path):
    with pytest.raises(RunError) as caught:
        Run.load(tmp_path / "a", "cpu")
    assert str(caught.value) == (
        f"no run at {tmp_path / 'a'}; make one with: "
        "recsys-search train --architecture two_tower --dataset demo --out runs/first"
    )


@pytest.mark.parametrize("missing", ["config.yaml", "weights.safetensors"])
def test_a_folder_that_lacks_a_file_is_not_a_run(folder, missing):
    (folder / missing).unlink()
    with pytest.raises(RunError, match=rf"^no run at {folder}; make one with"):
        Run.load(folder, "cpu")


@pytest.mark.parametrize("kept", [0, 5, 0.5, 0.99])
def test_truncated_weights_are_reported_in_one_line(folder, kept):
    weights = folder / "weights.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[: kept if isinstance(kept, int) else int(kept * len(whole))])
    with pytest.raises(RunError) as caught:
        Run.load(folder, "cpu")
    assert str(caught.value).startswith(f"{weights} does not fit config.yaml: ")
    assert "\n" not in str(caught.value)


def test_weights_of_another_config_are_reported_in_one_line(folder, small_config):
    experiment = read_experiment(folder / "config.yaml")
    for config in (small_config(latent_dim=5), small_config("hybrid")):
        write_experiment(folder / "config.yaml", replace(experiment, config=config))
        with pytest.raises(RunError) as caught:
            Run.load(folder, "cpu")
        assert "weights.safetensors does not fit config.yaml: " in str(caught.value)
        assert "\n" not in str(caught.value)


def test_a_run_on_ratings_that_have_changed_is_refused(folder, demo, monkeypatch):
    stars = demo.rating.copy()
    stars[0] = 0.5 if stars[0] > 3 else 5.0
    monkeypatch.setitem(DATASETS, "demo", lambda: replace(demo, rating=stars))
    with pytest.raises(DataError, match=r"^demo has other ratings"):
        Run.load(folder, "cpu")


def test_an_error_in_the_config_of_a_run_is_reported_with_its_line(folder):
    path = folder / "config.yaml"
    text = path.read_text().replace("seed: 42", "sead: 42", 1)
    path.write_text(text)
    line = text.partition("sead")[0].count("\n") + 1
    with pytest.raises(ConfigError, match=rf"^{path} line {line}: config: two_tower has no"):
        Run.load(folder, "cpu")


def test_a_location_that_cannot_be_written_is_refused_before_training(tmp_path, experiment):
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "a"
    with pytest.raises(RunError, match=rf"^{out} cannot be created"):
        train_run(experiment, out, device="cpu", on_epoch=pytest.fail)
