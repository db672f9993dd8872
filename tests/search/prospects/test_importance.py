"""Which axes matter, by the surrogate."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.search.prospects import surrogate
from recsys_search.search.prospects.importance import axis_shares
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.prospects.surrogate import fit_surrogate

from .conftest import Builder


def shares(builder, architecture="two_tower", **options):
    fitted = fit_surrogate(builder.spec.space, outcomes(builder.trials))
    return axis_shares(fitted, architecture, np.random.default_rng(0), **options)


def test_the_axis_that_matters_most_comes_first(searched):
    found = shares(searched)
    assert next(iter(found)) == "two_tower.learning_rate"
    assert found["two_tower.learning_rate"].mean > 0.7
    assert found["two_tower.batch_size"].mean < 0.05


def test_intervals_hold_their_mean_and_stay_between_0_and_1(searched):
    for share in shares(searched).values():
        assert 0 <= share.low <= share.mean <= share.high <= 1


def test_only_axes_of_the_architecture_are_listed(searched):
    for _ in range(6):
        searched.add(searched.params("hybrid"))
    assert set(shares(searched, "hybrid")) == {"hybrid.bias", "hybrid.dropout"}


def test_stopped_trials_count(searched):
    """Only stopped trials show that a batch size is bad."""
    before = shares(searched)["two_tower.batch_size"].mean
    for _ in range(12):
        params = searched.params(batch_size=16384)
        searched.add(params, epochs=5, end=1.1, stop_reason="median")
    assert shares(searched)["two_tower.batch_size"].mean > before + 0.2


def test_shares_near_the_best_are_those_of_another_region(searched):
    overall, near = shares(searched), shares(searched, near_best=True)
    assert set(near) == set(overall)
    assert near != overall


@pytest.mark.parametrize("near_best", [False, True])
def test_the_effects_of_axes_that_act_on_their_own_add_up_to_the_variance(searched, near_best):
    """The function is a sum over axes: with fewer than 1, some variance would belong to none."""
    found = shares(searched, near_best=near_best)
    assert sum(share.mean for share in found.values()) > 0.95


def test_an_axis_of_one_value_does_not_matter(spec):
    space = {**spec.space.model_dump(by_alias=True), "kl_weight": {"float": [0.001, 0.001]}}
    fixed = spec.model_copy(update={"space": type(spec.space).model_validate(space)})
    builder = Builder(fixed)
    for _ in range(20):
        builder.add()
    assert "kl_weight" not in shares(builder)


def test_in_a_long_study_a_rare_architecture_is_not_forgotten(spec, monkeypatch):
    monkeypatch.setattr(surrogate, "MAX_OUTCOMES", 30)
    monkeypatch.setattr(surrogate, "MIN_OF_EACH", 10)
    builder = Builder(spec)
    for _ in range(10):
        builder.add(builder.params("hybrid"))
    for _ in range(60):
        builder.add()
    assert set(shares(builder, "hybrid")) == {"hybrid.bias", "hybrid.dropout"}
