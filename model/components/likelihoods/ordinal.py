"""Ordered levels without distances: cumulative logits with thresholds of each user's own."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from ....errors import ConfigError
from ...store.train_store import Pairs, TrainStore
from .likelihood import NOISE_STD, Likelihood
from .offsets import GAIN, Offsets
from .probabilities import Probabilities, nearest_level

MAX_LEVELS = 50
MIN_GAP = 1e-4  # stars between thresholds
LOGISTIC_STD = math.pi / math.sqrt(3)
EDGE = 0.01  # share of the levels' span: means of distributions are this far from its ends
N_HALVINGS = 22  # of the interval that a centre is in, which leave an error of 1e-5 stars
# Standard deviations of the priors.
GAP_PRIOR_STD = 1.0  # of gaps, before the softplus
USER_PRIOR_STD = 0.5  # of logarithms of spreads
FILM_PRIOR_STD = 0.3


class Ordinal(Likelihood):
    """P(rating > level k) = sigmoid((c - t_k) / spread) for all levels but the last.

    Gaps between thresholds t are softplus(g + g_user), so thresholds ascend. The spread is a
    constant times exp(of the user + of the film). The centre c is not learned: it is where the mean
    of the distribution is the prediction, kept `EDGE` within the scale. So predictions remain
    expected ratings, whatever the thresholds are; a model can be trained on their squared error,
    and distributions at the same time on the likelihood, without an effect on the predictions.
    Trained through c, the RMSE was 0.005 to 0.008 worse (validation, ml-latest-small).

    Source: Koren & Sill 2011, "OrdRec", section 4, with gaps by softplus instead of exp, a spread,
    and c.
    """

    levels: Tensor
    first_gaps: Tensor

    def __init__(self, store: TrainStore) -> None:
        """
        Raises:
            ConfigError: the train ratings have too many distinct values, or one only.
        """
        super().__init__(store)
        levels, counts = store.rating.unique(return_counts=True)
        if not 2 <= len(levels) <= MAX_LEVELS:
            raise ConfigError(
                f"likelihood ordinal needs 2 to {MAX_LEVELS} distinct ratings, but the train "
                f"ratings have {len(levels)}; write likelihood gaussian, or mse",
                at=("likelihood",),
            )
        self.register_buffer("levels", levels)
        # Gaps that give each level its share, if predictions plus noise vary like ratings.
        share_below = counts.cumsum(0)[:-1].double() / len(store)
        spread = store.rating.double().std() / LOGISTIC_STD / self.scale.star
        gaps = (spread * share_below.logit().diff() - MIN_GAP).clamp(min=MIN_GAP)
        self.register_buffer("first_gaps", gaps.expm1().log().float())  # before the softplus
        self.gaps = nn.Parameter(torch.zeros(len(gaps)))  # what is added to them
        self.user_gaps = Offsets(store.by_user.counts, len(gaps), GAP_PRIOR_STD)
        self.user = Offsets(store.by_user.counts, 1, USER_PRIOR_STD)
        self.film = Offsets(store.by_film.counts, 1, FILM_PRIOR_STD)

    def loss(self, prediction: Tensor, pairs: Pairs, rating: Tensor) -> Tensor:
        """The squared error plus the negative log-likelihood, a nat for a star squared."""
        log_mass, _ = self._log_mass(prediction.detach(), pairs, rating)
        offsets = self.user.cost(pairs.user) + self.film.cost(pairs.film)
        nll = offsets + self.user_gaps.cost(pairs.user) - log_mass.mean()
        return F.mse_loss(prediction, rating) + self.scale.star**2 * nll

    def std(self, prediction: Tensor, pairs: Pairs) -> Tensor:
        share_above = torch.sigmoid(self._logits(prediction, pairs)[0])  # (B, L-1)
        centred = self.levels - self.levels.mean()
        mean, mean_square = (
            values[0] + share_above @ values.diff() for values in (centred, centred.square())
        )
        return (mean_square - mean.square()).clamp(min=0).sqrt()

    def probabilities(
        self, prediction: Tensor, pairs: Pairs, rating: Tensor, levels: Tensor
    ) -> Probabilities:
        assert len(levels) == len(self.levels)
        log_mass, logit = self._log_mass(prediction, pairs, rating)
        return Probabilities(torch.sigmoid(-logit.double()), log_mass.double())

    def _log_mass(self, prediction: Tensor, pairs: Pairs, rating: Tensor) -> tuple[Tensor, Tensor]:
        """(B,) logarithms of the probabilities of the ratings, and logits of at least that."""
        logits, gaps = self._logits(prediction, pairs)
        level = nearest_level(rating, self.levels).unsqueeze(1)
        at_least = F.pad(logits, (1, 0), value=math.inf).gather(1, level).squeeze(1)
        more = F.pad(logits, (0, 1), value=-math.inf).gather(1, level).squeeze(1)
        gap = F.pad(gaps, (1, 1), value=math.inf).gather(1, level).squeeze(1)
        # sigmoid(a) - sigmoid(b) = sigmoid(a)·sigmoid(-b)·(1 - exp(b - a)), with the gap for a - b:
        # no difference of large numbers is taken.
        log_mass = F.logsigmoid(at_least) + F.logsigmoid(-more) + (-torch.expm1(-gap)).log()
        return log_mass, at_least

    def _logits(self, prediction: Tensor, pairs: Pairs) -> tuple[Tensor, Tensor]:
        """(B, L-1) of more than each level, and (B, L-2) how much each is above the next."""
        offsets = self.user(pairs.user) + self.film(pairs.film)  # (B, 1)
        raw = self.first_gaps + GAIN * self.gaps + self.user_gaps(pairs.user)
        spread = NOISE_STD / LOGISTIC_STD * offsets.exp()  # stars
        gaps = (MIN_GAP + F.softplus(raw)) / spread
        thresholds = F.pad(gaps.cumsum(1), (1, 0))  # from the first one, in spreads
        low, high = self.levels[0], self.levels[-1]
        mean = ((prediction - low) / (high - low)).clamp(EDGE, 1 - EDGE)
        weights = self.levels.diff() / (high - low)
        return centre(mean, thresholds, weights).unsqueeze(1) - thresholds, gaps


def centre(mean: Tensor, thresholds: Tensor, weights: Tensor) -> Tensor:
    """(B,) c where the weighted sum of sigmoid(c - threshold) is the mean.

    Found by halving an interval; the gradient is that of the implicit function.

    Args:
        mean: (B,) from `EDGE` to 1 - `EDGE`.
        thresholds: (B, W) ascending.
        weights: (W,) positive, with a sum of 1.
    """
    with torch.no_grad():
        beyond = math.log(1 / EDGE - 1)
        low, high = thresholds[:, 0] - beyond, thresholds[:, -1] + beyond
        for _ in range(N_HALVINGS):
            middle = (low + high) / 2
            is_above = torch.sigmoid(middle.unsqueeze(1) - thresholds) @ weights > mean
            low, high = torch.where(is_above, low, middle), torch.where(is_above, middle, high)
        found = (low + high) / 2
    share_above = torch.sigmoid(found.unsqueeze(1) - thresholds)
    slope = (share_above * (1 - share_above)) @ weights
    error = share_above @ weights - mean
    # Its value is `found`. A slope of almost 0, between far thresholds, must not be divided by.
    return found - (error - error.detach()) / slope.detach().clamp(min=1e-6)
