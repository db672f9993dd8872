"""Which earlier studies a study learns from, as its file defines it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from ...base.strict import Name, Natural, Share, Strict


class WarmStart(Strict):
    """Earlier studies in the same storage, perhaps on other ratings.

    Their best configs are tried first, and their ranking of configs is the surrogate's prior.
    """

    studies: Annotated[tuple[Name, ...], Field(min_length=1)]
    # How much of the earlier ranking to expect here; auto estimates it from the trials, and drops
    # a ranking that does not hold.
    trust: Share | Literal["auto"] = "auto"
    first: Natural = 3  # configs of each study to try first

    @model_validator(mode="before")
    @classmethod
    def _expand_names(cls, data: Any) -> Any:
        """`small` and `[small]` stand for `{studies: [small]}`."""
        if isinstance(data, str):
            data = [data]
        return {"studies": data} if isinstance(data, list) else data
