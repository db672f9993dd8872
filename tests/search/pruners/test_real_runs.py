"""The rules on real trainings: some made sick on purpose, and healthy ones that look sick early."""

from __future__ import annotations

import pytest
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.training import Training
from recsys_search.search.pruners.collapse import Collapse
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.overfit_gap import OverfitGap
from recsys_search.search.pruners.plateau import Plateau
from recsys_search.search.pruners.rule import Progress

HYBRID = {
    "n_factors": 16,
    "hidden_dims": (32, 16),
    "latent_dim": 8,
    "batch_size": 500,
    "learning_rate": 2e-3,
    "kl_warmup_epochs": 0.0,
    "free_bits": 0.0,
    "dropout": 0.4,
}
TWO_TOWER = {"latent_dim": 16, "batch_size": 4096, "learning_rate": 1e-2}
SIZES = {"hybrid": HYBRID, "two_tower": TWO_TOWER}


@pytest.fixture(scope="module")
def split():
    """16,000 ratings to train on."""
    return split_ratings(demo_ratings(20_000), SplitSpec())


def run(split, architecture, **values):
    """The progress of a training after each of its epochs."""
    config = build_config(architecture, **{**SIZES[architecture], "amp": "off", **values})
    with Training(config, split, "cpu") as training:
        for report in training:
            yield Progress(
                config=config, reports=training.reports, bias_val_rmse=training.bias_val_rmse
            )
            if not report.finite:
                return


def first_stop(rule, runs):
    """The rule's first stop, and its epoch."""
    return next(
        ((stop, progress.last.epoch) for progress in runs if (stop := rule.judge(progress))),
        (None, None),
    )


# Sick.


def test_a_kl_weight_of_fifty_collapses_the_posterior(split):
    runs = run(split, "hybrid", kl_weight=50.0, max_epochs=12)
    stop, _ = first_stop(Collapse(), runs)
    assert stop.stop_reason == "collapse"
    assert "0 of 8 units of the latent space are active" in stop.reason


def test_free_bits_do_not_hide_a_collapse(split):
    """The clamped KL is at its floor, as it would be with a live latent."""
    runs = run(split, "hybrid", kl_weight=50.0, free_bits=0.05, max_epochs=12)
    progress, stop = next(
        ((progress, stop) for progress in runs if (stop := Collapse().judge(progress))),
        (None, None),
    )
    assert stop.stop_reason == "collapse"
    assert progress.last.kl_clamped == pytest.approx(0.05, abs=0.02)
    assert progress.last.eval_kl["latent"] < 0.01


def test_a_learning_rate_of_ten_diverges(split):
    stop, epoch = first_stop(
        Divergence(), run(split, "two_tower", learning_rate=10.0, max_epochs=8)
    )
    assert stop.stop_reason == "diverged"
    assert epoch <= 4


def test_a_curve_that_has_gone_flat_is_a_plateau(split):
    """A tiny learning rate after a good start, as at the end of a cosine schedule."""
    runs = run(split, "two_tower", max_epochs=30, patience=30)
    stop, epoch = first_stop(Plateau(), runs)
    assert stop.stop_reason == "plateau"
    assert 6 < epoch < 30


def test_a_wide_hybrid_on_a_thousand_ratings_overfits():
    few = split_ratings(demo_ratings(1_000, n_users=60, n_films=80), SplitSpec())
    wide = {"n_factors": 64, "hidden_dims": (256, 128), "batch_size": 100, "dropout": 0.0}
    runs = run(few, "hybrid", **wide, kl_weight=0.0, max_epochs=40, patience=40)
    stop, _ = first_stop(OverfitGap(), runs)
    assert stop.stop_reason == "overfit-gap"


# Healthy.

HEALTHY = {
    "two_tower": ("two_tower", {}),
    "two_tower with a warm-up": ("two_tower", {"kl_warmup_epochs": 8.0, "kl_weight": 3e-3}),
    "two_tower with free bits": ("two_tower", {"free_bits": 4.0}),
    "hybrid": ("hybrid", {"kl_weight": 1e-3}),
    "hybrid with a warm-up": ("hybrid", {"kl_warmup_epochs": 8.0, "kl_weight": 8e-3}),
    "hybrid with free bits": ("hybrid", {"free_bits": 4.0, "kl_weight": 8e-3}),
    "hybrid with a cyclical weight": ("hybrid", {"kl_schedule": "cyclical", "kl_weight": 8e-3}),
    "hybrid with a controller": (
        "hybrid",
        {"kl_schedule": "controller", "kl_target": 3.0, "kl_weight": 0.05},
    ),
}


@pytest.mark.parametrize("name", HEALTHY)
def test_a_healthy_run_is_not_stopped(split, name):
    """Not by the health rules at any epoch, nor by the plateau while it still improves."""
    architecture, values = HEALTHY[name]
    history = [
        (
            progress.last.val_rmse,
            [rule.judge(progress) for rule in (Collapse(), Divergence(), OverfitGap())],
            Plateau().judge(progress),
        )
        for progress in run(split, architecture, **values, max_epochs=16, patience=16)
    ]
    rmse = [value for value, _, _ in history]
    assert min(rmse) < rmse[0] - 0.02  # it learns
    for at, (_, sick, plateau) in enumerate(history):
        assert sick == [None] * 3
        still_to_come = min(rmse[: at + 1]) - min(rmse)
        assert plateau is None or still_to_come <= 0.002
