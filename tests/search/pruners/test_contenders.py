"""Who is near enough to the best trial to be complete though a rule ends it."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.model.config import CONFIGS, build_config
from recsys_search.search.endings import is_contender
from recsys_search.search.pruners.progress import SEED_NOISE


@pytest.mark.parametrize(("architecture", "noise"), [("two_tower", 0.002), ("hybrid", 0.006)])
def test_a_contender_is_as_near_as_another_seed_may_bring_it(seen, architecture, noise):
    def contends(best):
        trial = seen(val_rmse=[0.9, best, 0.9], incumbent=0.8)
        return is_contender(replace(trial, config=build_config(architecture)))

    assert contends(0.8 + 0.9 * noise)
    assert not contends(0.8 + 1.1 * noise)


def test_the_first_to_get_so_far_is_a_contender(seen):
    assert is_contender(seen(val_rmse=[1.2]))
    assert not is_contender(seen(val_rmse=[float("nan")]))


def test_the_noise_of_every_architecture_is_known():
    assert SEED_NOISE.keys() == CONFIGS.keys()
