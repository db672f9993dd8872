"""Sums over a user's films and over a film's raters, as sparse products.

The users-by-films matrix is never dense: a product reads each train rating once, and its backward
pass is the product with the transpose, which the other side needs anyway. Long rows are summed in
chunks: a GPU gives each sum to a few threads, and one film of a hundred thousand ratings would keep
all others waiting; besides, short sums of float32 round less.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .train_store import Grouping, TrainStore

LONGEST_SUM = 4096  # rows


class Chunks(NamedTuple):
    """Groups of rows, the long ones cut.

    Attributes:
        offsets: (n_chunks + 1,) where in the rows a chunk begins.
        of_group: (n_groups + 1,) where in the chunks a group's own begin; None if each has one.
    """

    offsets: Tensor
    of_group: Tensor | None

    @classmethod
    def cut(cls, offsets: Tensor, longest: int) -> Chunks:
        """Args: offsets: (n_groups + 1,) where a group begins."""
        counts = offsets.diff()
        if not len(counts) or int(counts.max()) <= longest:
            return cls(offsets, None)
        n_chunks = (counts + longest - 1).div(longest, rounding_mode="floor").clamp(min=1)
        of_group = F.pad(n_chunks.cumsum(0), (1, 0))
        group = torch.arange(len(counts), device=offsets.device).repeat_interleave(n_chunks)
        within = torch.arange(len(group), device=offsets.device) - of_group[group]
        return cls(torch.cat([offsets[group] + longest * within, offsets[-1:]]), of_group)

    def sums(self, columns: Tensor, weights: Tensor, table: Tensor) -> Tensor:
        """(n_groups, width) sums of weight times the table's row, over each group's rows."""
        sums = _bag_sums(columns, table, self.offsets, weights)
        if self.of_group is None:
            return sums
        return _bag_sums(torch.arange(len(sums), device=sums.device), sums, self.of_group, None)


def _bag_sums(columns: Tensor, table: Tensor, offsets: Tensor, weights: Tensor | None) -> Tensor:
    return F.embedding_bag(
        columns,
        table,
        offsets,
        mode="sum",
        per_sample_weights=weights,
        include_last_offset=True,
    )


class Csr(NamedTuple):
    """One grouping of the train rows, with weights.

    Attributes:
        chunks: where the groups begin.
        columns: (n,) the other side's index of each row.
        weights: (n,) of each row, in the grouping's order.
    """

    chunks: Chunks
    columns: Tensor
    weights: Tensor

    @classmethod
    def of(cls, grouping: Grouping, weights: Tensor) -> Csr:
        """Args: weights: (n,) in the order of the store's rows."""
        chunks = Chunks.cut(grouping.offsets, LONGEST_SUM)
        return cls(chunks, grouping.others, weights[grouping.rows])

    def times(self, table: Tensor) -> Tensor:
        """(n_groups, width), for a table of (n_columns, width)."""
        return self.chunks.sums(self.columns, self.weights, table)


class RowWeights:
    """A weight for each train rating, as a users-by-films matrix and its transpose."""

    def __init__(self, store: TrainStore, weights: Tensor) -> None:
        """Args: weights: (n,) in the order of the store's rows."""
        self.by_user = Csr.of(store.by_user, weights)
        self.by_film = Csr.of(store.by_film, weights)

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
