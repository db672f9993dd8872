"""Training as an iterator."""

from __future__ import annotations

import gc
import weakref
from dataclasses import asdict, replace
from itertools import islice
from math import cos, isfinite, nan, pi, sqrt

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.models import build_model
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training import training as training_module
from recsys_search.model.training.descent import gradients
from recsys_search.model.training.quality import evaluate
from recsys_search.model.training.reports import MEASURED
from recsys_search.model.training.training import Training

ARCHITECTURES = ["two_tower", "hybrid", "mf"]
"""Those trained by gradient descent; for the biases, see test_baselines.py."""


def train(config, split, between_epochs=lambda: None):
    with Training(config, split, "cpu") as run:
        for _ in run:
            between_epochs()
    return run


def curve(run):
    """The reports without the fields that differ from run to run."""
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in run.reports
    ]


def same_weights(run, other):
    mine, theirs = run.best.weights, other.best.weights
    return mine.keys() == theirs.keys() and all(torch.equal(mine[k], theirs[k]) for k in mine)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_one_seed_repeats_a_run_to_the_bit(split, small_config, architecture):
    config = small_config(architecture, max_epochs=3)
    run, again = train(config, split), train(config, split)
    assert len(run.reports) == 3
    assert curve(run) == curve(again)
    assert same_weights(run, again)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_what_the_caller_draws_between_epochs_changes_nothing(split, small_config, architecture):
    def draw():
        torch.manual_seed(99)
        torch.rand(1000)
        np.random.default_rng().random()

    config = small_config(architecture, max_epochs=3)
    run, disturbed = train(config, split), train(config, split, between_epochs=draw)
    assert curve(run) == curve(disturbed)
    assert same_weights(run, disturbed)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_two_runs_side_by_side_do_not_mix_their_draws(split, small_config, architecture):
    config = small_config(architecture, max_epochs=2)
    alone = train(config, split)
    with Training(config, split, "cpu") as one, Training(config, split, "cpu") as other:
        assert len(list(zip(one, other, strict=True))) == 2
    assert curve(one) == curve(other) == curve(alone)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_another_seed_is_another_run(split, small_config, architecture):
    config = small_config(architecture, max_epochs=1)
    run, other = train(config, split), train(replace(config, seed=43), split)
    assert curve(run) != curve(other)
    assert not same_weights(run, other)


def test_each_epoch_draws_new_batches_and_noise(split, small_config):
    """The random stream continues from epoch to epoch instead of restarting."""
    config = small_config(max_epochs=2, learning_rate=1e-30)
    first, second = train(config, split).reports
    assert first.val_rmse == second.val_rmse
    assert first.grad_norm != second.grad_norm


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_callers_random_stream_is_unchanged(split, small_config, architecture):
    torch.manual_seed(5)
    expected = torch.rand(4)
    torch.manual_seed(5)
    train(small_config(architecture, max_epochs=2), split)
    assert torch.equal(torch.rand(4), expected)


def test_every_epoch_trains_with_dropout(split, small_config):
    """Also after an evaluation in eval mode, where constant weights give a constant loss."""
    config = small_config("hybrid", max_epochs=3, batch_size=480, learning_rate=1e-30, kl_weight=0)
    losses = [report.train_loss for report in train(config, split).reports]
    assert min(abs(np.diff(losses))) > 1e-4


def test_rating_dropout_differs_from_epoch_to_epoch(split, small_config):
    """One step per epoch and constant weights: the KL can only change with the sums."""
    config = small_config(
        max_epochs=3, batch_size=480, learning_rate=1e-30, init_std=0.3, rating_dropout=0.3
    )
    kls = [report.kl for report in train(config, split).reports]
    assert min(abs(np.diff(kls))) > 1e-3
    kls = [report.kl for report in train(replace(config, rating_dropout=0.0), split).reports]
    assert kls == approx(kls[:1] * 3, rel=1e-6)


def test_an_epoch_passes_once_over_all_train_ratings(split, small_config, monkeypatch):
    batches = []
    whole = TrainStore.pairs

    def pairs(store, rows):
        if torch.is_grad_enabled():
            batches.append(rows)
        return whole(store, rows)

    config = small_config(batch_size=100)
    with Training(config, split, "cpu") as run:
        monkeypatch.setattr(TrainStore, "pairs", pairs)
        next(iter(run))
    steps = batches[:5]  # the sixth belongs to the evaluation
    assert [len(rows) for rows in steps] == [96] * 5
    assert torch.cat(steps).sort().values.tolist() == list(range(480))
    assert torch.cat(steps).tolist() != list(range(480))


@pytest.mark.parametrize("batch_size", [2, 3, 8, 239, 479])
def test_a_leftover_row_does_not_break_batch_norm(split, small_config, batch_size):
    """One more rating than a whole number of batches."""
    n_rows = batch_size * (2 if batch_size < 239 else 1) + 1
    tiny_store = replace(split, train=split.train.take(np.arange(n_rows)))
    run = train(small_config("hybrid", max_epochs=1, batch_size=batch_size), tiny_store)
    assert isfinite(run.reports[0].train_loss)


def test_a_batch_larger_than_the_train_split_is_one_step(split, small_config):
    [report] = train(small_config(max_epochs=1, batch_size=100_000), split).reports
    assert isfinite(report.train_loss)


def test_patience_ends_a_run_that_no_longer_improves(split, small_config):
    """Constant weights: the first epoch remains the best, and three more do not improve."""
    run = train(small_config(max_epochs=50, patience=3, learning_rate=1e-30), split)
    assert len(run.reports) == 4
    assert run.best.report.epoch == 1
    assert run.ended_by_patience


def test_a_run_that_reaches_its_last_epoch_did_not_end_by_patience(split, small_config):
    run = train(small_config(max_epochs=2, patience=5), split)
    assert len(run.reports) == 2
    assert not run.ended_by_patience


def prescribe_rmse(monkeypatch, val_rmses):
    """Make `evaluate` return these validation RMSEs; train RMSEs stay as they are."""
    left = iter(val_rmses)

    def prescribe(model, pairs, rating, shared, kl_cost, **options):
        quality = evaluate(model, pairs, rating, shared, kl_cost, **options)
        return quality._replace(rmse=next(left)) if (pairs.row < 0).all() else quality

    monkeypatch.setattr(training_module, "evaluate", prescribe)


def test_the_weights_of_the_best_epoch_are_kept_not_the_last_ones(split, small_config, monkeypatch):
    """They equal those of a run that ended after its second epoch."""
    config = small_config(max_epochs=4)
    prescribe_rmse(monkeypatch, [1.0, 0.8, 0.9, 0.85])
    run = train(config, split)
    prescribe_rmse(monkeypatch, [1.0, 0.8])
    with Training(config, split, "cpu") as left:
        assert len(list(islice(left, 2))) == 2
    prescribe_rmse(monkeypatch, [1.0, 0.9, 0.8, 0.7])
    to_the_end = train(config, split)
    assert [one.best.report.epoch for one in (run, left, to_the_end)] == [2, 2, 4]
    assert same_weights(run, left)
    assert not same_weights(run, to_the_end)


def test_an_epoch_without_a_finite_rmse_is_never_the_best(split, small_config, monkeypatch):
    prescribe_rmse(monkeypatch, [nan, 0.9, nan])
    run = train(small_config(max_epochs=3), split)
    assert run.best.report.epoch == 2


def test_a_run_without_a_finite_rmse_has_no_best_and_ends_by_patience(
    split, small_config, monkeypatch
):
    prescribe_rmse(monkeypatch, [nan] * 3)
    run = train(small_config(max_epochs=50, patience=3), split)
    assert run.best is None
    assert len(run.reports) == 3


def test_the_best_weights_repeat_the_reported_figures(split, small_config):
    for architecture in ARCHITECTURES:
        config = small_config(architecture, max_epochs=3)
        run = train(config, split)
        store = TrainStore.build(split.train, torch.device("cpu"))
        model = build_model(config, store)
        model.load_state_dict(run.best.weights)
        error = model.predict(store.held_out(split.validation)).numpy() - split.validation.rating
        mse = float((error.astype(float) ** 2).mean())
        assert run.best.report.val_mse == approx(mse, rel=1e-6)
        assert run.best.report.val_rmse == approx(sqrt(mse), rel=1e-6)


def test_train_figures_are_leave_one_out_in_eval_mode(split, small_config):
    """Each train row is left out of its own sums; the same pairs as held-out rows are not."""
    config = small_config(max_epochs=1, init_std=0.3)
    run = train(config, replace(split, validation=split.train))
    [report] = run.reports
    store = TrainStore.build(split.train, torch.device("cpu"))
    model = build_model(config, store)
    model.load_state_dict(run.best.weights)
    error = model.predict(store.pairs(torch.arange(len(store)))) - store.rating
    assert report.train_mse == approx(float(error.double().square().mean()), rel=1e-6)
    assert abs(report.train_mse - report.val_mse) > 0.001


def test_the_bias_baseline_is_known_inside_the_block(split, small_config):
    with Training(small_config(), split, "cpu") as run:
        store = TrainStore.build(split.train, torch.device("cpu"))
        pairs = store.held_out(split.validation)
        predicted = store.biases.predict(pairs.user, pairs.film).clamp(0.5, 5).numpy()
        assert run.bias_val_rmse == approx(
            sqrt(((predicted - split.validation.rating) ** 2).mean()), rel=1e-5
        )
        assert run.n_parameters > 0
        assert str(run.device) == "cpu"


def test_breaking_out_of_the_loop_ends_the_run(split, small_config):
    with Training(small_config(max_epochs=50), split, "cpu") as run:
        for report in run:
            if report.epoch == 2:
                break
    assert [report.epoch for report in run.reports] == [1, 2]
    assert run.best is not None


def test_iterating_again_continues_the_run(split, small_config):
    config = small_config(max_epochs=4)
    whole = train(config, split)
    with Training(config, split, "cpu") as run:
        next(iter(run))
        assert [report.epoch for report in run] == [2, 3, 4]
    assert curve(run) == curve(whole)


def track_models(monkeypatch):
    """A list that receives a weak reference to each model that is built."""
    built = []

    def build(config, store):
        model = build_model(config, store)
        built.append(weakref.ref(model))
        return model

    monkeypatch.setattr(training_module, "build_model", build)
    return built


@pytest.fixture
def no_garbage_collection():
    gc.collect()
    gc.disable()
    yield
    gc.enable()


@pytest.mark.usefixtures("no_garbage_collection")
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_leaving_the_block_frees_the_model_at_once(split, small_config, monkeypatch, architecture):
    built = track_models(monkeypatch)
    run = train(small_config(architecture, max_epochs=1), split)
    assert built[0]() is None
    assert run.best is not None


def test_an_exception_of_the_caller_frees_the_model(split, small_config, monkeypatch):
    built = track_models(monkeypatch)
    with (
        pytest.raises(ZeroDivisionError),
        Training(small_config(), split, "cpu") as run,
    ):
        for report in run:
            report.epoch / 0
    gc.collect()
    assert built[0]() is None


def test_an_exception_in_a_training_step_frees_the_model(split, small_config, monkeypatch):
    def out_of_memory(*args, **kwargs):
        raise torch.OutOfMemoryError

    built = track_models(monkeypatch)
    monkeypatch.setattr(gradients, "elbo", out_of_memory)
    run = Training(small_config(), split, "cpu")
    with pytest.raises(torch.OutOfMemoryError), run:
        next(iter(run))
    gc.collect()
    assert built[0]() is None
    assert run.reports == []


def test_reported_beta_is_that_of_the_last_step_of_the_epoch(split, small_config):
    config = small_config("hybrid", max_epochs=4, kl_weight=0.2, kl_warmup_epochs=2)
    betas = [report.beta for report in train(config, split).reports]
    assert betas == approx([0.1, 0.2, 0.2, 0.2])


@pytest.mark.parametrize(
    ("batch_size", "warmup_epochs", "share"),
    [(480, 0, 1), (480, 2, 1 / 2), (160, 2, (1 / 6 + 2 / 6 + 3 / 6) / 3)],
)
def test_the_train_loss_includes_beta_times_kl(
    split, small_config, batch_size, warmup_epochs, share
):
    """With one and three steps per epoch; constant weights keep the squared errors constant."""
    config = small_config(
        max_epochs=1,
        batch_size=batch_size,
        learning_rate=1e-30,
        kl_warmup_epochs=warmup_epochs,
        kl_weight=0,
    )
    [without] = train(config, split).reports
    [report] = train(replace(config, kl_weight=1), split).reports
    assert report.train_loss - without.train_loss == approx(share * report.kl, rel=0.01)


def test_a_large_kl_weight_lowers_the_kl(split, small_config):
    config = small_config("hybrid", max_epochs=5, free_bits=0, kl_warmup_epochs=0, kl_weight=0)
    light, heavy = train(config, split), train(replace(config, kl_weight=10), split)
    assert heavy.reports[-1].kl < 0.5 * light.reports[-1].kl


def test_a_clipped_gradient_moves_the_weights_less(split, small_config):
    """AdamW is scale-invariant up to its epsilon of 1e-8; far smaller gradients barely count."""
    config = small_config(max_epochs=1, batch_size=480, weight_decay=0)
    still = train(replace(config, learning_rate=1e-30), split).best.weights

    def distance(clip):
        weights = train(replace(config, grad_clip=clip), split).best.weights
        return sum(float((weights[name] - still[name]).norm()) for name in weights)

    assert distance(1e-11) < 0.01 * distance(1e3)


def test_the_learning_rate_warms_up_and_falls_along_a_cosine(split, small_config):
    """480 ratings are 3 steps of 160; the rate of a step is set before the step."""
    config = small_config(max_epochs=4, learning_rate=0.01, lr_warmup_epochs=2)
    rates = [report.learning_rate for report in train(config, split).reports]

    def expected(step, n_steps=12, warmup=6):
        return 0.01 * min((step + 1) / warmup, 1) * (1 + cos(pi * step / n_steps)) / 2

    assert rates == approx([expected(step) for step in (2, 5, 8, 11)])
    assert rates[1] > rates[0] > rates[3] > 0


def test_without_warmup_the_first_step_has_the_full_rate(split, small_config):
    """One step per epoch."""
    config = small_config(max_epochs=2, batch_size=480, learning_rate=0.01)
    rates = [report.learning_rate for report in train(config, split).reports]
    assert rates == approx([0.01, 0.005])


def test_the_gradient_is_reported_before_it_is_clipped(split, small_config):
    """After one step, clipping has not changed the reported norm."""
    config = small_config(max_epochs=1, batch_size=480)
    norms = [
        train(replace(config, grad_clip=clip), split).reports[0].grad_norm for clip in (1e-3, 1e3)
    ]
    assert norms[0] == norms[1] > 1e-3


def test_raw_and_clamped_kl_are_both_reported(split, small_config):
    [report] = train(small_config(max_epochs=1, free_bits=1000.0), split).reports
    assert report.kl_clamped == 1000
    assert 0 < report.kl < 1000


def test_a_report_has_speed_and_memory(split, small_config):
    [report] = train(small_config(max_epochs=1), split).reports
    assert report.ratings_per_s == approx(480 / report.train_s)
    assert report.epoch_s >= report.train_s > 0
    assert report.peak_memory_mib > 50
    assert report.gpu_utilisation is None
    assert report.active_units.keys() == {"user", "film"}


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        ("two_tower", {}),
        ("hybrid", {}),
        ("mf", {}),
        ("two_tower", {"likelihood": "gaussian"}),
        ("hybrid", {"likelihood": "ordinal"}),
    ],
)
def test_bf16_trains_on_a_cpu(split, small_config, architecture, values):
    run = train(small_config(architecture, max_epochs=3, amp="bf16", **values), split)
    assert run.amp == "bf16"
    assert all(report.finite for report in run.reports)
    exact = train(small_config(architecture, max_epochs=3, **values), split)
    assert run.best.report.val_rmse == approx(exact.best.report.val_rmse, abs=0.02)
    assert {weight.dtype for weight in run.best.weights.values()} <= {torch.float32, torch.int64}


def test_an_invalid_precision_or_device_is_refused_at_construction(split, small_config):
    with pytest.raises(ConfigError, match=r"^amp fp16 needs a GPU; on a CPU use auto, bf16 or off"):
        Training(small_config(amp="fp16"), split, "cpu")
    with pytest.raises(ConfigError, match=r"^no device named 'gpu'; choose auto, cpu"):
        Training(small_config(), split, "gpu")


def test_an_exception_on_entering_the_block_frees_the_device(split, small_config, monkeypatch):
    def out_of_memory(config, store):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(training_module, "build_model", out_of_memory)
    training = Training(small_config(), split, "cpu")
    with pytest.raises(torch.OutOfMemoryError):
        training.__enter__()
    assert not [name for name in vars(training) if name in ("_store", "_val_pairs", "_model")]
