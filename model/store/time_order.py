"""Where a pair is among the train ratings of its user, or of its film, in order of time."""

from __future__ import annotations

from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from .grouping import Grouping
from .train_store import TrainStore


class Around(NamedTuple):
    """The other train ratings of the pairs' groups, by their places in order of time.

    The pair's own rating is left out and has no place. Shapes: (B,).

    Attributes:
        start, end: of the places that may be used: all, or those of earlier seconds.
        earlier: the end of the places in earlier seconds.
        later: the first place in a later second, or `earlier` if only the past may be used.
        own: the place that the pair's own rating would have; beyond all if it is not in train.
    """

    start: Tensor
    end: Tensor
    earlier: Tensor
    later: Tensor
    own: Tensor


class Window(NamedTuple):
    """The train ratings nearest in time to each pair, without its own.

    First those before it, nearest first, then those after it, unless only the past may be used.
    Ratings of the pair's own second have no order: half of them count as before.
    Shapes: B pairs, M neighbours.

    Attributes:
        rows: (B, M) train rows; any row where there is no neighbour.
        present: (B, M) whether there is one.
        gap: (B, M) seconds between the two ratings, at least 0.
    """

    rows: Tensor
    present: Tensor
    gap: Tensor


class TimeOrder:
    """The train ratings of each group, a user's or a film's, in order of time.

    One int64 key per rating makes all look-ups binary searches, without a loop over rows.
    """

    def __init__(self, store: TrainStore, grouping: Grouping, *, past: bool) -> None:
        """Args: past: leave out all ratings that are not from an earlier second."""
        assert store.timestamp is not None
        self._past = past
        self._offsets = grouping.offsets
        n = len(grouping.rows)
        # A row and its time lie next to each other, since most look-ups read both.
        self._rows_and_times = grouping.rows.new_empty(n, 2)
        self._rows_and_times[:, 0] = grouping.rows
        self._rows_and_times[:, 1] = self._keys = store.timestamp[grouping.rows]
        self._time = self._rows_and_times[:, 1]
        first, last = self._keys.aminmax()
        self._first = int(first)
        self._span = int(last) - self._first + 3
        self._keys += grouping.group.mul_(self._span).add_(1 - self._first)  # as in `_key`
        self._places = torch.empty_like(grouping.rows)
        self._places[grouping.rows] = torch.arange(n, device=store.device)

    def around(self, group: Tensor, time: Tensor, row: Tensor) -> Around:
        """The other ratings of groups (B,) around times (B,), in seconds.

        Args:
            row: (B,) the pair's own train row; -1 if it has none.
        """
        key = self._key(group, time)
        is_own = row >= 0
        earlier = torch.searchsorted(self._keys, key)
        start, end = self._offsets[group], self._offsets[group + 1] - is_own.long()
        own = torch.where(is_own, self._places[row.clamp(min=0)], len(self._time))
        if self._past:
            return Around(start, earlier, earlier, earlier, own)
        later = torch.searchsorted(self._keys, key, right=True) - is_own.long()
        return Around(start, end, earlier, later, own)

    def count(self, around: Around, group: Tensor, first: Tensor, last: Tensor) -> Tensor:
        """(B,) numbers of the usable ratings from second `first` to `last`, without the pair's own.

        The pair's own time must be within.
        """
        left = torch.searchsorted(self._keys, self._key(group, first))
        right = torch.searchsorted(self._keys, self._key(group, last), right=True)
        is_own = around.own < len(self._time)
        return torch.minimum(right - is_own.long(), around.end) - left

    def time(self, around: Around, places: Tensor) -> Tensor:
        """Seconds of the ratings at places (B,) or (B, M); of any where there is none."""
        return self._time[self._positions(around, places)]

    def window(self, around: Around, time: Tensor, k: int) -> Window:
        """The k ratings before and, unless only the past may be used, the k after times (B,)."""
        middle = (around.earlier + (around.later - around.earlier) // 2).unsqueeze(1)
        steps = torch.arange(k, device=middle.device)
        places = middle - 1 - steps
        if not self._past:
            places = torch.cat([places, middle + steps], 1)
        present = (places >= around.start.unsqueeze(1)) & (places < around.end.unsqueeze(1))
        positions = self._positions(around, places)
        rows, times = F.embedding(positions, self._rows_and_times).unbind(2)
        return Window(rows, present, (times - time.unsqueeze(1)).abs().float())

    def _positions(self, around: Around, places: Tensor) -> Tensor:
        """Positions in the arrays, which include the pairs' own ratings; places do not."""
        own = around.own if places.dim() == 1 else around.own.unsqueeze(1)
        return (places + (places >= own)).clamp(0, len(self._time) - 1)

    def _key(self, group: Tensor, time: Tensor) -> Tensor:
        """Ascends in this order. A time beyond all train ratings is before or after them."""
        return group * self._span + (time - self._first + 1).clamp(0, self._span - 1)
