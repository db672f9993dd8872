"""How the KL weight (beta) changes while a model trains."""

from __future__ import annotations

import math

import pytest
import torch
from pytest import approx
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.descent.kl_schedules import ControlledWeight, build_schedule
from recsys_search.model.training.elbo import KlCost
from recsys_search.model.training.training import Training

CPU = torch.device("cpu")


def betas(config, n_steps, epochs):
    """Beta at each step, for a constant KL of 1."""
    schedule = build_schedule(config, n_steps, CPU)
    values = []
    for _ in range(n_steps * epochs):
        values.append(float(schedule.beta))
        schedule.advance(torch.tensor(1.0))
    return values


def config_of(schedule, **values):
    return build_config("hybrid", kl_schedule=schedule, kl_weight=0.2, **values)


def test_a_constant_beta_is_in_effect_from_the_first_step():
    assert betas(config_of("constant", kl_warmup_epochs=20), 2, 3) == [0.2] * 6


def test_a_linear_beta_rises_over_the_warmup_and_stays():
    config = config_of("linear", kl_warmup_epochs=2)
    assert betas(config, 2, 3) == approx([0.05, 0.1, 0.15, 0.2, 0.2, 0.2])


def test_a_linear_beta_without_warmup_is_constant():
    assert betas(config_of("linear", kl_warmup_epochs=0), 2, 2) == [0.2] * 4


def test_a_cyclical_beta_rises_in_the_first_half_of_each_cycle():
    """Two cycles over four epochs of four steps: four steps up, four steps level, and again."""
    config = config_of("cyclical", kl_cycles=2, max_epochs=4)
    cycle = [0.05, 0.1, 0.15, 0.2, 0.2, 0.2, 0.2, 0.2]
    assert betas(config, 4, 4) == approx(cycle * 2)


def test_a_schedule_resumes_from_its_state():
    config = config_of("linear", kl_warmup_epochs=4)
    whole = betas(config, 3, 3)
    first, second = (build_schedule(config, 3, CPU) for _ in range(2))
    for _ in range(4):
        first.advance(torch.tensor(1.0))
    second.state = first.state
    assert float(second.beta) == whole[4]


def test_a_model_without_latents_has_a_kl_weight_of_zero():
    schedule = build_schedule(build_config("mf"), 3, CPU)
    schedule.advance(torch.tensor(0.0))
    assert schedule.kl_cost == KlCost(beta=0.0, free_bits=0.0)


@pytest.mark.parametrize("schedule", ["linear", "controller"])
def test_the_kl_cost_has_beta_and_the_free_bits_of_the_config(schedule):
    config = config_of(schedule, free_bits=1.5, free_bits_per="dimension")
    built = build_schedule(config, 3, CPU)
    assert built.kl_cost == KlCost(built.beta, 1.5, "dimension")


@pytest.fixture
def controller():
    return ControlledWeight(config_of("controller", kl_target=10.0), CPU)


def follow(controller, kls):
    values = []
    for kl in kls:
        controller.advance(torch.tensor(kl))
        values.append(float(controller.beta))
    return values


def test_the_controller_raises_beta_while_the_kl_is_too_high(controller):
    values = follow(controller, [20.0] * 100)
    assert values == sorted(values) and 0 < values[-1] < 0.2


def test_the_controller_stays_between_zero_and_the_kl_weight(controller):
    assert max(follow(controller, [1000.0] * 500)) == approx(0.2)
    assert min(follow(controller, [0.0] * 1000)) == 0


def test_the_controller_leaves_its_bound_at_the_first_error_of_the_other_sign(controller):
    """However long it was at the bound: there is no integral wind-up."""
    follow(controller, [1000.0] * 5000)
    (beta,) = follow(controller, [5.0])
    assert beta < 0.2


def test_the_controller_recovers_from_a_kl_that_is_not_finite(controller):
    follow(controller, [20.0, math.nan, math.inf])
    assert math.isfinite(float(controller.beta))
    assert follow(controller, [0.0] * 1000)[-1] == 0


def test_the_controller_resumes_from_its_state(controller):
    other = ControlledWeight(config_of("controller", kl_target=10.0), CPU)
    follow(controller, [30.0, 5.0, 12.0])
    other.state = controller.state
    assert follow(other, [7.0, 9.0]) == follow(controller, [7.0, 9.0])


def test_the_controller_holds_a_kl_that_responds_to_beta(controller):
    """A KL that falls as beta rises, with a lag, as in a VAE."""
    kl = 40.0
    for _ in range(3000):
        controller.advance(torch.tensor(kl))
        kl += 0.1 * (0.5 / (0.01 + float(controller.beta)) - kl)
    assert kl == approx(10.0, rel=0.02)


def test_training_holds_the_set_point(small_config, split):
    """The raw KL of two runs that differ only in `kl_target`.

    Both targets are well below the initial KL, so it is the controller that lowers it.
    """
    ends = []
    for target in (1.0, 3.0):
        config = small_config(
            "two_tower",
            learning_rate=0.01,
            kl_schedule="controller",
            kl_target=target,
            kl_weight=1.0,
            free_bits=0,
            max_epochs=60,
            patience=60,
            batch_size=16,
        )
        with Training(config, split, "cpu") as run:
            ends.append([report.kl for report in run][-5:])
    low, high = (sum(end) / 5 for end in ends)
    assert low == approx(1.0, rel=0.15)
    assert high == approx(3.0, rel=0.15)
