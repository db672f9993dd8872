"""How a config differs from that of the trial it comes from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ...base.messages import printable
from ..config import config_to_mapping

if TYPE_CHECKING:
    from .experiment import Experiment


CHANGED_FROM = "changed_from"
_UNKNOWN = object()


def training_values(experiment: Experiment) -> dict[str, Any]:
    """Every value that determines an experiment's result on one machine, by name.

    The dataset's location is left out, because the fingerprint identifies the ratings.
    """
    return {
        **config_to_mapping(experiment.config),
        **{f"split {name}": value for name, value in experiment.split.to_mapping().items()},
        "metric": experiment.metric,
        "refit_epochs": experiment.refit_epochs,
        "fingerprint": experiment.fingerprint,
    }


def all_values(experiment: Experiment) -> dict[str, Any]:
    """The training values and the dataset's location."""
    return {**training_values(experiment), "dataset": experiment.dataset}


def previous_values(before: Mapping[str, Any], now: Mapping[str, Any]) -> dict[str, Any]:
    """The values of `before` that differ from those of `now`.

    Names in only one of the two are left out: they are fields of another version or architecture.
    """
    return {
        name: before[name]
        for name, value in now.items()
        if name in before and before[name] != value
    }


def record_changes(
    origin: Mapping[str, Any], previous: Mapping[str, Any], now: Mapping[str, Any]
) -> dict[str, Any]:
    """The origin with `changed_from`: the trial's values of whatever has been changed since.

    Args:
        origin: of an experiment; empty for one written by hand, and then so is the result.
        previous: values before the latest change.
        now: the experiment's values.
    """
    rest = {name: value for name, value in origin.items() if name != CHANGED_FROM}
    earlier = dict(origin.get(CHANGED_FROM, {}))
    for name, value in previous.items():
        earlier.setdefault(name, value)
    changed = {name: value for name, value in earlier.items() if now.get(name, _UNKNOWN) != value}
    if "fingerprint" in earlier and "fingerprint" not in changed:
        changed.pop("dataset", None)  # the same ratings in another location
    return {**rest, CHANGED_FROM: changed} if rest and changed else rest


def describe_changes(experiment: Experiment) -> str | None:
    """A sentence on what was changed in a trial's config; None if nothing was."""
    origin, now = experiment.origin, all_values(experiment)
    if not (changed := origin.get(CHANGED_FROM)):
        return None
    changes = (f"{name} {_text(now.get(name))}, was {_text(was)}" for name, was in changed.items())
    return (
        f"the config differs from that of trial {origin.get('trial')} of {origin.get('study')}: "
        f"{'; '.join(changes)}"
    )


def _text(value: Any) -> str:
    return "none" if value is None else printable(value, 200)
