"""The pruners by name, and the entries of a study file's `pruners`.

To add a pruner, write a module with its class and add a line to `PRUNERS`; from outside the
package, add the line at run time: `PRUNERS["my_pruner"] = MyPruner`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any

from pydantic import PlainSerializer, PlainValidator, TypeAdapter

from ...base.messages import quoted
from ...base.strict import refuse_unknown
from .collapse import Collapse
from .divergence import Divergence
from .hopeless import Hopeless
from .optuna_pruners import Hyperband, Median, OptunaPruner, Percentile, SuccessiveHalving
from .overfit_gap import OverfitGap
from .plateau import Plateau
from .resources import GpuMemory, TrialBudget
from .rule import Kind, Rule

PRUNERS: dict[str, type[Rule] | type[OptunaPruner]] = {
    "collapse": Collapse,
    "divergence": Divergence,
    "overfit_gap": OverfitGap,
    "plateau": Plateau,
    "hopeless": Hopeless,
    "gpu_memory": GpuMemory,
    "budget": TrialBudget,
    "median": Median,
    "percentile": Percentile,
    "successive_halving": SuccessiveHalving,
    "hyperband": Hyperband,
}


def read_pruner(entry: Any) -> Rule | OptunaPruner:
    """The pruner of an entry such as `{plateau: {chance: 0.05}}`, or `plateau` for its defaults.

    A hyphen counts as an underscore: `overfit-gap`, the stop reason, is also accepted.
    """
    if isinstance(entry, Rule | OptunaPruner):
        return entry
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, Mapping):
        raise ValueError(
            f"a pruner must be a table, such as {{plateau: {{}}}}, got {quoted(entry)}"
        )
    settings = {
        str(name).replace("-", "_"): value for name, value in entry.items() if value is not None
    }
    refuse_unknown(settings, PRUNERS)
    if len(settings) != 1:
        raise ValueError(f"must name one of {', '.join(PRUNERS)}, such as {{plateau: {{}}}}")
    [name] = settings
    # Validated inside a mapping, so that an error's location includes the pruner's name.
    mapping: Any = GenericAlias(dict, (str, PRUNERS[name]))
    pruner: Rule | OptunaPruner = TypeAdapter(mapping).validate_python(settings)[name]
    return pruner


def pruner_to_mapping(pruner: Rule | OptunaPruner) -> dict[str, Any]:
    """The entry of the study file, with all settings."""
    name = next(name for name, kind in PRUNERS.items() if type(pruner) is kind)
    return {name: pruner.model_dump()}


Pruner = Annotated[
    Rule | OptunaPruner, PlainValidator(read_pruner), PlainSerializer(pruner_to_mapping)
]
"""A pruner in a study file, for pydantic."""


def kind_of(stop_reason: str | None) -> Kind | None:
    """What a stored stop reason means; None if no pruner gives it."""
    kinds = {pruner.stop_reason: pruner.kind for pruner in PRUNERS.values()}
    return kinds.get(stop_reason) if stop_reason else None
