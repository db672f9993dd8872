"""When a dead latent is a collapse, and when it is early, useful or partial."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.pruners.collapse import Collapse, settled_epochs

DEAD = {"active": 1, "shuffle_cost": 0.001, "eval_kl": 0.02, "val_rmse": 0.87}


def epochs(reports):
    return [report.epoch for report in reports]


def test_a_dead_latent_that_is_no_better_than_the_biases_has_collapsed(progress):
    stop = Collapse().judge(progress(n=3, **DEAD))
    assert stop.stop_reason == "collapse"
    assert stop.reason == (
        "1 of 32 units of the latent space are active in epochs 1 to 3, its KL is 0.02 nats, and "
        "exchanging its z between ratings costs 0.1% of the MSE; "
        "validation RMSE 0.8700 is no better than the bias baseline's 0.8700"
    )


@pytest.mark.parametrize(
    "alive",
    [
        {"active": [1, 2, 1]},  # once more than one unit
        {"shuffle_cost": [0.001, 0.001, 0.005]},  # the decoder looks at z
    ],
)
def test_all_of_the_signs_are_needed_in_each_check(progress, alive):
    assert Collapse().judge(progress(n=3, **{**DEAD, **alive})) is None


def test_two_checks_are_not_enough(progress):
    assert Collapse().judge(progress(n=2, **DEAD)) is None
    assert Collapse(checks=2).judge(progress(n=2, **DEAD)) is not None


def test_a_model_that_improves_without_its_latent_continues(progress):
    """Far better than the biases, and better with every epoch."""
    improving = {**DEAD, "val_rmse": [0.85, 0.84, 0.83, 0.82, 0.81]}
    assert Collapse().judge(progress(**improving)) is None


def test_a_model_that_does_not_improve_without_its_latent_has_collapsed(progress):
    level = {**DEAD, "val_rmse": [0.85, 0.84, 0.839, 0.8395, 0.839]}
    stop = Collapse().judge(progress(**level))
    assert stop.reason.endswith("; validation RMSE does not improve on 0.8400")


def test_two_percent_of_a_wide_latent_may_be_active(progress):
    wide = {"latent_dim": 128}
    assert Collapse().judge(progress(n=3, config=wide, **{**DEAD, "active": 2})) is not None
    assert Collapse().judge(progress(n=3, config=wide, **{**DEAD, "active": 3})) is None


def test_one_dead_tower_of_two_is_enough(progress):
    figures = {
        "active": {"user": 30, "film": 0},
        "shuffle_cost": {"user": 0.4, "film": 0.0},
        "eval_kl": {"user": 9.0, "film": 0.01},
    }
    stop = Collapse().judge(progress(n=3, towers=("user", "film"), **{**DEAD, **figures}))
    assert stop.reason.startswith("0 of 32 units of the film tower are active")


def test_the_clamped_kl_is_ignored(progress):
    """With free bits, the clamped KL of a dead latent is at its floor, like that of a live one."""
    config = {"free_bits": 2.0}
    assert Collapse().judge(progress(n=3, config=config, kl_clamped=2.0, **DEAD)) is not None
    assert Collapse().judge(progress(n=3, config=config, kl_clamped=2.0)) is None


def test_nothing_is_judged_while_the_kl_weight_warms_up(progress):
    """A latent that is dead before the KL weight is in effect is merely early in training."""
    config = {"kl_schedule": "linear", "kl_warmup_epochs": 10.0, "kl_weight": 0.01}
    beta = [0.001 * epoch for epoch in range(1, 11)]
    assert Collapse().judge(progress(beta=beta, config=config, **DEAD)) is None
    ready = progress(beta=[*beta, 0.01], config=config, **DEAD)
    assert epochs(settled_epochs(ready.config, ready.reports)) == [9, 10, 11]
    assert Collapse().judge(ready) is not None


@pytest.mark.parametrize(
    ("kl_cycles", "max_epochs", "settled", "stopped_in"),
    [
        (4, 22, [10, 11, 16, 21, 22], 16),  # cycles of 5.5 epochs
        (3, 20, [12, 13, 19, 20], 19),
        (2, 20, [18, 19, 20], 20),
        (2, 40, [36, 37, 38, 39, 40], 38),
        (1, 20, [16, 17, 18, 19, 20], 18),  # the only cycle
        (4, 100, [*range(44, 51), *range(69, 76), *range(94, 101)], 46),
    ],
)
def test_a_cyclical_schedule_is_judged_late_in_its_cycles(
    progress, kl_cycles, max_epochs, settled, stopped_in
):
    config = {"kl_schedule": "cyclical", "kl_cycles": kl_cycles, "max_epochs": max_epochs}
    whole = progress(n=max_epochs, config=config, **DEAD)
    assert epochs(settled_epochs(whole.config, whole.reports)) == settled
    assert Collapse().judge(progress(n=stopped_in - 1, config=config, **DEAD)) is None
    assert Collapse().judge(progress(n=stopped_in, config=config, **DEAD)) is not None


@pytest.mark.parametrize(
    ("kl", "first"),
    [
        ([40.0, 30.0, 20.0, 10.9, 8.0], 4),  # near the set point of 10
        ([40.0, 30.0, 5.0, 4.0, 3.0], 3),  # across it
        ([1.0, 2.0, 3.0, 9.1, 3.0], 4),  # from below
        ([1.0, 2.0, 3.0, 4.0, 5.0], None),  # never there
    ],
)
def test_a_controlled_run_is_judged_once_its_kl_was_at_the_set_point(progress, kl, first):
    run = progress(kl=kl, config={"kl_schedule": "controller", "kl_target": 10.0}, **DEAD)
    expected = list(range(first, 6)) if first else []
    assert epochs(settled_epochs(run.config, run.reports)) == expected


def test_a_dead_encoder_without_a_kl_weight_is_reported_as_such(progress):
    stop = Collapse().judge(progress(n=3, beta=0.0, config={"kl_weight": 0.0}, **DEAD))
    assert stop.reason.startswith("dead encoder, at a KL weight of 0: 1 of 32 units")


def test_a_partly_dead_latent_of_little_use_gives_a_warning_but_no_stop(progress):
    partly = {"active": 7, "shuffle_cost": 0.04, "n": 3}
    assert Collapse().judge(progress(**partly)) is None
    assert Collapse().warning(progress(**partly)).startswith("partial collapse: 7 of 32 units")
    assert Collapse().warning(progress(**{**partly, "active": 8})) is None
    assert Collapse().warning(progress(**{**partly, "active": [7, 8, 7]})) is None


def test_a_few_units_that_the_decoder_relies_on_give_no_warning(progress):
    assert Collapse().warning(progress(n=3, active=2, shuffle_cost=0.06)) is None


def test_a_latent_early_in_training_gives_no_warning(progress):
    assert Collapse().warning(progress(n=3, active=0, beta=0.001)) is None


def test_nan_figures_are_not_a_collapse(progress):
    nan = float("nan")
    assert Collapse().judge(progress(n=3, active=0, shuffle_cost=nan, val_rmse=nan)) is None


def test_a_model_without_latents_cannot_collapse(progress):
    dead = progress(n=5, active=0, shuffle_cost=0.0, val_rmse=0.9)
    assert Collapse().judge(dead) is not None
    alone = replace(dead, config=build_config("mf"))
    assert Collapse().judge(alone) is None and Collapse().warning(alone) is None
