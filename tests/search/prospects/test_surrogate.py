"""The surrogate: what it predicts, how sure it is, and what it draws."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.prospects.surrogate import MAX_OUTCOMES, Surrogate, fit_surrogate

from .conftest import Builder, level


@pytest.fixture
def surrogate(spec, searched):
    return Surrogate(spec.space, outcomes(searched.trials))


def new_points(surrogate, searched, n=40):
    params = [searched.params() for _ in range(n)]
    return surrogate.encoding.encode_params(params), np.array([level(each) for each in params])


def test_it_predicts_configs_that_it_has_not_seen(surrogate, searched):
    points, true = new_points(surrogate, searched)
    mean, _ = surrogate.predict(points)
    assert np.sqrt(np.mean((mean - true) ** 2)) < 0.2 * true.std()


def test_it_is_as_sure_as_it_is_right(surrogate, searched):
    points, true = new_points(surrogate, searched, n=200)
    mean, sd = surrogate.predict(points)
    beyond = np.abs(true - mean) > 2 * np.hypot(sd, surrogate.noise_sd)
    assert beyond.mean() < 0.1


def test_it_is_less_sure_far_from_the_outcomes(spec):
    builder = Builder(spec)
    for _ in range(20):
        builder.add(builder.params(learning_rate=10 ** builder._rng.uniform(-4, -3)))
    surrogate = Surrogate(spec.space, outcomes(builder.trials))
    near, far = (
        surrogate.predict(surrogate.encoding.encode_params([builder.params(learning_rate=rate)]))[1]
        for rate in (3e-4, 1e-2)
    )
    assert far > 2 * near


def test_an_architecture_without_outcomes_is_wide_open(spec, builder):
    for _ in range(12):
        builder.add()
    surrogate = Surrogate(spec.space, outcomes(builder.trials))
    encode = surrogate.encoding.encode_params
    _, unseen = surrogate.predict(encode([builder.params("hybrid")]))
    _, seen = surrogate.predict(encode([builder.params()]))
    assert unseen > 3 * seen


def test_uncertain_forecasts_count_less(spec, searched):
    """A stopped trial in the middle of the good ones, forecast far too high."""
    params = searched.params(learning_rate=1e-3, latent_dim=64)
    for _ in range(4):
        searched.add(params)
    number = searched.add(params, epochs=1, end=1.0, stop_reason="hopeless")
    found = outcomes(searched.trials)
    sure = [
        each if each.number != number else type(each)(number, each.params, each.level, 0.0)
        for each in found
    ]
    levels = []
    for each in (found, sure):
        surrogate = Surrogate(spec.space, each)
        levels.append(surrogate.predict(surrogate.encoding.encode_params([params]))[0][0])
    assert abs(levels[0] - level(params)) < abs(levels[1] - level(params))


def test_draws_have_the_predicted_mean_and_spread(surrogate, searched):
    points, _ = new_points(surrogate, searched, n=5)
    mean, sd = surrogate.predict(points)
    draws = surrogate.draw(points, 4000, np.random.default_rng(0))
    np.testing.assert_allclose(np.median(draws, axis=0), mean, atol=0.1 * sd.max())
    np.testing.assert_allclose(draws.std(axis=0), sd, rtol=0.2)


def test_with_expected_in_a_point_makes_it_certain_and_moves_nothing(surrogate, searched):
    points, _ = new_points(surrogate, searched, n=3)
    before, unsure = surrogate.predict(points)
    after, sure = surrogate.with_expected(points).predict(points)
    np.testing.assert_allclose(after, before, atol=1e-4)
    assert (sure < unsure).all()


def test_thousands_of_outcomes_are_thinned_to_the_best_and_the_latest(spec, searched):
    found = outcomes(searched.trials)
    many = [
        type(found[0])(number, each.params, each.level + number * 1e-6, 0.0)
        for number, each in enumerate(found * 40)
    ]
    surrogate = Surrogate(spec.space, many)
    assert len(surrogate.points) == MAX_OUTCOMES
    best = surrogate.encoding.encode_params([min(many, key=lambda each: each.level).params])
    assert (surrogate.points == best).all(axis=1).any()


def test_the_same_outcomes_are_fitted_once(spec, searched):
    found = outcomes(searched.trials)
    assert fit_surrogate(spec.space, found) is fit_surrogate(spec.space, list(found))
    assert fit_surrogate(spec.space, found[:-1]) is not fit_surrogate(spec.space, found)
