"""From predictions to a loss and to expected ratings."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor

from ...data.ratings import Scale


class Gaussian:
    """Ratings with the same noise everywhere: the loss is the mean squared error."""

    def __init__(self, scale: Scale) -> None:
        self.scale = scale

    def loss(self, prediction: Tensor, rating: Tensor) -> Tensor:
        """(), in stars squared, for predictions and ratings of (batch,)."""
        return F.mse_loss(prediction, rating)

    def expected(self, prediction: Tensor) -> Tensor:
        """(batch,) stars on the scale: no one rates outside it."""
        return prediction.clamp(self.scale.low, self.scale.high)
