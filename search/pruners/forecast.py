"""A forecast of how much further a validation curve may fall, given its epochs so far.

A curve is modelled as a level, a decay, and the effect of the falling learning rate:
y(t) = a + b g(t) + c s(t), with g from a few shapes, and s(t) the learning rate as a share of its
maximum, whose future is known. Each shape is a Bayesian linear regression, and the shapes are
weighted by how well they explain the curve. The outcome is a chance rather than a value, so it
stays large while a curve says little. Hand-written, because no library forecasts so few points with
the schedule as a known input and a calibrated chance.

Source: curve families after Domhan et al. 2015, "Speeding up automatic hyperparameter optimization
by extrapolation of learning curves".
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from .regression import Doubles, regression

# How far each term moves a curve, in stars: one standard deviation of its prior. Chosen on recorded
# curves of ml-latest-small, where the predicted chances match the observed frequencies best.
PRIOR_SDS = (1.0, 0.3, 0.005)  # level, decay, annealing
NOISE_SD = 0.0005  # of one epoch, as a first guess with the weight of NOISE_EPOCHS epochs
NOISE_EPOCHS = 1
POWERS = (0.5, 1.0, 2.0)
TIME_CONSTANTS = (2.0, 4.0, 8.0, 16.0, 32.0)  # epochs


@dataclass(frozen=True)
class Forecast:
    """The predicted rest of a curve.

    Attributes:
        mean, scale: (n_epochs_left, n_shapes) of the t distribution of the value in each epoch to
            come, its noise included.
        weight: (n_shapes,) how well each shape explains the curve; sums to 1.
        freedom: degrees of freedom of the t distributions.
        noise: standard deviation of the curve around the best shape.
    """

    mean: Doubles
    scale: Doubles
    weight: Doubles
    freedom: int
    noise: float

    def chance_below(self, value: float) -> float:
        """The chance that the curve is below `value`, in the epoch where that is most likely."""
        if not len(self.mean):
            return 0.0
        from scipy.special import stdtr  # as in `hopeless.py`

        by_shape = stdtr(self.freedom, (value - self.mean) / self.scale)
        return float((by_shape @ self.weight).max())


def forecast(values: Sequence[float], *, first_epoch: int, max_epochs: int) -> Forecast:
    """Predict the rest of a curve, up to `max_epochs`.

    Args:
        values: of consecutive epochs, in stars; all finite, at least four.
        first_epoch: the epoch of the first value, counted from 1.
    """
    y = np.asarray(values, np.float64)
    n = len(y)
    last_epoch = first_epoch + n - 1
    designs = _designs(first_epoch, max_epochs)  # (n_shapes, all epochs, 3)
    past, future = designs[:, :n], designs[:, n : n + max_epochs - last_epoch]
    level = y[-1]
    means, scales, evidence, noises = [], [], [], []
    for x, x_future in zip(past, future, strict=True):
        fit = regression(
            x, y - level, prior_sds=PRIOR_SDS, noise_sd=NOISE_SD, noise_weight=NOISE_EPOCHS
        )
        mean, scale = fit.predict(x_future)
        means.append(level + mean)
        scales.append(scale)
        evidence.append(fit.log_evidence)
        noises.append(math.sqrt(fit.noise_variance))
    weight = np.exp(np.array(evidence) - max(evidence))
    weight /= weight.sum()
    return Forecast(
        mean=np.array(means).T,
        scale=np.array(scales).T,
        weight=weight,
        freedom=fit.freedom,
        noise=noises[int(weight.argmax())],
    )


@lru_cache(maxsize=64)
def _designs(first_epoch: int, max_epochs: int) -> Doubles:
    """(n_shapes, epochs from the first one on, 3): level, decay, annealing."""
    epoch = np.arange(first_epoch, max_epochs + 1, dtype=np.float64)
    annealing = 0.5 * (1 + np.cos(np.pi * epoch / max_epochs))
    shapes = [np.zeros_like(epoch)]  # flat
    shapes += [(epoch / first_epoch) ** -power for power in POWERS]
    shapes += [np.exp(-(epoch - first_epoch) / constant) for constant in TIME_CONSTANTS]
    return np.stack([np.stack([np.ones_like(epoch), g, annealing], 1) for g in shapes])
