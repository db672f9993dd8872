"""The base class of likelihoods, and the mean squared error.

A model predicts expected ratings. A likelihood says how ratings are distributed around them, and
with that what the model is trained on. Shapes: B pairs; L levels, the distinct train ratings in
ascending order.
"""

from __future__ import annotations

from abc import abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ...store.train_store import Pairs, TrainStore
from .probabilities import Probabilities, gaussian_probabilities

NOISE_STD = 0.8  # stars, of ratings around predictions: a typical RMSE on MovieLens


class Likelihood(nn.Module):
    """Base of the likelihoods. Its parameters are trained and saved with the model's weights.

    Users and films may be unknown (index -1). Losses are in stars squared, and weigh the error of
    predictions like the squared error does, so that a KL weight means the same for all of them.
    """

    def __init__(self, store: TrainStore) -> None:
        super().__init__()
        self.scale = store.scale

    @abstractmethod
    def loss(self, prediction: Tensor, pairs: Pairs, rating: Tensor) -> Tensor:
        """() in stars squared, for predictions, not clipped, and ratings (B,)."""

    def expected(self, prediction: Tensor) -> Tensor:
        """(B,) stars, clipped to the scale, since no rating is outside of it."""
        return prediction.clamp(self.scale.low, self.scale.high)

    def std(self, prediction: Tensor, pairs: Pairs) -> Tensor | None:
        """(B,) standard deviations of the ratings, in stars; None if they are not learned."""
        return None

    def probabilities(
        self, prediction: Tensor, pairs: Pairs, rating: Tensor, levels: Tensor
    ) -> Probabilities | None:
        """Probabilities of ratings (B,); None without a distribution.

        Args:
            levels: (L,) the distinct train ratings, in ascending order.
        """
        return None


class Mse(Likelihood):
    """The mean squared error: Gaussian noise with the same variance for all ratings.

    Attributes:
        measured_std: standard deviation of the noise, if it has been measured. Not needed for a
            prediction, and not saved.
    """

    measured_std: float | None = None

    def loss(self, prediction: Tensor, pairs: Pairs, rating: Tensor) -> Tensor:
        return F.mse_loss(prediction, rating)

    def probabilities(
        self, prediction: Tensor, pairs: Pairs, rating: Tensor, levels: Tensor
    ) -> Probabilities | None:
        if self.measured_std is None:
            return None
        std = torch.full_like(prediction, self.measured_std)
        return gaussian_probabilities(self.expected(prediction), std, rating, levels)
