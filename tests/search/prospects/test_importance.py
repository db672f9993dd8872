"""Which axes matter, by the surrogate."""

from __future__ import annotations

import numpy as np
from recsys_search.search.prospects.importance import axis_shares
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.prospects.surrogate import fit_surrogate


def shares(builder, architecture="two_tower", **options):
    surrogate = fit_surrogate(builder.spec.space, outcomes(builder.trials))
    return axis_shares(surrogate, architecture, np.random.default_rng(0), **options)


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
