"""Sums over a user's films and over a film's raters, as sparse products.

The users-by-films matrix is never dense: a product reads each train rating once, and its backward
pass is the product with the transpose, which the other side needs anyway. Long rows are summed in
chunks: a GPU assigns each sum to a few threads, and one film with a hundred thousand ratings would
delay all others. Short float32 sums also have smaller rounding errors.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .grouping import Grouping
from .train_store import TrainStore

MAX_ROWS_PER_SUM = 4096


class Chunks(NamedTuple):
    """Groups of rows, with long groups cut into chunks.

    Attributes:
        offsets: (n_chunks + 1,) start of each chunk in the rows.
        of_group: (n_groups + 1,) start of each group in the chunks; None if each group is one
            chunk.
    """

    offsets: Tensor
    group_offsets: Tensor | None

    @classmethod
    def cut(cls, offsets: Tensor, max_rows: int) -> Chunks:
        """Args: offsets: (n_groups + 1,) start of each group."""
        counts = offsets.diff()
        if not len(counts) or int(counts.max()) <= max_rows:
            return cls(offsets, None)
        n_chunks = (counts + max_rows - 1).div(max_rows, rounding_mode="floor").clamp(min=1)
        group_offsets = F.pad(n_chunks.cumsum(0), (1, 0))
        group = torch.arange(len(counts), device=offsets.device).repeat_interleave(n_chunks)
        within = torch.arange(len(group), device=offsets.device) - group_offsets[group]
        return cls(torch.cat([offsets[group] + max_rows * within, offsets[-1:]]), group_offsets)

    def sums(self, columns: Tensor, weights: Tensor | None, table: Tensor) -> Tensor:
        """(n_groups, width) sums of the table's rows, one per group; unweighted without weights."""
        sums = _bag_sums(columns, table, self.offsets, weights)
        if self.group_offsets is None:
            return sums
        return _bag_sums(
            torch.arange(len(sums), device=sums.device), sums, self.group_offsets, None
        )


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
    """Train ratings in one grouping as a sparse matrix (n_groups, n_columns).

    Attributes:
        chunks: the boundaries of the groups.
        columns: (n,) index on the other side, per rating.
        weights: (n,) per rating.
    """

    chunks: Chunks
    columns: Tensor
    weights: Tensor

    @classmethod
    def build(cls, grouping: Grouping, kept: Tensor | None, weights: Tensor) -> Csr:
        """The kept ratings: what is left out costs nothing.

        Args:
            kept: (n,) bool, in the order of the store's rows; None for all.
            weights: (n,) in the same order.
        """
        offsets, rows, columns = grouping
        if kept is not None:
            places = kept[rows].nonzero().squeeze(1)
            offsets = torch.searchsorted(places, offsets)
            rows, columns = rows[places], columns[places]
        return cls(Chunks.cut(offsets, MAX_ROWS_PER_SUM), columns, weights[rows])

    def weighted(self, table: Tensor) -> Tensor:
        """(n_groups, width) weighted sums of the rows of a table (n_columns, width)."""
        return self.chunks.sums(self.columns, self.weights, table)

    def unweighted(self, table: Tensor) -> Tensor:
        """(n_groups, width) sums of the rows of a table (n_columns, width)."""
        return self.chunks.sums(self.columns, None, table)


class Matrix:
    """Some train ratings, each with a weight, as a users-by-films matrix and its transpose."""

    def __init__(self, store: TrainStore, kept: Tensor | None, weights: Tensor) -> None:
        """Args:
        kept: (n,) bool, in the order of the store's rows; None for all.
        weights: (n,) in the same order.
        """
        self._by_user = Csr.build(store.by_user, kept, weights)
        self._by_film = Csr.build(store.by_film, kept, weights)

    def sums_by_user(self, weighted: Tensor | None, plain: Tensor) -> Tensor:
        """(n_users, width): each user's sum over their films.

        Args:
            weighted: (n_films, width) whose rows count by the ratings' weights; None for none.
            plain: (n_films, width) whose rows count once.
        """
        return _Sums.apply(weighted, plain, self._by_user, self._by_film)

    def sums_by_film(self, weighted: Tensor | None, plain: Tensor) -> Tensor:
        """(n_films, width): each film's sum over its raters; the tables are (n_users, width)."""
        return _Sums.apply(weighted, plain, self._by_film, self._by_user)


class _Sums(torch.autograd.Function):
    """In the type of the weights, whatever the tables': `embedding_bag` takes two of the same type,
    and autocast does not convert them.

    Not by `torch.amp.custom_fwd`, which rebuilds tuples among the arguments, and cannot rebuild a
    named one.
    """

    @staticmethod
    def forward(
        ctx: Any, weighted: Tensor | None, plain: Tensor, matrix: Csr, transpose: Csr
    ) -> Tensor:
        ctx.transpose, ctx.dtype = transpose, plain.dtype
        dtype = matrix.weights.dtype
        sums = matrix.unweighted(plain.to(dtype))
        return sums if weighted is None else sums.add_(matrix.weighted(weighted.to(dtype)))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, Tensor, None, None]:
        grad = grad.contiguous()
        needs_weighted = ctx.needs_input_grad[0]
        to_weighted = ctx.transpose.weighted(grad).to(ctx.dtype) if needs_weighted else None
        return to_weighted, ctx.transpose.unweighted(grad).to(ctx.dtype), None, None
