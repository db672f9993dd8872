"""The trackers by name, and the entries of a study file's `trackers`.

To add a tracker, write a module with its class and add a line to `TRACKERS`; from outside the
package, add the line at run time: `TRACKERS["my_tracker"] = MyTracker`.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import GenericAlias
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, PlainSerializer, PlainValidator, TypeAdapter

from ...base.messages import quoted, suggest
from ...base.strict import refuse_unknown
from ...errors import OptionError
from .mlflow import Mlflow
from .tensorboard import TensorBoard
from .tracker import Tracker
from .wandb import Wandb

TRACKERS: dict[str, type[Tracker]] = {
    "tensorboard": TensorBoard,
    "mlflow": Mlflow,
    "wandb": Wandb,
}


def read_tracker(entry: Any) -> Tracker:
    """The tracker of an entry such as `{wandb: {mode: offline}}`, or `wandb` for its defaults."""
    if isinstance(entry, Tracker):
        return entry
    if isinstance(entry, str):
        entry = {entry: {}}
    if not isinstance(entry, Mapping):
        example = "{mlflow: {uri: http://localhost:5000}}"
        raise ValueError(f"a tracker must be a table, such as {example}, got {quoted(entry)}")
    settings = {str(name): {} if value is None else value for name, value in entry.items()}
    refuse_unknown(settings, TRACKERS)
    if len(settings) != 1:
        raise ValueError(f"must name one of {', '.join(TRACKERS)}, such as {{tensorboard: {{}}}}")
    [name] = settings
    # Validated inside a mapping, so that an error's location includes the tracker's name.
    mapping: Any = GenericAlias(dict, (str, TRACKERS[name]))
    tracker: Tracker = TypeAdapter(mapping).validate_python(settings)[name]
    return tracker


def tracker_to_mapping(tracker: Tracker) -> dict[str, Any]:
    """The entry of the study file, with the settings that it sets."""
    return {tracker_name(tracker): tracker.model_dump(exclude_none=True)}


def tracker_name(tracker: Tracker) -> str:
    """The tracker's name in `TRACKERS`."""
    return next(name for name, kind in TRACKERS.items() if type(tracker) is kind)


def named_tracker(name: str) -> Tracker:
    """The tracker of `--tracker NAME`, with its defaults.

    Raises:
        OptionError: there is no tracker of this name.
    """
    if name not in TRACKERS:
        raise OptionError(f"no tracker named {quoted(name)}{suggest(name, TRACKERS)}")
    return TRACKERS[name]()


def _in_list(entries: Any) -> Any:
    """`wandb` stands for `[wandb]`."""
    return [entries] if isinstance(entries, str) else entries


def _distinct(trackers: tuple[Tracker, ...]) -> tuple[Tracker, ...]:
    for place, tracker in enumerate(trackers):
        if tracker in trackers[:place]:
            raise ValueError(f"{tracker_name(tracker)} is listed twice; keep one of the two")
    return trackers


_Entry = Annotated[Tracker, PlainValidator(read_tracker), PlainSerializer(tracker_to_mapping)]
Trackers = Annotated[tuple[_Entry, ...], BeforeValidator(_in_list), AfterValidator(_distinct)]
"""The entries of `trackers`, for pydantic."""
