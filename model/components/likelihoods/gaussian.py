"""Gaussian noise whose variance depends on the user and on the film."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ...store.train_store import Pairs, TrainStore
from .likelihood import NOISE_STD, Likelihood
from .offsets import GAIN, Offsets
from .probabilities import Probabilities, gaussian_probabilities

# Standard deviations of the priors of log-variances.
USER_PRIOR_STD = 0.5
FILM_PRIOR_STD = 0.3


class Gaussian(Likelihood):
    """rating ~ N(prediction, s²·exp(v_user + v_film)), with a learned s and v's.

    The loss is the negative log-likelihood times 2·s², with the s of the moment, up to a constant.
    Without offsets v, its gradient for the prediction is that of the squared error, so the weight
    of the KL against it does not depend on the noise.
    """

    def __init__(self, store: TrainStore) -> None:
        super().__init__(store)
        self.first_std = NOISE_STD * store.scale.star
        self.log_std = nn.Parameter(torch.zeros(()))  # of s, relative to its first value
        self.user = Offsets(store.by_user.counts, 1, USER_PRIOR_STD)
        self.film = Offsets(store.by_film.counts, 1, FILM_PRIOR_STD)

    def loss(self, prediction: Tensor, pairs: Pairs, rating: Tensor) -> Tensor:
        log_std = self._log_std(pairs)
        error = (prediction - rating) / (self.first_std * log_std.exp())
        nll = (0.5 * error.square() + log_std).mean()
        stars2_per_nat = 2 * self._noise_std().detach().square()
        return stars2_per_nat * (nll + self.user.cost(pairs.user) + self.film.cost(pairs.film))

    def std(self, prediction: Tensor, pairs: Pairs) -> Tensor:
        return self.first_std * self._log_std(pairs).exp()

    def probabilities(
        self, prediction: Tensor, pairs: Pairs, rating: Tensor, levels: Tensor
    ) -> Probabilities:
        """Probabilities beyond the ends of the scale count for the first and the last level."""
        return gaussian_probabilities(
            self.expected(prediction), self.std(prediction, pairs), rating, levels
        )

    def _log_std(self, pairs: Pairs) -> Tensor:
        """(B,) logarithms of standard deviations, relative to `first_std`."""
        offsets = self.user(pairs.user) + self.film(pairs.film)
        return GAIN * self.log_std + 0.5 * offsets.squeeze(1)

    def _noise_std(self) -> Tensor:
        """() s in stars: the standard deviation before offsets."""
        return self.first_std * (GAIN * self.log_std).exp()
