"""Limits that a search learns from the trials that exceeded them."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.search.definition.limits import Limits
from recsys_search.search.prospects.feasibility import limit_checks
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.prospects.proposals import most_promising, thompson_sample
from recsys_search.search.prospects.surrogate import Surrogate
from recsys_search.search.pruners.resources import GpuMemory

from .conftest import Builder

LIMIT = 5e-4  # of the learning rate, whose optimum is 1e-3
SIZE = "net_parameters"  # a limit that a search has to learn


def violations(params):
    """As if the size of the network followed from the learning rate."""
    return {SIZE: params["two_tower.learning_rate"] / LIMIT - 1}


@pytest.fixture
def spec(spec):
    return spec.model_copy(update={"limits": Limits(net_parameters=1), "pruners": [GpuMemory()]})


@pytest.fixture
def limited(spec):
    builder = Builder(spec)
    for _ in range(25):
        params = builder.params()
        exceeded = violations(params)[SIZE] > 0
        stop = {"stop_reason": "known-limit", "epochs": 0} if exceeded else {}
        builder.add(params, violations=violations(params), **stop)
    return builder


def surrogate_of(builder):
    limits = limit_checks(builder.spec, builder.trials)
    return Surrogate(builder.spec.space, outcomes(builder.trials), None, limits)


def test_it_tells_configs_within_a_limit_from_those_beyond_it(limited):
    surrogate = surrogate_of(limited)
    params = [limited.params() for _ in range(100)]
    chance = np.exp(surrogate.log_feasible(surrogate.encoding.encode_params(params)))
    beyond = np.array([violations(each)[SIZE] > 0 for each in params])
    assert (chance[beyond] < 0.5).mean() > 0.95
    assert (chance[~beyond] > 0.5).mean() > 0.95


@pytest.mark.parametrize("propose", [most_promising, thompson_sample])
def test_proposals_are_within_the_limits_although_better_configs_lie_beyond(limited, propose):
    surrogate = surrogate_of(limited)
    for seed in range(5):
        point = propose(surrogate, ["two_tower"], np.random.default_rng(seed))
        assert surrogate.encoding.decode(point)["two_tower.learning_rate"] <= 1.02 * LIMIT


def test_a_limit_that_no_trial_has_exceeded_is_not_modelled(spec):
    builder = Builder(spec)
    for _ in range(8):
        builder.add(violations={SIZE: -0.2})
    assert limit_checks(builder.spec, builder.trials) == []
    surrogate = surrogate_of(builder)
    assert (surrogate.log_feasible(surrogate.points) == 0).all()


def test_limits_that_were_lifted_no_longer_count(limited):
    lifted = limited.spec.model_copy(update={"limits": None})
    assert limit_checks(limited.spec, limited.trials)
    assert limit_checks(lifted, limited.trials) == []


def test_a_trained_trial_without_a_violation_is_within_the_limit(spec):
    """Only the pruner of GPU memory knows that limit, and only of the trials that exceed it."""
    builder = Builder(spec)
    for _ in range(30):
        params = builder.params()
        large = params["two_tower.batch_size"] == 16384
        builder.add(params, violations={"gpu_memory": 1.0} if large else None)
    surrogate = surrogate_of(builder)
    params = [builder.params(batch_size=size) for size in (1024, 16384)]
    chances = np.exp(surrogate.log_feasible(surrogate.encoding.encode_params(params)))
    assert chances[0] > 0.5 > chances[1]


def test_where_all_is_beyond_a_limit_something_is_proposed(spec):
    builder = Builder(spec)
    for _ in range(6):
        builder.add()
    for _ in range(6):
        builder.add(stop_reason="known-limit", epochs=0, violations={SIZE: 1.0})
    surrogate = surrogate_of(builder)
    point = thompson_sample(surrogate, ["two_tower"], np.random.default_rng(0))
    assert surrogate.encoding.decode(point)["architecture"] == "two_tower"
