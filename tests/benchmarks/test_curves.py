"""The configs whose curves are recorded."""

from __future__ import annotations

import importlib
from itertools import islice
from types import SimpleNamespace

import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.definition.limits import Limits
from recsys_search.search.definition.study_file import load_study


@pytest.fixture
def curves():
    return importlib.import_module("benchmarks.search.curves")


def draws(curves, index, n=3):
    drawn = curves.drawn_configs(load_study("breakthrough"), "hybrid", index, near_known=False)
    return list(islice(drawn, n))


def test_an_index_always_has_the_same_draws_and_indices_differ(curves):
    first = draws(curves, 7)
    assert first == draws(curves, 7)
    assert len({config.learning_rate for config in [*first, *draws(curves, 8)]}) == 6


def test_draws_run_all_their_epochs(curves):
    for config in draws(curves, 7):
        assert (config.architecture, config.max_epochs) == ("hybrid", curves.EPOCHS["hybrid"])
        assert config.patience >= curves.EPOCHS["hybrid"]


def test_draws_near_the_known_config_keep_about_half_of_it(curves):
    spec = load_study("breakthrough")
    drawn = list(islice(curves.drawn_configs(spec, "two_tower", 0, near_known=True), 40))
    known = next(k for k in spec.known_trials() if k.params["architecture"] == "two_tower")
    kept = sum(config.batch_size == known.params["two_tower.batch_size"] for config in drawn)
    assert 10 < kept < 40


@pytest.mark.parametrize(
    ("kl_weight", "n_net_parameters", "within"),
    [(0.010, 500, True), (0.015, 1000, True), (0.016, 500, False), (0.010, 1001, False)],
)
def test_a_config_that_the_study_would_not_train_is_not_within_its_limits(
    curves, kl_weight, n_net_parameters, within
):
    training = SimpleNamespace(
        config=build_config("hybrid", kl_weight=kl_weight), n_net_parameters=n_net_parameters
    )
    assert curves.is_within(Limits(kl_weight=0.015, net_parameters=1000), training) is within
    assert curves.is_within(None, training)
