"""What the heads see of the train ratings around a pair in time."""

from __future__ import annotations

from typing import NamedTuple, Protocol

import torch
from torch import Tensor

from ...store.time_order import Around, TimeOrder, Window
from ...store.train_store import Pairs

WINDOW = 16  # neighbours on each side
# Time constants of the kernels, in seconds: from the same page to the same week.
TAUS_S = (0.5, 8.0, 60.0, 600.0, 7200.0, 302_400.0)
# Constants of the kernels on the rank of a neighbour in time, within an hour.
RANKS = (0.7, 2.0, 6.0)
HOUR_S = 3600.0
N_KERNELS = len(TAUS_S) + len(RANKS)

NEAREST = 8  # neighbours on each side that the net sees
NET_TAUS_S = (30.0, 1000.0)
N_INPUTS = 4 + len(NET_TAUS_S)  # of the net, per neighbour

# Pairs at a time: on a CPU what is made of them should stay in the cache, which is three times as
# fast.
CHUNK = {"cpu": 512, "cuda": 2**16}


class Residuals(Protocol):
    """What a model leaves unexplained of its train ratings, as of one moment."""

    def own(self, pairs: Pairs) -> Tensor:
        """(B,) residuals of train ratings, each predicted without itself."""

    def of(self, pairs: Pairs, window: Window) -> tuple[Tensor, Tensor]:
        """Residuals and cosines (B, M) of the neighbours, both 0 where there is none.

        A residual is the neighbour's rating minus its prediction without itself, and without the
        pair's own rating. The cosine is that of the two films' vectors.
        """


class Features(NamedTuple):
    """What the heads see of the neighbours.

    Attributes:
        sums: (B, 2, N_KERNELS) of the residuals under each kernel: as they are, and weighted by
            the cosine where that is positive.
        weights: (B, 2, N_KERNELS) of these sums.
        nearest: (B, n_inputs) of the nearest neighbours on each side.
    """

    sums: Tensor
    weights: Tensor
    nearest: Tensor


class NeighbourFeatures:
    """Computes the features, in chunks of pairs."""

    def __init__(self, order: TimeOrder, n_sides: int, device: torch.device) -> None:
        """Args: n_sides: 1 if only the past may be used, else 2."""
        self._order = order
        self._n_sides = n_sides
        self._chunk = CHUNK[device.type]
        self._slopes = -1 / torch.tensor(TAUS_S, device=device).unsqueeze(1)  # (6, 1)
        rank = torch.arange(WINDOW, device=device).repeat(n_sides)
        self._by_rank = torch.exp(-rank / torch.tensor(RANKS, device=device).unsqueeze(1))  # (3, M)

    @torch.no_grad()
    def __call__(self, pairs: Pairs, around: Around, residuals: Residuals) -> Features:
        parts = [
            self._of(pairs[rows], Around(*(each[rows] for each in around)), residuals)
            for rows in (
                slice(start, start + self._chunk) for start in range(0, len(pairs), self._chunk)
            )
        ]
        return Features(*(torch.cat(part) for part in zip(*parts, strict=True)))

    def _of(self, pairs: Pairs, around: Around, residuals: Residuals) -> Features:
        assert pairs.timestamp is not None
        window = self._order.window(around, pairs.timestamp, WINDOW)
        residual, cosine = residuals.of(pairs, window)
        gap = window.gap.unsqueeze(1)
        by_time = torch.exp(gap * self._slopes)
        kernels = torch.cat([by_time, self._by_rank * (gap <= HOUR_S)], 1)  # (B, N_KERNELS, M)
        kernels = kernels.transpose(1, 2)
        weights = torch.stack([window.present.float(), cosine.clamp(min=0)], 1)  # (B, 2, M)
        return Features(
            torch.bmm(weights * residual.unsqueeze(1), kernels),
            torch.bmm(weights, kernels),
            self._inputs(residual, cosine, window),
        )

    def _inputs(self, residual: Tensor, cosine: Tensor, window: Window) -> Tensor:
        residual, cosine = self._nearest(residual), self._nearest(cosine)
        gap, present = self._nearest(window.gap), self._nearest(window.present)
        faded = [residual * torch.exp(-gap / tau) for tau in NET_TAUS_S]
        # A missing neighbour is farther away than any other.
        log_gap = torch.where(present, gap.log1p() / 5 - 1, 4.0)
        return torch.cat([residual, *faded, residual * cosine, cosine, log_gap], 1)

    def _nearest(self, values: Tensor) -> Tensor:
        sides = values.view(len(values), self._n_sides, WINDOW)
        return sides[:, :, :NEAREST].flatten(1)
