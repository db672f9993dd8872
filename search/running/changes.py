"""How a study file differs from the study that the storage holds under its name."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

from ...base.messages import printable
from ...base.yaml_file import YamlFile, flow_yaml
from ...errors import StudyError
from ..definition.study_file import StudySpec
from ..pruners.table import read_pruner
from ..storage.examples import example, storage_and_artifacts
from ..storage.urls import redact

# These may change between two starts, because trials stay comparable: trials, timeout, budget,
# finish and the objective's target decide how long to search; warm_start decides what is tried
# first, and thaw which trials go on; the fingerprint shows that dataset, columns and duplicates
# give the same ratings; configs beyond the limits were not trained; checkpoints that are kept
# change no trial; nor do notifications and trackers. Of the objective, the metric may not change.
_CHANGEABLE = {
    *("trials", "timeout", "objective", "dataset", "columns", "duplicates", "limits", "budget"),
    *("keep_checkpoints", "finish", "thaw", "warm_start", "notify", "trackers"),
}

# Tables with keys of the user's choice: each key is compared separately. In any other table, a key
# that is only in one of the two means that the tables are of different kinds.
_FREE = {("base",), ("space",)}

_AXIS_DEFAULTS = {"log": False, "step": 1, "when": {}}
_MAX_SHOWN = 5  # changes in a message

Location = tuple[str | int, ...]  # keys and list positions in the study file


class Change(NamedTuple):
    """A location in the study file, and its two values in the file's notation."""

    at: Location
    label: str
    before: str
    now: str

    def __str__(self) -> str:
        return f"{self.label}: {printable(self.before, 120)} -> {printable(self.now, 120)}"


def check_unchanged(stored: StudySpec, spec: StudySpec, file: YamlFile, storage_url: str) -> None:
    """Refuse settings that would make new trials incomparable with the stored ones.

    Args:
        spec: the file's study, without the overrides of the command line.

    Raises:
        StudyError: with the first few changes, and their lines.
    """
    changes = sorted(find_changes(stored, spec), key=lambda change: file.line_of(change.at) or 0)
    if not changes:
        return
    shown = [
        f"line {line}: {change}" if (line := file.line_of(change.at)) else str(change)
        for change in changes[:_MAX_SHOWN]
    ]
    if more := len(changes) - len(shown):
        shown.append(f"and {more} more")
    again = example("start", "--study", spec.name, *storage_and_artifacts(storage_url))
    raise StudyError(
        f"study {printable(spec.name)} in {redact(storage_url)} was created with other settings "
        f"than {file.path} has now: {'; '.join(shown)}; to continue it unchanged: {again}; to run "
        "the new settings, give the file another name with its key `name:`"
    )


def find_changes(stored: StudySpec, spec: StudySpec) -> list[Change]:
    """Every setting of the file that must not change, and did."""
    before, now = (each.model_dump(mode="json", by_alias=True) for each in (stored, spec))
    changes = list(
        _differences(
            ("objective", "metric"), before["objective"]["metric"], now["objective"]["metric"]
        )
    )
    for field in now:
        if field == "pruners":
            changes += _pruner_changes(before[field], now[field])
        elif field == "known":
            changes += _known_changes(before[field], now[field])
        elif field not in _CHANGEABLE:
            changes += _differences((field,), before[field], now[field])
    return changes


def _differences(at: Location, before: Any, now: Any, *, is_free: bool = False) -> Iterator[Change]:
    """The deepest locations at which two values differ."""
    if before == now:
        return
    if isinstance(before, Mapping) and isinstance(now, Mapping):
        is_free = is_free or at in _FREE
        keys = list(dict.fromkeys([*now, *before]))
        if is_free or all(_has(before, key) == _has(now, key) for key in keys):
            for key in keys:
                yield from _differences((*at, key), before.get(key), now.get(key))
            return
    yield _change(at, _notation(before), _notation(now))


def _pruner_changes(before: list[Any], now: list[Any]) -> Iterator[Change]:
    """`gpu_memory` may change: it is a limit, like those in `limits`."""
    old, new = (
        {
            name: (position, settings)
            for position, entry in enumerate(entries)
            for name, settings in entry.items()
            if name != "gpu_memory"
        }
        for entries in (before, now)
    )
    if list(old) != list(new):
        yield _change(
            ("pruners",),
            *(
                flow_yaml([_short_pruner(name, settings) for name, (_, settings) in each.items()])
                for each in (old, new)
            ),
        )
        return
    for name, (position, settings) in new.items():
        yield from _differences(("pruners", position, name), old[name][1], settings)


def _known_changes(before: list[Any], now: list[Any]) -> Iterator[Change]:
    old, new = ([entry["name"] for entry in entries] for entries in (before, now))
    if old != new:
        yield _change(("known",), flow_yaml(old), flow_yaml(new))
        return
    for i, name in enumerate(new):
        for change in _differences(("known", i), before[i], now[i], is_free=True):
            label = change.label.removeprefix("known")
            yield change._replace(label=f"known {printable(name)}{label}")


def _change(at: Location, before: str, now: str) -> Change:
    label = " ".join(printable(part) for part in at if isinstance(part, str))
    return Change(at, label, before, now)


def _has(table: Mapping[str, Any], key: str) -> bool:
    return table.get(key) is not None


def _notation(value: Any) -> str:
    if value is None:
        return "not set"
    if isinstance(value, Mapping):
        is_axis = not value.keys().isdisjoint(("float", "int", "choice"))
        defaults = _AXIS_DEFAULTS if is_axis else {}
        value = {
            key: item
            for key, item in value.items()
            if item is not None and (key not in defaults or item != defaults[key])
        }
    return flow_yaml(value)


def _short_pruner(name: str, settings: Mapping[str, Any]) -> Any:
    """The entry of a study file with only the settings that differ from their defaults."""
    own = read_pruner({name: settings}).model_dump(exclude_defaults=True)
    return {name: own} if own else name
