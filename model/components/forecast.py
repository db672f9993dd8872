"""What a model says about pairs: scores, expected ratings, and how ratings spread around them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, TypeVar

import torch
from torch import Tensor

from ..store.train_store import Pairs
from .likelihoods.likelihood import Likelihood
from .likelihoods.probabilities import Probabilities

T = TypeVar("T")

BATCH = 2**16  # pairs


class Forecast(Protocol):
    """The predictions of n pairs, at least one.

    Attributes:
        score: (n,) stars, not clipped, to rank films by.
        expected: (n,) expected stars, on the scale.
    """

    @property
    def score(self) -> Tensor: ...

    @property
    def expected(self) -> Tensor: ...

    def std(self) -> Tensor | None:
        """(n,) standard deviations of the ratings, in stars; None without a distribution."""

    def probabilities(self, rating: Tensor, levels: Tensor) -> Probabilities | None:
        """Probabilities of ratings (n,); None without a distribution. Args: levels: (L,)."""


class ModelForecast:
    """The forecast of one model.

    Args:
        score: (n,) stars, not clipped.
    """

    @torch.no_grad()
    def __init__(self, likelihood: Likelihood, pairs: Pairs, score: Tensor) -> None:
        self._likelihood = likelihood
        self._pairs = pairs
        self.score = score
        self.expected = likelihood.expected(score)

    @torch.no_grad()
    def std(self) -> Tensor | None:
        parts = _if_all(
            [self._likelihood.std(self.score[rows], self._pairs[rows]) for rows in self._batches]
        )
        return None if parts is None else torch.cat(parts)

    @torch.no_grad()
    def probabilities(self, rating: Tensor, levels: Tensor) -> Probabilities | None:
        parts = _if_all(
            [
                self._likelihood.probabilities(
                    self.score[rows], self._pairs[rows], rating[rows], levels
                )
                for rows in self._batches
            ]
        )
        return None if parts is None else Probabilities(*map(torch.cat, zip(*parts, strict=True)))

    @property
    def _batches(self) -> list[slice]:
        """Some pairs at a time: a likelihood may need a number per pair and level."""
        return [slice(start, start + BATCH) for start in range(0, len(self.score), BATCH)]


class MixedForecast:
    """The mixture of several forecasts of the same pairs.

    Scores and expected ratings are weighted means, and so are the probabilities of ratings.
    """

    def __init__(self, parts: Sequence[Forecast], weights: Sequence[float]) -> None:
        self._parts = parts
        self._weights = weights
        self.score = self._mean([part.score for part in parts])
        self.expected = self._mean([part.expected for part in parts])

    def std(self) -> Tensor | None:
        """Of the mixture: the mean variance plus the variance of the means."""
        stds = _if_all([part.std() for part in self._parts])
        if stds is None:
            return None
        variances = [
            std.square() + (part.expected - self.expected).square()
            for std, part in zip(stds, self._parts, strict=True)
        ]
        return self._mean(variances).sqrt()

    def probabilities(self, rating: Tensor, levels: Tensor) -> Probabilities | None:
        probabilities = _if_all([part.probabilities(rating, levels) for part in self._parts])
        if probabilities is None:
            return None
        weights = torch.tensor(self._weights, dtype=torch.float64, device=rating.device)
        log_masses = torch.stack([each.log_mass for each in probabilities], 1)  # (n, members)
        return Probabilities(
            below=self._mean([each.below for each in probabilities]),
            log_mass=torch.logsumexp(log_masses + weights.log(), 1),
        )

    def _mean(self, values: Sequence[Tensor]) -> Tensor:
        return weighted_mean(values, self._weights)


def weighted_mean(values: Sequence[Tensor], weights: Sequence[float]) -> Tensor:
    """The weighted sum of tensors of one shape, for weights with a sum of 1."""
    total = torch.zeros_like(values[0])
    for weight, value in zip(weights, values, strict=True):
        total += weight * value
    return total


def _if_all(values: Sequence[T | None]) -> list[T] | None:
    """The values, or None if one of them is."""
    known = [value for value in values if value is not None]
    return known if len(known) == len(values) else None
