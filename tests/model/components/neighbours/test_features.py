"""Each average is a weighted mean of residuals, shrunk; the weights can be worked out by hand."""

from __future__ import annotations

from math import exp, log

import pytest
import torch
from pytest import approx
from recsys_search.model.components.neighbours.features import (
    N_AVERAGES,
    N_KERNELS,
    RANKS,
    TAUS_S,
    UNIT,
    NeighbourFeatures,
)
from recsys_search.model.store.time_order import Around, Window
from recsys_search.model.store.train_store import Pairs

CPU = torch.device("cpu")
# One neighbour a minute before, of a film with a cosine of 0.5, and one two hours after.
GAPS = {0: 60.0, 64: 7200.0}
RESIDUALS = {0: 1.0, 64: -0.4}
COSINES = {0: 0.5, 64: -0.3}


class Order:
    """The window of a pair with neighbours at the given places."""

    def window(self, around, time, k):
        row = torch.zeros(1, 2 * k)
        present, gap = row.bool(), row.clone()
        for place, seconds in GAPS.items():
            present[0, place], gap[0, place] = True, seconds
        return Window(row.long(), present, gap)


class Given:
    def of_neighbours(self, pairs, window):
        values = torch.zeros(2, *window.gap.shape)
        for place in GAPS:
            values[0, 0, place], values[1, 0, place] = RESIDUALS[place], COSINES[place]
        return values.unbind()


@pytest.fixture
def features():
    pair = Pairs(*(torch.zeros(1, dtype=torch.long) for _ in range(4)))
    around = Around(*(torch.zeros(1, dtype=torch.long) for _ in range(5)))
    values = NeighbourFeatures(Order(), 2, CPU)(pair, around, Given())
    return values[0, :N_AVERAGES].view(4, N_KERNELS) * UNIT, values[0, N_AVERAGES:].view(4, -1)


def test_all_films_count_equally_without_the_cosine(features):
    averages, weights = features
    last = N_KERNELS - 1  # the kernel without time
    assert float(averages[0, last]) == approx((1.0 - 0.4) / (2 + 1), abs=1e-6)
    assert float(weights[0, last]) == approx(log(1 + 2))


def test_a_kernel_fades_with_time(features):
    averages, weights = features
    minute = TAUS_S.index(60.0)
    near, far = exp(-1), exp(-30)
    assert float(averages[0, minute]) == approx((near - 0.4 * far) / (near + far + 1), abs=1e-6)
    assert float(weights[0, minute]) == approx(log(1 + near + far), abs=1e-6)


def test_a_kernel_on_the_rank_ends_after_an_hour(features):
    """Both neighbours are the nearest on their side, with rank 0; the second is too far."""
    averages, _ = features
    for at in range(len(RANKS)):
        assert float(averages[0, len(TAUS_S) + at]) == approx(1 / 2, abs=1e-6)


@pytest.mark.parametrize(("at", "power"), [(1, 1), (2, 4), (3, 8)])
def test_films_count_by_powers_of_the_cosine_where_it_is_positive(features, at, power):
    averages, weights = features
    weight = 0.5**power
    assert float(averages[at, -1]) == approx(weight / (weight + 1), abs=1e-6)
    assert float(weights[at, -1]) == approx(log(1 + weight), abs=1e-6)
