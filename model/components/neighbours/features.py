"""What the head sees of the train ratings around a pair in time."""

from __future__ import annotations

from typing import Protocol

import torch
from torch import Tensor

from ...store.time_order import Around, TimeOrder, Window
from ...store.train_store import Pairs

WINDOW = 64  # neighbours on each side
# Time constants of the kernels, in seconds: from the same page to the same year.
TAUS_S = (0.5, 8.0, 60.0, 600.0, 7200.0, 302_400.0, 3e7)
# Constants of the kernels on the rank of a neighbour in time, within an hour.
RANKS = (0.7, 2.0, 6.0)
HOUR_S = 3600.0
N_KERNELS = len(TAUS_S) + len(RANKS) + 1  # the last one weights all neighbours equally
# Neighbours count by powers of the cosine, where it is positive: with the power 0, all films count
# equally; with 8, only those that are like the pair's.
N_POWERS = 4
N_AVERAGES = N_KERNELS * N_POWERS

# exp of less is 0 for our purpose, and where it underflows it takes seven times as long on a CPU.
LOWEST_EXPONENT = -30.0

# The averages' unit: they are about so large, and a net's inputs should be about 1.
UNIT = 0.2  # stars

# Pairs at a time: on a CPU what is made of them should stay in the cache, which is three times as
# fast.
CHUNK = {"cpu": 128, "cuda": 2**15}


class Residuals(Protocol):
    """What a model leaves unexplained of its train ratings, as of one moment."""

    @property
    def state(self) -> dict[str, Tensor]:
        """All that depends on the weights, on the CPU, for a checkpoint."""

    def of_targets(self, pairs: Pairs) -> Tensor:
        """(B,) residuals of train ratings, the targets of the head."""

    def of_neighbours(self, pairs: Pairs, window: Window) -> tuple[Tensor, Tensor]:
        """Residuals and cosines (B, M) of the neighbours, both 0 where there is none.

        A residual is the neighbour's rating minus its prediction; where the model can leave ratings
        out, without the neighbour's own and without the pair's. The cosine is that of the two
        films' vectors.
        """


class NeighbourFeatures:
    """Averages of the neighbours' residuals, in chunks of pairs.

    Each is a weighted mean under a kernel of time or rank times a power of the cosine, and shrunk
    as by one more rating without residual.
    """

    N = 2 * N_AVERAGES

    def __init__(self, order: TimeOrder, n_sides: int, device: torch.device) -> None:
        """Args: n_sides: 1 if only the past may be used, else 2."""
        self._order = order
        self._chunk = CHUNK[device.type]
        self._slopes = -1 / torch.tensor(TAUS_S, device=device).unsqueeze(1)  # (n_taus, 1)
        rank = torch.arange(WINDOW, device=device).repeat(n_sides)
        self._by_rank = torch.exp(-rank / torch.tensor(RANKS, device=device).unsqueeze(1))

    @torch.no_grad()
    def __call__(self, pairs: Pairs, around: Around, residuals: Residuals) -> Tensor:
        """(B, N): the averages in `UNIT`s, and log(1 + weight) of each."""
        parts = [
            self._of(pairs[rows], Around(*(each[rows] for each in around)), residuals)
            for rows in (
                slice(start, start + self._chunk) for start in range(0, len(pairs), self._chunk)
            )
        ]
        return torch.cat(parts)

    def _of(self, pairs: Pairs, around: Around, residuals: Residuals) -> Tensor:
        assert pairs.timestamp is not None
        window = self._order.window(around, pairs.timestamp, WINDOW)
        residual, cosine = residuals.of_neighbours(pairs, window)
        gap = window.gap.unsqueeze(1)
        kernels = torch.cat(
            [
                (gap * self._slopes).clamp_(min=LOWEST_EXPONENT).exp_(),
                self._by_rank * (gap <= HOUR_S),
                torch.ones_like(gap),
            ],
            1,
        ).transpose(1, 2)  # (B, M, N_KERNELS)
        weights = torch.stack([window.present, *_powers(cosine.clamp(min=0))], 1)  # (B, 4, M)
        total = torch.bmm(weights, kernels).flatten(1)
        summed = torch.bmm(weights * residual.unsqueeze(1), kernels).flatten(1)
        return torch.cat([summed / (total + 1) / UNIT, total.log1p()], 1)


def _powers(values: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """The powers 1, 4 and 8, by multiplication: `pow` takes six times as long."""
    fourth = values.square().square()
    return values, fourth, fourth.square()
