"""The loss and the expected ratings of predictions."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...data.ratings import Scale


class Gaussian:
    """Gaussian noise of constant variance: the loss is the mean squared error."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    def loss(self, prediction: Tensor, rating: Tensor) -> Tensor:
        """() in stars squared, for predictions and ratings (batch,)."""
        return F.mse_loss(prediction, rating)

    def expected(self, prediction: Tensor) -> Tensor:
        """(batch,) stars, clipped to the scale, since no rating is outside of it."""
        return prediction.clamp(self.scale.low, self.scale.high)
