"""The search space: a table of axes, each a config field and the values it may take.

architecture: {choice: [two_tower, hybrid]}
free_bits: {float: [0, 4]}                       # of every architecture that has the field
hybrid.latent_dim: {int: [32, 128], step: 32}    # of one architecture alone
hybrid.dropout: {float: [0.2, 0.5], when: {hybrid.bias: true}}
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Annotated, Any, Self

from pydantic import (
    ConfigDict,
    PlainValidator,
    RootModel,
    SerializeAsAny,
    ValidationInfo,
    model_validator,
)

from ...base.messages import quoted, suggest
from ...base.strict import error_at
from ...errors import ConfigError
from ...model.architectures.configs import build_config, config_fields
from ...model.architectures.table import architecture_names, find_architecture
from .axes import Axis, ChoiceAxis, FloatAxis, frozen, read_axis, shown

if TYPE_CHECKING:
    from optuna.trial import BaseTrial

# pydantic's validation context for a space read from a storage. It was checked against the configs
# of its architectures when the study was created; checking it again would import torch.
STORED = "stored"

# The path of a problem in the space (an axis's name, then keys below it), and its message.
Problem = tuple[tuple[str, ...], str]


class Space(RootModel[dict[str, Annotated[SerializeAsAny[Axis], PlainValidator(read_axis)]]]):
    """Axes by name, in file order; Optuna's parameters have the same names."""

    model_config = ConfigDict(frozen=True)

    @property
    def axes(self) -> dict[str, Axis]:
        """The axes as they are drawn: architecture first, because it decides which others apply."""
        return dict(sorted(self.root.items(), key=lambda item: item[0] != "architecture"))

    @property
    def architectures(self) -> tuple[str, ...] | None:
        """The architectures to choose from; None if the base config names one instead."""
        axis = self.root.get("architecture")
        return tuple(map(str, axis.choices)) if isinstance(axis, ChoiceAxis) else None

    def suggest(self, trial: BaseTrial) -> dict[str, Any]:
        """Field -> value for this trial; axes that do not apply are not drawn."""
        chosen = self.choose(lambda name, axis: axis.suggest(trial, name))
        return {field_of(name): value for name, value in chosen.items()}

    def params_of(self, values: Mapping[str, Any]) -> dict[str, Any]:
        """Optuna's parameters of a config: those of the axes that apply to it.

        Args:
            values: every field of the config, `architecture` included.

        Raises:
            ConfigError: a value is not on its axis.
        """
        for message in self.off_axis(values).values():
            raise ConfigError(message)
        chosen = self.choose(lambda name, _: values[field_of(name)])
        return {name: self.axes[name].param_of(value) for name, value in chosen.items()}

    def off_axis(self, values: Mapping[str, Any]) -> dict[str, str]:
        """Field -> message, for each value that is not on its axis."""
        chosen = self.choose(lambda name, _: values[field_of(name)])
        return {
            field_of(name): message
            for name, value in chosen.items()
            if (message := self._off_axis(name, value))
        }

    def values_of(self, params: Mapping[str, Any]) -> dict[str, Any]:
        """Field -> value, from the parameters that Optuna stored.

        Raises:
            ConfigError: a parameter that is not an axis, or a value that is not on its axis.
        """
        for name in params:
            if name not in self.root:
                raise ConfigError(f"no axis named {quoted(name)}{suggest(name, self.axes)}")
        values = {name: self.axes[name].value_of(param) for name, param in params.items()}
        for name, value in values.items():
            if message := self._off_axis(name, value):
                raise ConfigError(message)
        return {field_of(name): value for name, value in values.items()}

    def nearest(self, architecture: str, field: str, value: float) -> Any:
        """The nearest value on the field's axis; the value itself if the field has no axis.

        None if the axis has no numbers.
        """
        for name in (f"{architecture}.{field}", field):
            if name in self.root:
                return self.root[name].nearest(value)
        return value

    def always_sets(self, architecture: str, field: str) -> bool:
        """Whether every trial of the architecture draws the field."""
        names = (field, f"{architecture}.{field}")
        return any(name in self.root and not self.root[name].when for name in names)

    def unconditional(self, architecture: str | None) -> dict[str, Axis]:
        """The axes that every trial of the architecture draws, after `architecture` itself.

        Args:
            architecture: None if the base config names it.
        """
        chosen = {} if architecture is None else {"architecture": architecture}
        return {
            name: axis
            for name, axis in self.root.items()
            if name != "architecture" and self.applies(name, chosen)
        }

    def applies(self, name: str, chosen: Mapping[str, Any]) -> bool:
        """Whether the axis is drawn, given the values of the axes before it."""
        # Without an architecture axis, the base names the architecture and every axis is its.
        trained = chosen.get("architecture")
        return (trained is None or name == "architecture" or is_of(name, trained)) and all(
            other in chosen and chosen[other] in allowed_values(self.root[other], condition)
            for other, condition in self.root[name].when.items()
        )

    def problems(
        self, architectures: Sequence[str], *, is_random: bool = True, any_of_them: bool = False
    ) -> Iterator[Problem]:
        """What is wrong with the space if these architectures are trained.

        Args:
            is_random: whether ratings are split at random, which allows more than a split by time.
            any_of_them: the study trains only one of them, and the space does not say which: an
                axis is wrong only if none of them accepts it.
        """
        setters: dict[tuple[str, str], str] = {}
        before: dict[str, Axis] = {}
        for name, axis in self.axes.items():
            if name != "architecture":
                field = field_of(name)
                try:
                    trained = owners(name, architectures)
                except ConfigError as error:
                    yield (name,), str(error)
                    continue
                refusals = [
                    why for owner in trained if (why := _refusal(owner, field, axis, is_random))
                ]
                if refusals and (len(refusals) == len(trained) or not any_of_them):
                    yield (name,), refusals[0]
                    continue
                for owner in trained:
                    first = setters.setdefault((owner, field), name)
                    if first != name:
                        yield (name,), f"{first} also sets {field} of {owner}; keep one of the two"
            for other, condition in axis.when.items():
                if message := _condition_problem(condition, other, before):
                    yield (name, "when", other), message
            before[name] = axis

    @model_validator(mode="after")
    def _is_consistent(self, info: ValidationInfo) -> Self:
        axis = self.root.get("architecture")
        if axis is not None and not isinstance(axis, ChoiceAxis):
            raise error_at(
                "must be a choice, such as {choice: [two_tower, hybrid]}", "architecture"
            )
        if info.context == STORED:
            return self
        known = architecture_names()
        for name in self.architectures or ():
            if name not in known:
                message = f"no architecture named {quoted(name)}; choose from {', '.join(known)}"
                raise error_at(message, "architecture", "choice")
        chosen = self.architectures
        for at, message in self.problems(chosen or known, any_of_them=chosen is None):
            raise error_at(message, *at)
        return self

    def _off_axis(self, name: str, value: Any) -> str | None:
        axis = self.root[name]
        if axis.holds(value):
            return None
        return f"{name} {shown(value)} is not on its axis: {axis}"

    def choose(self, value_of: Callable[[str, Axis], Any]) -> dict[str, Any]:
        """Axis name -> value; `value_of` is called only for the axes that apply."""
        chosen: dict[str, Any] = {}
        for name, axis in self.axes.items():
            if self.applies(name, chosen):
                chosen[name] = frozen(value_of(name, axis))
        return chosen


def field_of(name: str) -> str:
    """`hybrid.dropout` -> `dropout`."""
    return name.rpartition(".")[2]


def owners(name: str, architectures: Sequence[str]) -> list[str]:
    """The architectures whose config has the field that `name` refers to.

    Raises:
        ConfigError: none of them has it.
    """
    owner, _, field = name.rpartition(".")
    if owner:
        find_architecture(owner)
    if owner and owner not in architectures:
        raise ConfigError(f"{owner} is not trained here; choose from {', '.join(architectures)}")
    candidates = [owner] if owner else list(architectures)
    known = {each: config_fields(each) - {"architecture"} for each in candidates}
    found = [each for each in candidates if field in known[each]]
    if not found:
        names = sorted(set().union(*known.values()))
        who = f"{candidates[0]} has" if len(known) == 1 else f"{', '.join(known)} have"
        raise ConfigError(f"{who} no field named {quoted(field)}{suggest(field, names)}")
    return found


def accepted_value(architecture: str, field: str, value: Any, *, is_random: bool) -> Any:
    """The value as the config has it.

    Raises:
        ConfigError: the config does not accept it, or the split does not allow it.
    """
    config = build_config(architecture, **{field: value})
    config.for_split(is_random=is_random)
    return getattr(config, field)


def _refusal(architecture: str, field: str, axis: Axis, is_random: bool) -> str | None:
    """Why the config does not accept the axis's values unchanged; None if it does."""
    for value in axis.probes():
        try:
            accepted = accepted_value(architecture, field, value, is_random=is_random)
        except ConfigError as error:
            return str(error)
        if accepted != value:
            return f"{field} reads {quoted(value)} as {shown(accepted)}; write {shown(accepted)}"
    return None


def is_of(name: str, architecture: str) -> bool:
    """Whether the axis is one of the architecture's."""
    owner, _, field = name.rpartition(".")
    return owner == architecture or (not owner and field in config_fields(architecture))


def allowed_values(axis: Axis, condition: Any) -> tuple[Any, ...]:
    """The values that a condition allows: one, or a list of them; a value may itself be a list."""
    condition = frozen(condition)
    return condition if isinstance(condition, tuple) and not axis.holds(condition) else (condition,)


def _condition_problem(condition: Any, other: str, before: Mapping[str, Axis]) -> str | None:
    if other not in before:
        return f"no axis named {quoted(other)} is listed before this one" + (
            suggest(other, before) if before else "; list it above this one"
        )
    axis = before[other]
    if isinstance(axis, FloatAxis):
        return f"{other} must be an int or a choice: a float hardly ever hits one exact value"
    for value in allowed_values(axis, condition):
        if not axis.holds(value):
            return f"{other} must be {axis}; it is never {shown(value)}"
    return None
