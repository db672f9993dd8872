"""How many films a generated user rates, which ones, and in what order."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..ratings import Int

_TASTE_LOG_ODDS = 1.5  # log odds of watching a film per star of taste
_SLOTS_PER_FILM = 16

_Doubles = NDArray[np.float64]


def ratings_per_user(rng: np.random.Generator, n_ratings: int, n_users: int, n_films: int) -> Int:
    """Lognormal counts that sum to `n_ratings`, each at most half of the films if possible."""
    weight = rng.lognormal(0, 1, n_users)
    minimum = max(1, min(20, n_ratings // n_users // 2))
    maximum = max(ceil(n_films / 2), ceil(n_ratings / n_users))
    counts = np.full(n_users, minimum)
    while remaining := n_ratings - counts.sum():
        room = maximum - counts
        share = np.where(room > 0, weight, 0)
        increase = np.minimum(remaining * share / share.sum(), room).astype(np.int64)
        if not increase.any():
            heaviest = np.argsort(-share)[: min(remaining, (room > 0).sum())]
            increase[heaviest] = 1
        counts += increase
    return counts


class FilmSampler:
    """Draws films in proportion to their popularity, with replacement.

    Inverts the cumulative distribution. A lookup table over equal slots of [0, 1) holds the film
    at the start of each slot; few draws need correcting, which is ten times faster than a binary
    search.
    """

    def __init__(self, popularity: _Doubles) -> None:
        self.popularity = popularity
        self._cumulative = popularity.cumsum() / popularity.sum()
        self._cumulative[-1] = 1.0
        # A power of two, so that a draw's slot is computed without rounding.
        self._n_slots = 1 << (_SLOTS_PER_FILM * len(popularity)).bit_length()
        slot_starts = np.arange(self._n_slots) / self._n_slots
        self._film = self._cumulative.searchsorted(slot_starts, side="right")

    def films_for(self, quantile: _Doubles) -> Int:
        """The films of (n,) quantiles in [0, 1)."""
        film = self._film[(quantile * self._n_slots).astype(np.int64)]
        too_low = np.flatnonzero(quantile >= self._cumulative[film])
        while len(too_low):
            film[too_low] += 1
            too_low = too_low[quantile[too_low] >= self._cumulative[film[too_low]]]
        return film


def choose_films(
    rng: np.random.Generator,
    counts: Int,
    sampler: FilmSampler,
    user_taste: _Doubles,
    film_taste: _Doubles,
) -> Int:
    """`counts[u]` distinct films per user u, ordered by user, then in the order of watching.

    A film's probability is proportional to popularity x sigmoid(taste), so popular and liked films
    come first. For most users, films are drawn by popularity with replacement, and the first ones
    that the user likes are kept. Users for whom that yields too few, because they rate a large
    share of all films, sample from all films at once with the Gumbel-max trick.
    """
    n_films, tries = len(sampler.popularity), 4 * counts + 30
    user = np.repeat(np.arange(len(counts)), tries)
    film = sampler.films_for(rng.random(len(user)))
    taste = np.einsum("nr,nr->n", np.repeat(user_taste, tries, axis=0), film_taste[film])
    liked = rng.random(len(user)) * (1 + np.exp(-_TASTE_LOG_ODDS * taste)) < 1
    pair, first = np.unique(user[liked] * n_films + film[liked], return_index=True)
    pair = pair[np.argsort(first)]  # in drawing order, which is still by user
    user = pair // n_films
    rank = np.arange(len(pair)) - np.searchsorted(user, user)
    incomplete = np.bincount(user, minlength=len(counts)) < counts
    chosen = [pair[(rank < counts[user]) & ~incomplete[user]]]
    for u in np.flatnonzero(incomplete):
        logit = _TASTE_LOG_ODDS * (film_taste @ user_taste[u])
        score = np.log(sampler.popularity) - np.log1p(np.exp(-logit)) + rng.gumbel(size=n_films)
        n_rejected = n_films - counts[u]
        best = np.argpartition(score, max(n_rejected - 1, 0))[n_rejected:]
        chosen.append(u * n_films + best[np.argsort(-score[best])])
    pair = np.concatenate(chosen)
    return pair[np.argsort(pair // n_films, kind="stable")] % n_films
