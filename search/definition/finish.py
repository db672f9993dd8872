"""When a study may end before its total, as its file defines it."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BeforeValidator

from ...base.strict import Chance, Count, Positive, Strict


class Finish(Strict):
    """A study ends once its trials left are unlikely to improve the best one by `gain`."""

    chance: Chance = 0.05
    gain: Positive | Literal["auto"] = "auto"  # stars; auto is what another seed may change
    checks: Count = 3  # trials in a row after which the chance is below the limit


def _expand_flag(data: Any) -> Any:
    """`true` stands for the defaults, `false` for none."""
    return ({} if data else None) if isinstance(data, bool) else data


MaybeFinish = Annotated[Finish | None, BeforeValidator(_expand_flag)]
