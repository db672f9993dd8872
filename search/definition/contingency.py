"""What a study tries instead of a trial that went wrong, as its file defines it."""

from __future__ import annotations

from ...base.strict import NonNegative, Positive, Strict


class Contingency(Strict):
    """A second attempt for a trial that diverged, or reached an early plateau behind the best one.

    The second attempt itself gets no further one.
    """

    kl_weight: NonNegative | None = 0.005  # after divergence at a higher one
    kl_warmup_epochs: Positive | None = 10.0  # at least; or twice as many
