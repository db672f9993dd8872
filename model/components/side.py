"""What is known of films besides their ratings, as a part of their vectors."""

from __future__ import annotations

from torch import Tensor, nn


class Side(nn.Module):
    """What genres and year add to W, V and the film's vector: linear maps, initially 0."""

    columns: Tensor

    def __init__(self, columns: Tensor, width: int) -> None:
        """Args: columns: (n_films, n_columns)."""
        super().__init__()
        self.register_buffer("columns", columns, persistent=False)
        self.rated, self.seen, self.film = (
            nn.Linear(columns.shape[1], width, bias=False) for _ in range(3)
        )
        for linear in (self.rated, self.seen, self.film):
            nn.init.zeros_(linear.weight)

    def forward(self) -> tuple[Tensor, Tensor, Tensor]:
        """Summands (n_films, K) of W, V and the films' vectors."""
        return self.rated(self.columns), self.seen(self.columns), self.film(self.columns)
