"""What a trial is expected to take of a GPU's memory."""

from __future__ import annotations

import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.memory import memory_need
from recsys_search.search.sharing.need import MARGIN, Measured, expected_bytes

from .conftest import SIZES, config


def bound(config):
    return memory_need(config, SIZES).of_batch(config.batch_size)


def measured(share, n=3):
    """Trials that took this share of their bounds."""
    configs = [config(latent_dim=10 + i) for i in range(n)]
    return [Measured(each, share * bound(each)) for each in configs]


def test_before_anything_is_measured_it_is_the_bound():
    assert expected_bytes(config(), SIZES, []) == bound(config())


def test_the_largest_measured_share_corrects_the_bound():
    trials = [*measured(0.4), *measured(0.5, 1)]
    assert expected_bytes(config(), SIZES, trials) == pytest.approx(MARGIN * 0.5 * bound(config()))


def test_few_measurements_raise_the_bound_but_do_not_lower_it():
    assert expected_bytes(config(), SIZES, measured(0.4, 2)) == bound(config())
    expected = MARGIN * 1.2 * bound(config())
    assert expected_bytes(config(), SIZES, measured(1.2, 1)) == pytest.approx(expected)


def test_another_architecture_says_nothing():
    other = build_config("mf")
    assert expected_bytes(other, SIZES, measured(0.4)) == bound(other)


def test_an_earlier_attempt_with_the_same_config_counts_alone():
    trials = [*measured(0.9), Measured(config(seed=7), 1000.0)]
    assert expected_bytes(config(seed=42), SIZES, trials) == pytest.approx(MARGIN * 1000)


def test_without_a_bound_or_measurements_nothing_is_known():
    biases = build_config("biases")
    assert expected_bytes(biases, SIZES, []) is None
    assert expected_bytes(biases, SIZES, [Measured(biases, 100.0)]) == pytest.approx(MARGIN * 100)
