"""The train ratings that an epoch's sums include."""

from __future__ import annotations

import torch
from torch import Tensor

from ..store.sparse import RowWeights
from ..store.train_store import TrainStore


class KeptRatings:
    """The train ratings that the sums include, and the weights of the sums.

    Attributes:
        kept: (n,) 1 if the rating is included, else 0.
        centred: (n,) rating minus the mean if it is included, else 0. Fitted biases are not
            subtracted: they depend on the target, and the sums would leak it.
        user_counts, film_counts: (n_users,) and (n_films,) numbers of kept ratings.
        dropped: share of ratings left out; the sums are scaled up to compensate.
    """

    def __init__(self, store: TrainStore, kept: Tensor, dropped: float) -> None:
        self.kept = kept
        self.centred = (store.rating - store.mean) * kept
        self.dropped = dropped
        self.count_weights = RowWeights(store, self.kept)
        self.rating_weights = RowWeights(store, self.centred)
        self.user_counts = torch.bincount(store.user, kept, store.n_users)
        self.film_counts = torch.bincount(store.film, kept, store.n_films)
