"""Plots that would take gigabytes."""

from __future__ import annotations

import optuna
import pytest
from optuna.distributions import FloatDistribution
from optuna.trial import create_trial
from recsys_search.search.dashboard.plots import bounded, contour_mb, rank_mb


def trials(n, n_params):
    names = [f"x{index}" for index in range(n_params)]
    space = dict.fromkeys(names, FloatDistribution(0, 1))
    return [
        create_trial(value=0.5, params=dict.fromkeys(names, trial / n), distributions=space)
        for trial in range(n)
    ]


def test_a_contour_has_a_cell_for_each_pair_of_values_of_each_pair_of_parameters():
    # 2 ordered pairs of parameters with (8 + 2)² cells of 30 bytes each.
    assert contour_mb(trials(8, 2)) == pytest.approx(2 * 10**2 * 30 / 1e6)


def test_a_rank_has_a_point_for_each_trial_of_each_pair_of_parameters():
    assert rank_mb(trials(8, 2)) == pytest.approx(2**2 * 8 * 850 / 1e6)


@pytest.fixture
def plots(ask):
    """Asks for a plot of a study with some trials."""

    def app(environ, start_response):
        start_response("200 OK", [])
        return [b"drawn"]

    def call(path, n, n_params):
        storage = optuna.storages.InMemoryStorage()
        study = optuna.create_study(storage=storage)
        study.add_trials(trials(n, n_params))
        return ask(bounded(app, storage), path)

    return call


def test_a_plot_that_would_take_too_much_memory_is_an_empty_figure_that_says_so(plots):
    figure = plots("/api/studies/0/plot/contour", 300, 10).json
    assert figure["data"] == []
    assert "10 parameters over 300 completed trials would take 246 MB" in figure["reason"]
    assert figure["layout"]["title"]["text"].startswith("the contour plot")


@pytest.mark.parametrize(
    ("path", "n"),
    [
        ("/api/studies/0/plot/contour", 100),
        ("/api/studies/0/plot/rank", 300),
        ("/api/studies/0/plot/slice", 300),
        ("/api/studies/9/plot/contour", 300),
    ],
    ids=["few trials", "a rank", "a slice", "no such study"],
)
def test_the_others_are_drawn(plots, path, n):
    assert plots(path, n, 10).body == b"drawn"
