"""What the residuals of the ratings around a pair in time say about it.

People rate in sessions, and their mood and scale drift: a film that is rated minutes after one
that got a star more than expected gets more than expected too.

The heads are trained separately from the model: on the residuals that it leaves in eval mode, where
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
from .features import N_INPUTS, N_KERNELS, NEAREST, Features, NeighbourFeatures, Residuals
from .row_scalars import RowScalars

GAIN = 5.0  # the few weights of the kernels have far to go in few steps

NET_WIDTHS = (64, 32)
NET_DROPOUT = 0.2


class KernelHead(nn.Module):
    """A learned sum of the average residual under each kernel, in stars.

    Each average is shrunk as by one more rating without residual.
    """

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(2, N_KERNELS))

    def forward(self, features: Features) -> Tensor:
        averages = features.sums / (features.weights + 1)
        return GAIN * (averages * self.weight).sum((1, 2))


class NeighbourNet(nn.Module):
    """A small net over the nearest neighbours on each side and the pair's scalars, in stars."""

    def __init__(self, n_sides: int) -> None:
        super().__init__()
        first, second = NET_WIDTHS
        self.net = nn.Sequential(
            nn.Linear(N_INPUTS * n_sides * NEAREST + RowScalars.N, first),
            nn.GELU(),
            nn.Dropout(NET_DROPOUT),
            nn.Linear(first, second),
            nn.GELU(),
            nn.Dropout(NET_DROPOUT),
            last := nn.Linear(second, 1),
        )
        nn.init.zeros_(last.weight)
        nn.init.zeros_(last.bias)

    def forward(self, features: Features, scalars: Tensor) -> Tensor:
        """Args: scalars: (B, RowScalars.N)."""
        return self.net(torch.cat([features.nearest, scalars], 1)).squeeze(1)


class NeighbourHeads(nn.Module):
    """The kernels and the net. They predict nothing without a time, or before `residuals` are set.

    Attributes:
        residuals: of the model as it was when this epoch began, or as it is evaluated.
    """

    residuals: Residuals | None = None

    def __init__(self, store: TrainStore, *, past: bool) -> None:
        """Args: past: use earlier ratings only."""
        super().__init__()
        n_sides = 1 if past else 2
        by_user = TimeOrder(store, store.by_user, store.user, past=past)
        by_film = TimeOrder(store, store.by_film, store.film, past=past)
        self.scalars = RowScalars(store, by_user, by_film)
        self._features = NeighbourFeatures(by_user, n_sides, store.device)
        self.kernels = KernelHead()
        self.net = NeighbourNet(n_sides)

    def forward(self, pairs: Pairs) -> Tensor:
        """(B,) stars to add to the model's prediction."""
        if pairs.timestamp is None or self.residuals is None:
            return torch.zeros(len(pairs), device=pairs.user.device)
        around = self.scalars.by_user(pairs)
        features = self._features(pairs, around, self.residuals)
        return self.kernels(features) + self.net(features, self.scalars(pairs, around))

    def loss(self, pairs: Pairs) -> Tensor:
        """Mean squared error on the residuals of train ratings."""
        assert self.residuals is not None
        return (self.residuals.own(pairs) - self(pairs)).square().mean()
