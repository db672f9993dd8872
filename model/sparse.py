"""Sums over a user's films and over a film's raters, as sparse products.

The users-by-films matrix is never dense: a product reads each train rating once, and its backward
pass is the product with the transpose, which the other side needs anyway.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .store import TrainStore


class Csr(NamedTuple):
    """One grouping of the train rows, with weights.

    Attributes:
        offsets: (n_groups + 1,) where a group begins.
        columns: (n,) the other side's index of each row.
        weights: (n,) of each row, in the grouping's order.
    """

    offsets: Tensor
    columns: Tensor
    weights: Tensor

    def times(self, table: Tensor) -> Tensor:
        """(n_groups, width), for a table of (n_columns, width)."""
        return F.embedding_bag(
            self.columns,
            table,
            self.offsets,
            mode="sum",
            per_sample_weights=self.weights,
            include_last_offset=True,
        )


class RowWeights:
    """A weight for each train rating, as a users-by-films matrix and its transpose."""

    def __init__(self, store: TrainStore, weights: Tensor) -> None:
        """Args: weights: (n,) in the order of the store's rows."""
        users, films = store.by_user, store.by_film
        self.by_user = Csr(users.offsets, users.others, weights[users.rows])
        self.by_film = Csr(films.offsets, films.others, weights[films.rows])

    def sums_by_user(self, film_table: Tensor) -> Tensor:
        """(n_users, width): each user's weighted sum over the rows of their films."""
        return _Product.apply(film_table, self.by_user, self.by_film)

    def sums_by_film(self, user_table: Tensor) -> Tensor:
        """(n_films, width): each film's weighted sum over the rows of its raters."""
        return _Product.apply(user_table, self.by_film, self.by_user)


class _Product(torch.autograd.Function):
    @staticmethod
    @torch.amp.custom_fwd(device_type="cuda", cast_inputs=torch.float32)
    def forward(ctx: Any, table: Tensor, matrix: Csr, transpose: Csr) -> Tensor:
        ctx.transpose = transpose
        return matrix.times(table)

    @staticmethod
    @torch.amp.custom_bwd(device_type="cuda")
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        return ctx.transpose.times(grad.contiguous()), None, None
