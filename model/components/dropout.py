"""Dropout with a mask that is cheap to draw on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

N_LEVELS = 1 << 16  # of a 16-bit draw: p is exact to 0.000008
DRAWS_PER_WORD = 4  # 16-bit draws in 64 random bits


class Dropout(nn.Dropout):
    """torch's dropout, except that on a CPU the mask takes 16 random bits per value.

    On a CPU, torch draws a double per value, which takes a fifth of a training step of `HybridVAE`.
    A GPU draws and applies the mask in one kernel, so torch's own is used there.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Args: x: any shape and floating-point type."""
        dropped_levels = round(self.p * N_LEVELS)
        if not self.training or x.device.type != "cpu" or not 0 < dropped_levels < N_LEVELS:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // DRAWS_PER_WORD), dtype=torch.int64)
        draws = words.random_(-(1 << 63), None).view(torch.int16)[: x.numel()].view(x.shape)
        kept = draws >= dropped_levels - N_LEVELS // 2
        return x * kept.to(x.dtype).div_(1 - dropped_levels / N_LEVELS)
