"""The entries of a study file's `pruners`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Self

from pydantic import model_serializer, model_validator

from ...base.strict import Strict
from .collapse import Collapse
from .divergence import Divergence
from .hopeless import Hopeless
from .optuna_pruners import Hyperband, Median, OptunaPruner, Percentile, SuccessiveHalving
from .overfit_gap import OverfitGap
from .plateau import Plateau
from .progress import Rule
from .resources import GpuMemory, TrialBudget


class Pruner(Strict):
    """One of them."""

    collapse: Collapse | None = None
    divergence: Divergence | None = None
    overfit_gap: OverfitGap | None = None
    plateau: Plateau | None = None
    hopeless: Hopeless | None = None
    gpu_memory: GpuMemory | None = None
    budget: TrialBudget | None = None
    median: Median | None = None
    percentile: Percentile | None = None
    successive_halving: SuccessiveHalving | None = None
    hyperband: Hyperband | None = None

    @property
    def chosen(self) -> Rule | OptunaPruner:
        [entry] = self._entries().values()
        return entry

    @model_validator(mode="before")
    @classmethod
    def _plainly_named(cls, entry: Any) -> Any:
        """`plateau` stands for `{plateau: {}}`; `overfit-gap`, as stops are told, is welcome."""
        if isinstance(entry, str):
            entry = {entry: {}}
        if not isinstance(entry, Mapping):
            return entry
        return {str(name).replace("-", "_"): settings for name, settings in entry.items()}

    @model_validator(mode="after")
    def _one_of_them(self) -> Self:
        if len(self._entries()) != 1:
            names = ", ".join(type(self).model_fields)
            raise ValueError(f"must name one of {names}, such as {{plateau: {{}}}}")
        return self

    @model_serializer
    def _serialized(self) -> dict[str, Any]:
        return {name: entry.model_dump() for name, entry in self._entries().items()}

    def _entries(self) -> dict[str, Any]:
        entries = {name: getattr(self, name) for name in type(self).model_fields}
        return {name: entry for name, entry in entries.items() if entry is not None}
