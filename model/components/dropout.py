"""Dropout whose mask costs little on a CPU."""

from __future__ import annotations

import torch
from torch import Tensor, nn

LEVELS = 1 << 16  # of a 16-bit draw: p is met to 0.000008
PER_WORD = 4  # draws in 64 random bits


class Dropout(nn.Dropout):
    """As torch's own, except that on a CPU 16 random bits decide over a value.

    torch draws a double for each there, which is a fifth of a training step of `HybridVAE`. A GPU
    draws and applies the mask in one kernel, and is left to it.
    """

    def forward(self, x: Tensor) -> Tensor:
        """x: of any shape and floating type."""
        silenced = round(self.p * LEVELS)
        if not self.training or x.device.type != "cpu" or not 0 < silenced < LEVELS:
            return super().forward(x)
        words = torch.empty(-(-x.numel() // PER_WORD), dtype=torch.int64)
        draws = words.random_(-(1 << 63), None).view(torch.int16)[: x.numel()].view(x.shape)
        kept = draws >= silenced - LEVELS // 2
        return x * kept.to(x.dtype).div_(1 - silenced / LEVELS)
