"""Gaussian processes: fits, and the roots of their covariances."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.search.prospects.processes import fit_process, square_root


def test_a_fit_follows_a_smooth_function_and_ignores_a_column_without_effect():
    rng = np.random.default_rng(0)
    points = rng.random((40, 2))
    values = np.sin(6 * points[:, 0])
    process = fit_process(points, values)
    new = rng.random((50, 2))
    assert np.abs(process.predict(new) - np.sin(6 * new[:, 0])).max() < 0.1
    scales = process.kernel_.k1.k2.length_scale
    assert scales[1] > 2 * scales[0]


def test_values_with_more_variance_count_less():
    points = np.array([[0.5], [0.5]])
    process = fit_process(points, np.array([1.0, -1.0]), np.array([1e-4, 10.0]))
    assert process.predict([[0.5]])[0] > 0.5


def test_a_root_gives_the_covariance_also_if_rounding_made_it_indefinite():
    covariance = np.ones((3, 3))
    root = square_root(covariance - 1e-5 * np.eye(3))
    assert np.allclose(root @ root.T, covariance, atol=2e-4)


def test_what_is_no_covariance_is_refused():
    with pytest.raises(np.linalg.LinAlgError):
        square_root(-np.eye(2))
