"""What a study tries instead of a trial that went wrong, as its file states it."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...base.strict import Number, Strict


class Contingency(Strict):
    """Another attempt for a trial that diverged, or that came to a plateau early and far from the
    best one. An attempt of its own gets none."""

    kl_weight: Annotated[Number, Field(ge=0)] | None = 0.005  # after divergence at a higher one
    kl_warmup_epochs: Annotated[Number, Field(gt=0)] | None = 10.0  # at least; or twice as many
