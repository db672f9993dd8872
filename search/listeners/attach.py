"""Attaches a study's notifications and trackers to a listener."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from ...errors import ConfigError
from ..definition.study_file import StudySpec
from ..notifications.endpoints import Endpoint, open_entry, open_options
from ..running.events import Listener, broadcast, notifier
from ..trackers.table import named_tracker
from ..trackers.tracker import Tracker
from .notifications import Notifications
from .tracking import Tracking


@dataclass(frozen=True)
class Outlets:
    """What the command line adds to the study's own `notify` and `trackers`; it is not stored.

    Attributes:
        notify: URLs, as in the study file.
        trackers: names.
    """

    notify: Sequence[str] = ()
    trackers: Sequence[str] = ()


NO_OUTLETS = Outlets()


def check_outlets(outlets: Outlets) -> None:
    """Refuse outlets of the command line that cannot work.

    Raises:
        ConfigError: as in `attached`.
    """
    open_options(outlets.notify)
    for name in outlets.trackers:
        named_tracker(name).check()


@contextmanager
def attached(
    listener: Listener,
    spec: StudySpec,
    storage_url: str,
    outlets: Outlets,
    *,
    is_worker: bool = False,
) -> Iterator[Listener]:
    """A listener that passes events on to this one, and to people and trackers.

    Leaving the block waits, for a limited time, for what they have not received yet.

    Args:
        is_worker: whether the study was started elsewhere. What this machine lacks for the study
            file's outlets is then a notice, and they are left out.

    Raises:
        ConfigError: a URL that is wrong or holds a secret, a variable that is not set, a package
            that is not installed, or missing credentials. OptionError for the command line's.
    """
    check_outlets(outlets)
    refuse = notifier(listener) if is_worker else None
    endpoints, trackers = _open(spec, refuse)
    endpoints += open_options(outlets.notify)
    kinds = {type(tracker) for tracker in spec.trackers}
    named = map(named_tracker, outlets.trackers)
    trackers += [tracker for tracker in named if type(tracker) not in kinds]
    listeners: list[Notifications | Tracking] = []
    if endpoints:
        listeners.append(Notifications(endpoints, spec.name, storage_url, listener))
    listeners += [Tracking(tracker, spec.name, listener) for tracker in trackers]
    with ExitStack() as closing:
        for each in reversed(listeners):
            closing.callback(each.close)
        yield broadcast(listener, *listeners)


def _open(
    spec: StudySpec, notify: Callable[[str], None] | None
) -> tuple[list[Endpoint], list[Tracker]]:
    """The study's own endpoints and trackers. Args: notify: as in `_errors_as_notices`."""
    endpoints: list[Endpoint] = []
    trackers: list[Tracker] = []
    for number, text in enumerate(spec.notify, 1):
        with _errors_as_notices(notify):
            endpoints += open_entry(number, text)
    for tracker in spec.trackers:
        with _errors_as_notices(notify):
            tracker.check()
            trackers.append(tracker)
    return endpoints, trackers


@contextmanager
def _errors_as_notices(notify: Callable[[str], None] | None) -> Iterator[None]:
    """Pass a ConfigError of the block to `notify`; None raises it."""
    try:
        yield
    except ConfigError as error:
        if notify is None:
            raise
        notify(f"{error}; this worker continues without it")
