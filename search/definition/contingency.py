"""What a study tries instead of a trial that went wrong, as its file defines it."""

from __future__ import annotations

from ...base.strict import NonNegative, Positive, Strict


class Contingency(Strict):
    """A second attempt for a trial that diverged, or reached an early plateau behind the best one.

    A second attempt that goes wrong gets no third. None for a field turns its attempt off.
    """

    # Replaces a higher KL weight after divergence.
    kl_weight: NonNegative | None = 0.005
    # Minimum KL warm-up after an early plateau; twice the trial's own if that is longer.
    kl_warmup_epochs: Positive | None = 10.0
