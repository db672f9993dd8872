"""The states of torch's random generators."""

from __future__ import annotations

import torch
from recsys_search.model.training.randomness import (
    random_states,
    seed_generators,
    set_random_states,
)

CPU = torch.device("cpu")


def test_seeding_is_that_of_torch_on_the_training_device():
    with torch.random.fork_rng([]):
        torch.manual_seed(7)
        expected = torch.rand(3)
        seed_generators(7, CPU)
        assert torch.equal(torch.rand(3), expected)


def test_a_training_on_the_cpu_does_not_seed_gpus(monkeypatch):
    seeded = []
    monkeypatch.setattr(torch.cuda, "manual_seed", seeded.append)
    monkeypatch.setattr(torch.cuda, "manual_seed_all", seeded.append)
    with torch.random.fork_rng([]):
        seed_generators(7, CPU)
    assert not seeded


def test_a_state_continues_the_stream():
    with torch.random.fork_rng([]):
        states = random_states(CPU)
        drawn = torch.rand(3)
        set_random_states(states, CPU)
        assert torch.equal(torch.rand(3), drawn)
