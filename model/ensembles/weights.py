"""Weights of an ensemble's members, and how good they are on ratings they were not fitted on.

A member's errors are its predictions minus the ratings. Weights sum to 1, so an ensemble's errors
are the weighted sums of its members' errors, and its MSE is w' G w, with the members' mean products
of errors G: fitting needs only G. Shapes: n ratings, K members.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
Fit = Callable[[Array], Array]

ROUNDS = 100  # of greedy selection; weights are multiples of 1/100 or coarser
FOLDS = 10
FOLD_SEED = 0
SAME = 1e-9  # relative improvement of the MSE that is not worth another member


def equal_weights(gram: Array) -> Array:
    """(K,) the same weight for each of K members."""
    return np.full(len(gram), 1 / len(gram))


def greedy_weights(gram: Array, rounds: int = ROUNDS) -> Array:
    """(K,) shares of the members in a selection with replacement.

    Each round adds the member whose addition gives the lowest MSE. The result is the round with the
    lowest MSE of all, so that the best member alone is the worst that it can be on these ratings.

    Args:
        gram: (K, K) mean products of the members' errors.

    Source: Caruana et al. 2004, "Ensemble selection from libraries of models", section 2.1.
    """
    counts = np.zeros(len(gram))
    best, best_mse = counts, np.inf
    for n in range(1, rounds + 1):
        products = gram @ counts
        mse = (counts @ products + 2 * products + gram.diagonal()) / n**2
        chosen = int(mse.argmin())
        counts = counts.copy()
        counts[chosen] += 1
        if mse[chosen] < best_mse * (1 - SAME):
            best, best_mse = counts, mse[chosen]
    shares: Array = best / best.sum()
    return shares


WEIGHTINGS: dict[str, Fit] = {"greedy": greedy_weights, "equal": equal_weights}


def fit_weights(errors: Array, fit: Fit) -> Array:
    """(K,) weights fitted on all ratings. Args: errors: (n, K)."""
    return fit(_gram(errors))


def cross_fitted_errors(errors: Array, fit: Fit) -> Array:
    """(n,) errors of the ensemble on each rating, with weights that were fitted without it.

    The ratings are dealt at random into ten folds; the weights for a fold are fitted on the others.
    With fewer ratings than two, they are fitted on all.

    Args:
        errors: (n, K) of the members.
    """
    n = len(errors)
    if n < 2:
        return errors @ fit_weights(errors, fit)
    fold = np.random.default_rng(FOLD_SEED).permutation(n) % min(FOLDS, n)
    combined = np.empty(n)
    for each in range(min(FOLDS, n)):
        held_out = fold == each
        combined[held_out] = errors[held_out] @ fit_weights(errors[~held_out], fit)
    return combined


def _gram(errors: Array) -> Array:
    gram: Array = errors.T @ errors / len(errors)
    return gram
