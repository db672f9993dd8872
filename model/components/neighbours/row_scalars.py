"""What the time of a rating, and the numbers of others around it, say about it."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...store.time_order import Around, TimeOrder
from ...store.train_store import Pairs, TrainStore

DAY_S = 86_400
YEAR_S = 365.25 * DAY_S
SAMPLE = 200_000  # train rows that the scalars are standardised by
LIMIT = 5.0  # standard deviations


class RowScalars(nn.Module):
    """Standardised scalars of pairs with a time; none of them depends on a rating's value.

    Logarithms, log(1 + x), of the user's and the film's numbers of other ratings, of the time since
    the first of each (seconds for the user, days for the film), and of the user's numbers of other
    ratings in the same second and on the same UTC day; the film's age when rated, the date, and the
    film's year of release, in years.
    """

    N = 9
    mean: Tensor
    std: Tensor

    def __init__(self, store: TrainStore, by_user: TimeOrder, by_film: TimeOrder) -> None:
        super().__init__()
        known = store.year > 0
        mean_year = store.year[known].double().mean() if known.any() else torch.tensor(0.0)
        self._year = torch.where(known, store.year, mean_year.round().long())
        self._is_known = known
        self._by_user, self._by_film = by_user, by_film
        n = len(store)
        # A fixed sample, so that the scalars do not depend on the seed.
        rows = torch.arange(0, n, max(1, n // SAMPLE), device=store.device)
        raw = self._raw(store.pairs(rows), self.by_user(store.pairs(rows)))
        self.register_buffer("mean", raw.mean(0))
        self.register_buffer("std", raw.std(0, correction=0).clamp(min=1e-3))

    def by_user(self, pairs: Pairs) -> Around:
        """The other ratings of the pairs' users."""
        assert pairs.timestamp is not None
        return self._by_user.around(pairs.user, pairs.timestamp, pairs.row)

    def forward(self, pairs: Pairs, user: Around) -> Tensor:
        """(B, N). Args: user: the result of `by_user`."""
        return ((self._raw(pairs, user) - self.mean) / self.std).clamp(-LIMIT, LIMIT)

    def _raw(self, pairs: Pairs, user: Around) -> Tensor:
        time = pairs.timestamp
        assert time is not None
        film = self._by_film.around(pairs.film, time, pairs.row)
        midnight = time.div(DAY_S, rounding_mode="floor") * DAY_S
        same_day = self._by_user.count(user, pairs.user, midnight, midnight + DAY_S - 1)
        year = self._year[pairs.film]
        date = 1970 + time / YEAR_S
        columns = [
            torch.log1p((user.end - user.start).float()),
            torch.log1p((film.end - film.start).float()),
            _signed_log1p(_since_first(self._by_user, user, time)),
            _signed_log1p(_since_first(self._by_film, film, time) / DAY_S),
            torch.log1p((user.later - user.earlier).float()),
            torch.log1p(same_day.float()),
            torch.where(self._is_known[pairs.film], date - year, 0.0).clamp(-1, 100),
            date,
            year,
        ]
        return torch.stack([column.float() for column in columns], 1)


def _since_first(order: TimeOrder, around: Around, time: Tensor) -> Tensor:
    """(B,) seconds since the group's first other rating; 0 without one."""
    first = order.time(around, around.start)
    return torch.where(around.end > around.start, time - first, 0).float()


def _signed_log1p(values: Tensor) -> Tensor:
    """log(1 + |x|) with the sign of x."""
    return values.sign() * values.abs().log1p()
