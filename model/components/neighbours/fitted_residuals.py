"""Residuals of a model that fits weights to each train rating, such as embeddings of ids.

No rating is left out of its own prediction: the weights have seen it. So the residuals are smaller
than those of other ratings, and the head that learns from them expects too little of those. It is
still worth having; docs/models.md has figures.

Shapes: B pairs, M neighbours, n train ratings, K columns of a film's vector.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Self

import torch
import torch.nn.functional as F
from torch import Tensor

from ...store.time_order import Window
from ...store.train_store import Pairs, TrainStore


@dataclass(frozen=True, kw_only=True, eq=False)
class FittedResiduals:
    """Residuals as of one moment, without gradient.

    Attributes:
        residual: (n,) ratings minus predictions.
        directions: (n_films, K) vectors of films, with length 1.
    """

    store: TrainStore
    residual: Tensor
    directions: Tensor

    @classmethod
    def build(cls, store: TrainStore, predictions: Iterable[Tensor], films: Tensor) -> Self:
        """Residuals of a model as it is.

        Args:
            predictions: of all train ratings, in batches in their order.
            films: (n_films, K) vectors.
        """
        return cls(
            store=store,
            residual=store.rating - torch.cat(list(predictions)),
            directions=F.normalize(films.detach(), dim=1),
        )

    @property
    def state(self) -> dict[str, Tensor]:
        return {"residual": self.residual.cpu(), "directions": self.directions.cpu()}

    def of_targets(self, pairs: Pairs) -> Tensor:
        return self.residual[pairs.row]

    def of_neighbours(self, pairs: Pairs, window: Window) -> tuple[Tensor, Tensor]:
        films = F.embedding(self.store.film[window.rows], self.directions)  # (B, M, K)
        cosine = torch.bmm(films, self.directions[pairs.film].unsqueeze(2)).squeeze(2)
        return self.residual[window.rows] * window.present, cosine * window.present
