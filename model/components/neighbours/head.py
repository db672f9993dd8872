"""What the residuals of the ratings around a pair in time say about it.

People rate in sessions, and their mood and scale drift: a film that is rated minutes after one
that got a star more than expected tends to get more than expected too, the more so the more similar
the films are.

The head is trained separately from the model: on the residuals that it leaves in eval mode, where
nothing is dropped. Trained together, with rating dropout and a sampled z, each fits what the other
explains, and the prediction is 0.003 to 0.009 stars worse (validation RMSE on ml-latest-small). The
features are computed without gradient, since no weight comes before them.

Shapes: B pairs, M neighbours, of which half are before the pair and half after it, or all before it
if only the past may be used.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...store.time_order import TimeOrder
from ...store.train_store import Pairs, TrainStore
from .features import NeighbourFeatures, Residuals
from .row_scalars import RowScalars

WIDTHS = (64, 32)
# Share of a batch that the head learns from. Its features cost more than a step of the towers, and
# it has so few weights that a fifth of the ratings fits them as well as all.
SHARE = 0.2
MOST = 500_000  # train ratings of an epoch that it learns from


class NeighbourHead(nn.Module):
    """A small net. It predicts nothing without a time, or before `residuals` are set.

    Attributes:
        residuals: of the model as it was when this epoch began, or as it is evaluated.
    """

    residuals: Residuals | None = None

    def __init__(self, store: TrainStore, *, past: bool) -> None:
        """Args: past: use earlier ratings only."""
        super().__init__()
        by_user = TimeOrder(store, store.by_user, past=past)
        by_film = TimeOrder(store, store.by_film, past=past)
        self.scalars = RowScalars(store, by_user, by_film)
        self._step = max(round(1 / SHARE), len(store) // MOST)
        self._features = NeighbourFeatures(by_user, 1 if past else 2, store.device)
        first, second = WIDTHS
        self.net = nn.Sequential(
            nn.Linear(NeighbourFeatures.N + RowScalars.N, first),
            nn.GELU(),
            nn.Linear(first, second),
            nn.GELU(),
            last := nn.Linear(second, 1),
        )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, pairs: Pairs) -> Tensor:
        """(B,) stars to add to the model's prediction."""
        if pairs.timestamp is None or self.residuals is None:
            return torch.zeros(len(pairs), device=pairs.user.device)
        around = self.scalars.by_user(pairs)
        features = self._features(pairs, around, self.residuals)
        inputs = torch.cat([features, self.scalars(pairs, around)], 1)
        return self.net(inputs).squeeze(1)

    def loss(self, pairs: Pairs) -> Tensor:
        """Mean squared error, in stars squared, on a share of train ratings."""
        assert self.residuals is not None
        pairs = pairs[:: self._step]  # spread out, since a batch may be sorted
        return (self.residuals.of_targets(pairs) - self(pairs)).square().mean()
