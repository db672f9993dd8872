"""One axis of a search space: a range or a choice, and how Optuna draws a value from it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any, Literal, Self

from pydantic import BeforeValidator, Field, StrictBool, model_validator

from ...base.messages import printable, quoted
from ...base.strict import Count, Number, Strict, Whole, error_at

if TYPE_CHECKING:
    from optuna.trial import BaseTrial


def _check_pair(value: Any) -> Any:
    if not isinstance(value, list | tuple) or len(value) != 2:
        raise ValueError(f"must be two numbers, [low, high], got {quoted(value)}")
    return value


Pair = BeforeValidator(_check_pair)


def _check_choice(value: Any) -> Any:
    parts = value if isinstance(value, list | tuple) else [value]
    if not parts or not all(isinstance(part, Scalar) for part in parts):
        kinds = "text, a number, true or false, or a list of these"
        raise ValueError(f"must be {kinds}, got {quoted(value)}")
    return value


Scalar = bool | int | float | str
Choice = Annotated[Scalar | tuple[Scalar, ...], BeforeValidator(_check_choice)]

End = Literal["low", "high"]
AT_END = 0.05  # share of an axis's length


class Axis(Strict):
    """The values that one config field may take."""

    # The values that other axes must have for this one to apply.
    when: dict[str, Any] = Field(default_factory=dict)

    def suggest(self, trial: BaseTrial, name: str) -> Any:
        raise NotImplementedError

    def holds(self, value: Any) -> bool:
        """Whether the value is on the axis."""
        raise NotImplementedError

    def nearest(self, value: float) -> Any:
        """The nearest value on the axis, the lower one in a tie; None if it has no numbers."""
        raise NotImplementedError

    def probes(self) -> tuple[Any, ...]:
        """Values to test: a config that accepts them accepts the whole axis."""
        raise NotImplementedError

    def grid(self, points: int) -> tuple[Any, ...]:
        """The axis's values on a grid: all of a choice, at most `points` of a range."""
        raise NotImplementedError

    def end_of(self, value: Any) -> End | None:
        """The end of the axis that a value is at, if it could be made longer there.

        An end at 0 is none: what starts there is a share, a weight or a time, and ends there too.
        """
        low, high = self.ends()
        if low == high or not _is_number(value):
            return None
        if self.position(value) <= AT_END:
            return "low" if low else None
        return "high" if self.position(value) >= 1 - AT_END else None

    def ends(self) -> tuple[float, float]:
        """The lowest and the highest value; twice the same if the axis has no order."""
        raise NotImplementedError

    def position(self, value: float) -> float:
        """Where a value is between the ends, 0 to 1; the middle if they are one."""
        low, high = self.ends()
        return (value - low) / (high - low) if low != high else 0.5

    def at(self, position: float) -> Any:
        """The value at a position, 0 to 1: values drawn uniformly for uniform positions."""
        raise NotImplementedError

    def param_of(self, value: Any) -> Any:
        """What Optuna stores for a value on the axis."""
        return value

    def value_of(self, param: Any) -> Any:
        """The value that Optuna stored as `param`."""
        return param


class _Range(Axis):
    bounds: tuple[float, float]
    log: StrictBool = False

    def ends(self) -> tuple[float, float]:
        return self.bounds

    def grid(self, points: int) -> tuple[Any, ...]:
        """Evenly spaced from end to end, on the log scale if the axis has one; no value twice."""
        low, high = self.bounds
        shares = [place / (points - 1) for place in range(points)] if points > 1 else [0.5]
        spaced = (
            low * (high / low) ** share if self.log else low + (high - low) * share
            for share in shares
        )
        # 12 digits, so that the middle of 1e-4 and 1e-2 is 0.001 itself, as a study file has it.
        return tuple(dict.fromkeys(self.nearest(float(f"{value:.12g}")) for value in spaced))

    def position(self, value: float) -> float:
        low, high = self.bounds
        if not self.log or low == high:
            return super().position(value)
        return math.log(value / low) / math.log(high / low)

    def at(self, position: float) -> Any:
        low, high = self.bounds
        value = low * (high / low) ** position if self.log else low + (high - low) * position
        return self.nearest(value)


class FloatAxis(_Range):
    bounds: Annotated[tuple[Number, Number], Pair] = Field(alias="float")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        _check_bounds(*self.bounds, log=self.log, at="float")
        return self

    def suggest(self, trial: BaseTrial, name: str) -> float:
        return trial.suggest_float(name, *self.bounds, log=self.log)

    def holds(self, value: Any) -> bool:
        return _is_number(value) and self.bounds[0] <= value <= self.bounds[1]

    def nearest(self, value: float) -> float:
        return min(max(float(value), self.bounds[0]), self.bounds[1])

    def probes(self) -> tuple[float, ...]:
        low, high = self.bounds
        # One probe is not an integer, so that an integer field refuses a float axis.
        return (low, high) if low == high else (low, high, low + (high - low) / math.e)

    def param_of(self, value: Any) -> float:
        return float(value)

    def __str__(self) -> str:
        return f"{self.bounds[0]:g} to {self.bounds[1]:g}"


class IntAxis(_Range):
    bounds: Annotated[tuple[Whole, Whole], Pair] = Field(alias="int")
    step: Count = 1

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        low, high = self.bounds
        _check_bounds(low, high, log=self.log, at="int")
        if self.log and self.step > 1:
            raise error_at("step and log exclude each other; remove one", "step")
        if rest := (high - low) % self.step:
            raise error_at(
                f"{high} is not a whole number of steps of {self.step} above {low}; "
                f"end at {high - rest}",
                "int",
            )
        return self

    def suggest(self, trial: BaseTrial, name: str) -> int:
        return trial.suggest_int(name, *self.bounds, step=self.step, log=self.log)

    def holds(self, value: Any) -> bool:
        low, high = self.bounds
        return _is_number(value) and low <= value <= high and (value - low) % self.step == 0

    def nearest(self, value: float) -> int:
        low, high = self.bounds
        steps = math.ceil((min(max(value, low), high) - low) / self.step - 0.5)
        return low + self.step * steps

    def probes(self) -> tuple[int, ...]:
        return self.bounds

    def param_of(self, value: Any) -> int:
        return int(value)

    def __str__(self) -> str:
        steps = f" in steps of {self.step}" if self.step > 1 else ""
        return f"{self.bounds[0]} to {self.bounds[1]}{steps}"


class ChoiceAxis(Axis):
    choices: tuple[Choice, ...] = Field(alias="choice", min_length=1)

    @model_validator(mode="after")
    def _all_different(self) -> Self:
        seen = set()
        for place, label in enumerate(map(_label, self.choices)):
            if label in seen:
                raise error_at(f"{shown(label)} is listed twice; keep one", "choice", place)
            seen.add(label)
        return self

    def suggest(self, trial: BaseTrial, name: str) -> Any:
        return self.value_of(trial.suggest_categorical(name, list(self._by_label())))

    def holds(self, value: Any) -> bool:
        return _label(value) in list(self._by_label())

    def nearest(self, value: float) -> Any:
        numbers = [choice for choice in self.choices if isinstance(choice, int | float)]
        return min(numbers, key=lambda choice: (abs(choice - value), choice), default=None)

    def probes(self) -> tuple[Any, ...]:
        return self.choices

    def grid(self, points: int) -> tuple[Any, ...]:
        return self.choices

    def ends(self) -> tuple[float, float]:
        if not all(_is_number(choice) for choice in self.choices):
            return 0.0, 0.0
        numbers: list[Any] = list(self.choices)
        return min(numbers), max(numbers)

    def at(self, position: float) -> Any:
        return self.choices[min(int(position * len(self.choices)), len(self.choices) - 1)]

    def param_of(self, value: Any) -> Any:
        # The axis's own label: a config may have 2.0 where the axis has 2.
        return next(label for label in self._by_label() if label == _label(value))

    def value_of(self, param: Any) -> Any:
        return self._by_label().get(param, param)

    def _by_label(self) -> dict[Scalar, Choice]:
        return {_label(choice): choice for choice in self.choices}

    def __str__(self) -> str:
        return f"one of {printable(', '.join(map(shown, self._by_label())), 300)}"


AXES: dict[str, type[Axis]] = {"float": FloatAxis, "int": IntAxis, "choice": ChoiceAxis}


def read_axis(form: Any) -> Axis:
    """The axis that a mapping such as `{float: [0, 1]}` describes."""
    if isinstance(form, Axis):
        return form
    kinds = [kind for kind in AXES if isinstance(form, Mapping) and kind in form]
    if len(kinds) != 1:
        raise ValueError(
            "an axis must be one of float, int and choice, such as {float: [0.1, 0.5]}, "
            f"got {quoted(form)}"
        )
    return AXES[kinds[0]].model_validate(form)


def frozen(value: Any) -> Any:
    """The value with its lists turned into tuples, at every level."""
    return tuple(frozen(item) for item in value) if isinstance(value, list | tuple) else value


def shown(value: Any) -> str:
    """A value as a study file writes it, for errors."""
    value = _label(value)
    return {True: "true", False: "false"}[value] if isinstance(value, bool) else printable(value)


def _label(value: Any) -> Any:
    """The value as Optuna can store it: a list such as [512, 256] becomes the text 512-256."""
    return "-".join(map(str, value)) if isinstance(value, list | tuple) else value


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _check_bounds(low: float, high: float, *, log: bool, at: str) -> None:
    if low > high:
        raise error_at(f"low {low:g} is above high {high:g}; write [low, high]", at)
    if log and low <= 0:
        raise error_at(f"a log axis must start above 0, got {low:g}", at)
