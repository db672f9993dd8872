"""Reading tables by row, so that a batch costs what it reads and not the size of the tables.

torch's own gradient of `embedding` is a new table for each call, which is mostly zeros.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch
from torch import Tensor


def rows_of(table: Tensor, index: Tensor) -> Tensor:
    """(B, K) rows of a table (n, K) at indices (B,).

    If the table is a leaf that has a gradient already, that of the rows is added to it in place.
    """
    rows: Tensor = _Rows.apply(table, index)
    return rows


def sums_without(
    sums: Tensor, at: Tensor, left_out: Sequence[LeftOut], scale: Tensor, added: Tensor | None
) -> Tensor:
    """(B, K) scaled sums over ratings, each without one of them, plus what is added to the vector.

    Equal to `(sums - weight * table - ...) * scale + added` of the tables' rows, in fewer passes
    over the memory. Gradients are as those of `rows_of`.

    Args:
        sums: (n, K).
        at: (B,) indices in `sums` and `added`.
        left_out: what the rating added to its sum.
        scale: (B, 1).
        added: (n, K), or None.
    """
    tables = (each.table for each in left_out)
    left: Tensor = _SumsWithout.apply(at, left_out, scale, sums, added, *tables)
    return left


class LeftOut(NamedTuple):
    """A summand that is left out of sums.

    Attributes:
        table: (n, K).
        at: (B,) indices.
        weight: (B, 1) of each row.
    """

    table: Tensor
    at: Tensor
    weight: Tensor


class _Rows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, table: Tensor, index: Tensor) -> Tensor:
        ctx.table, ctx.index = table, index
        return table.index_select(0, index)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, None]:
        return _add_rows(ctx.table, ctx.index, grad), None


class _SumsWithout(torch.autograd.Function):
    @staticmethod
    def forward(
        ctx: Any,
        at: Tensor,
        left_out: Sequence[LeftOut],
        scale: Tensor,
        sums: Tensor,
        added: Tensor | None,
        *tables: Tensor,
    ) -> Tensor:
        """Args: tables: those of `left_out`, since autograd looks only at tensors."""
        ctx.at, ctx.left_out, ctx.scale, ctx.sums, ctx.added = at, left_out, scale, sums, added
        left = sums.index_select(0, at)
        for table, place, weight in left_out:
            left.addcmul_(table.index_select(0, place), weight, value=-1)
        left.mul_(scale)
        return left if added is None else left.add_(added.index_select(0, at))

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor | None, ...]:
        to_added = None if ctx.added is None else _add_rows(ctx.added, ctx.at, grad)
        grad = grad * ctx.scale
        to_sums = _add_rows(ctx.sums, ctx.at, grad)
        to_tables = (_add_rows(table, at, grad * -weight) for table, at, weight in ctx.left_out)
        return None, None, None, to_sums, to_added, *to_tables


def _add_rows(table: Tensor, index: Tensor, grad: Tensor) -> Tensor | None:
    """The gradient of a table from that of its rows; None if it has been added in place."""
    if not table.requires_grad:
        return None
    if table.is_leaf and table.grad is not None:
        table.grad.index_add_(0, index, grad.to(table.dtype))
        return None
    return torch.zeros_like(table).index_add_(0, index, grad.to(table.dtype))


class Held:
    """What the parts of a batch share, cut off from the weights that it was computed from.

    The parts add up its gradient; `backward` then hands it to the weights, once for all of them.

    Attributes:
        shared: the same as before, with leaves for the tensors that need a gradient.
    """

    def __init__(self, shared: object) -> None:
        """Args: shared: the result of a model's `encode_store`."""
        self._sources: list[Tensor] = []
        self._leaves: list[Tensor] = []
        self.shared = self._hold(shared)

    @staticmethod
    def backward(held: Sequence[Held]) -> None:
        """Hand over the gradients of all that were made of one `shared`."""
        first, *others = held
        for leaf, *more in zip(first._leaves, *(each._leaves for each in others), strict=True):
            for other in more:
                leaf.grad.add_(other.grad)
        if first._sources:
            torch.autograd.backward(first._sources, [leaf.grad for leaf in first._leaves])

    def _hold(self, value: object) -> object:
        if isinstance(value, Tensor) and value.requires_grad:
            leaf = value.detach().requires_grad_()
            leaf.grad = torch.zeros_like(leaf)
            self._sources.append(value)
            self._leaves.append(leaf)
            return leaf
        if isinstance(value, tuple):
            parts = map(self._hold, value)
            return value._make(parts) if hasattr(value, "_make") else tuple(parts)
        return value
