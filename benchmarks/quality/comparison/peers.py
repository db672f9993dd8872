"""The libraries that our models are compared to: one function per peer, which imports its library.

A peer for ratings takes the train ratings, the rows to predict (their ratings are NaN) and a seed,
and returns predictions. A peer for rankings takes the train ratings and a seed, and returns the
score of every user and film.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.data.ratings import Ratings

from benchmarks.quality.comparison import lenskit_peers, myfm_peers, surprise_peers

Predict = Callable[[Ratings, Ratings, int], NDArray[Any]]
Score = Callable[[Ratings, int], NDArray[Any]]


@dataclass(frozen=True)
class Peer:
    """A model of another library.

    Attributes:
        packages: whose versions are recorded.
        settings: in words.
        predict: (n,) ratings; None for a peer that ranks.
        score: (n_users, n_films), higher is better; None for a peer that predicts ratings.
        seeded: whether its result depends on the seed.
    """

    packages: tuple[str, ...]
    settings: str
    predict: Predict | None = None
    score: Score | None = None
    seeded: bool = True


def popularity(train: Ratings, seed: int) -> NDArray[Any]:
    """The number of train ratings of each film, the same for every user."""
    counts = np.bincount(train.film, minlength=train.n_films).astype(np.float32)
    return np.broadcast_to(counts, (train.n_users, train.n_films))


SURPRISE, LENSKIT, MYFM = ("scikit-surprise",), ("lenskit",), ("myfm",)

PEERS = {
    "surprise-svd": Peer(SURPRISE, "defaults", predict=surprise_peers.svd),
    "surprise-svdpp": Peer(SURPRISE, "defaults", predict=surprise_peers.svd_plus_plus),
    "lenskit-als": Peer(LENSKIT, "defaults", predict=lenskit_peers.biased_als),
    "myfm": Peer(MYFM, "users and films, rank 10, 512 samples", predict=myfm_peers.regression_ids),
    "myfm-side": Peer(
        MYFM,
        "implicit features, genres, years and dates, rank 10, 512 samples",
        predict=myfm_peers.regression,
    ),
    "myfm-ordinal": Peer(
        MYFM,
        "implicit features, genres, years and dates, rank 10, 512 samples",
        predict=myfm_peers.ordinal,
    ),
    "popularity": Peer((), "number of train ratings", score=popularity, seeded=False),
    "lenskit-implicit-als": Peer(LENSKIT, "defaults", score=lenskit_peers.implicit_als),
    "lenskit-ease": Peer(LENSKIT, "defaults", score=lenskit_peers.ease, seeded=False),
    "lenskit-ease-500": Peer(LENSKIT, "lambda 500", score=lenskit_peers.ease_500, seeded=False),
}
