"""What is known of films and users besides their ratings, as a part of their vectors."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor, nn

PRIOR_COUNT = 20.0  # a group's expected vector is shrunk as by so many more members at the mean


class Tables(NamedTuple):
    """Vectors of all films, or of all users.

    Attributes:
        rated, seen: (n, K) W and V, side features included.
        side: (n, K) what side features add to the vector of each, or None.
    """

    rated: Tensor
    seen: Tensor
    side: Tensor | None


class Side(nn.Module):
    """What side features add to W, V and the vector of each film or user.

    Linear maps, initially 0: `rated`, `seen`, and one that is named after its owner.
    """

    columns: Tensor

    def __init__(self, columns: Tensor, width: int, owner: Literal["film", "user"]) -> None:
        """Args: columns: (n, n_columns)."""
        super().__init__()
        self.register_buffer("columns", columns, persistent=False)
        for name in ("rated", "seen", owner):
            self.add_module(name, nn.Linear(columns.shape[1], width, bias=False))
        for weight in self.parameters():
            nn.init.zeros_(weight)

    @property
    def are_described(self) -> Tensor:
        """(n,) whether anything is known of each."""
        return self.columns.any(1)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Summands (n, K) of W, V and the vectors."""
        rated, seen, vector = (linear(self.columns) for linear in self.children())
        return rated, seen, vector

    @torch.no_grad()
    def with_expected(self, tables: Tables, sums: Tensor, have_ratings: Tensor) -> Tables:
        """The tables, with a side summand that is all of the vector for those without ratings.

        The summand that is trained is too little for them: vectors are mostly sums over ratings,
        and their mean is not 0. They get the vector that their side features let expect.

        Args:
            sums: (n, K) scaled sums over train ratings, 0 without any.
            have_ratings: (n,) whether each has train ratings.
        """
        assert tables.side is not None
        expected = self._expected(sums + tables.side, have_ratings)
        side = torch.where(have_ratings.unsqueeze(1), tables.side, expected)
        return tables._replace(side=side)

    def _expected(self, vectors: Tensor, have_ratings: Tensor) -> Tensor:
        """(n, K) by a ridge regression on the vectors of those that have ratings."""
        chosen = have_ratings & self.are_described
        columns, targets = self.columns[chosen], vectors[chosen]
        n = max(len(targets), 1)
        centre, mean = columns.sum(0) / n, targets.sum(0) / n
        columns = columns - centre
        gram = columns.T @ columns
        gram.diagonal().add_(PRIOR_COUNT)
        slopes = torch.linalg.solve(gram, columns.T @ (targets - mean))
        return mean + (self.columns - centre) @ slopes


def with_side(rated: Tensor, seen: Tensor, side: Side | None) -> Tables:
    """The tables with what side features add; unchanged if there are none."""
    if side is None:
        return Tables(rated, seen, None)
    to_rated, to_seen, to_vector = side()
    # Not in autocast's half precision: gradients of many pairs are added up in it.
    return Tables(rated + to_rated, seen + to_seen, to_vector.to(rated.dtype))
