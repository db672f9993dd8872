"""How many films a generated user rates, which ones, and in what order."""

from __future__ import annotations

from math import ceil

import numpy as np
from numpy.typing import NDArray

from ..ratings import Int

_LIKING = 1.5  # log odds of watching a film per star of taste
_SLOTS_PER_FILM = 16

_Doubles = NDArray[np.float64]


def ratings_per_user(rng: np.random.Generator, n_ratings: int, n_users: int, n_films: int) -> Int:
    """Lognormal counts that sum to `n_ratings`; at most half of the films where that suffices."""
    weight = rng.lognormal(0, 1, n_users)
    fewest = max(1, min(20, n_ratings // n_users // 2))
    most = max(ceil(n_films / 2), ceil(n_ratings / n_users))
    counts = np.full(n_users, fewest)
    while left := n_ratings - counts.sum():
        room = most - counts
        share = np.where(room > 0, weight, 0)
        more = np.minimum(left * share / share.sum(), room).astype(np.int64)
        if not more.any():
            heaviest = np.argsort(-share)[: min(left, (room > 0).sum())]
            more[heaviest] = 1
        counts += more
    return counts


class FilmDraws:
    """Draws films in proportion to their popularity, with repeats.

    By inversion of the cumulative distribution. A table of the film at the beginning of each of
    many equal slots of [0, 1) leaves few draws to be moved on, where a search would take ten times
    as long.
    """

    def __init__(self, popularity: _Doubles) -> None:
        self.popularity = popularity
        self._cumulative = popularity.cumsum() / popularity.sum()
        self._cumulative[-1] = 1.0
        # A power of two, so that a draw's slot is exact.
        self._n_slots = 1 << (_SLOTS_PER_FILM * len(popularity)).bit_length()
        begins = np.arange(self._n_slots) / self._n_slots
        self._film = self._cumulative.searchsorted(begins, side="right")

    def films_at(self, place: _Doubles) -> Int:
        """The films of (n,) places in [0, 1)."""
        film = self._film[(place * self._n_slots).astype(np.int64)]
        passed = np.flatnonzero(place >= self._cumulative[film])
        while len(passed):
            film[passed] += 1
            passed = passed[place[passed] >= self._cumulative[film[passed]]]
        return film


def choose_films(
    rng: np.random.Generator,
    counts: Int,
    draws: FilmDraws,
    user_taste: _Doubles,
    film_taste: _Doubles,
) -> Int:
    """`counts[u]` different films for each user u, user after user, each in the order of watching.

    A film is drawn in proportion to popularity x sigmoid(taste), so the well known and the liked
    come early. Most users draw with repeats from the popularity, and keep the first ones they
    like. Who gets too few that way, because they want a large part of all films, draws from all of
    them at once by Gumbel's trick.
    """
    n_films, tries = len(draws.popularity), 4 * counts + 30
    user = np.repeat(np.arange(len(counts)), tries)
    film = draws.films_at(rng.random(len(user)))
    taste = np.einsum("nr,nr->n", np.repeat(user_taste, tries, axis=0), film_taste[film])
    likes = rng.random(len(user)) * (1 + np.exp(-_LIKING * taste)) < 1
    pair, first = np.unique(user[likes] * n_films + film[likes], return_index=True)
    pair = pair[np.argsort(first)]  # as drawn, so still by user
    user = pair // n_films
    place = np.arange(len(pair)) - np.searchsorted(user, user)
    short = np.bincount(user, minlength=len(counts)) < counts
    chosen = [pair[(place < counts[user]) & ~short[user]]]
    for one in np.flatnonzero(short):
        logit = _LIKING * (film_taste @ user_taste[one])
        score = np.log(draws.popularity) - np.log1p(np.exp(-logit)) + rng.gumbel(size=n_films)
        rest = n_films - counts[one]
        best = np.argpartition(score, max(rest - 1, 0))[rest:]
        chosen.append(one * n_films + best[np.argsort(-score[best])])
    pair = np.concatenate(chosen)
    return pair[np.argsort(pair // n_films, kind="stable")] % n_films
