"""Where notifications go: URLs of apprise, whose secrets are in environment variables.

    notify: [$DISCORD_URL, "mailto://${USER}:${PASSWORD}@mail.example.org"]

A study keeps the text as it is written here. The variables get their values when a process starts
to notify, and neither these nor a URL are ever stored or shown.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import unquote

from pydantic import BeforeValidator

from ...base.variables import substitute_variables
from ...errors import ConfigError, OptionError

if TYPE_CHECKING:
    from apprise import Apprise
    from apprise.plugins.base import NotifyBase

EXAMPLE = "$DISCORD_URL or json://localhost:8080"
MAX_LENGTH = 10_000  # characters of a URL with the values of its variables

_VARIABLE = re.compile(r"\$(?:([A-Za-z_]\w*)|\{([A-Za-z_]\w*)(?::?-([^}$]*))?\})", re.ASCII)
_SCHEME = re.compile(r"[a-z0-9+.-]{1,20}://", re.IGNORECASE)
_HEADER = re.compile(r"[?&](?:\+|%2B)[^=&]*=([^&]*)", re.IGNORECASE)


def read_endpoints(entry: Any) -> tuple[str, ...]:
    """The entries of a study file's `notify`, unexpanded.

    Raises:
        ValueError: they are not URLs. It does not show them, as they may hold secrets.
    """
    entries = [entry] if isinstance(entry, str) else entry
    if not isinstance(entries, list | tuple) or not all(map(_is_url, entries)):
        raise ValueError(f"must be a list of URLs that apprise understands, such as {EXAMPLE}")
    return tuple(text.strip() for text in entries)


def _is_url(text: Any) -> bool:
    is_text = isinstance(text, str) and bool(text.strip()) and text.strip().isprintable()
    return is_text and ("://" in text or "$" in text)


Endpoints = Annotated[tuple[str, ...], BeforeValidator(read_endpoints)]
"""The entries of `notify`, for pydantic."""


@dataclass(frozen=True)
class Endpoint:
    """A place that messages go to.

    Attributes:
        label: how messages for the user name it: its service and its variables, never its URL.
    """

    label: str
    outbox: Apprise


def open_entry(number: int, text: str) -> list[Endpoint]:
    """The endpoint of an entry of a study file; none if its variables are all empty.

    Nothing is sent.

    Args:
        number: of the entry, from 1.

    Raises:
        ConfigError: it is no URL or holds a secret, a variable is not set, or apprise is not
            installed.
    """
    try:
        return _open(text, f"notify {number}", is_stored=True)
    except ValueError as error:
        raise ConfigError(f"notify {number}: {error}") from None


def open_options(texts: Iterable[str]) -> list[Endpoint]:
    """The endpoints of `--notify`, which may hold secrets, because they are not stored.

    Raises:
        OptionError: as `open_entry` raises ConfigError.
    """
    try:
        return [
            endpoint
            for number, text in enumerate(texts, 1)
            for endpoint in _open(text, f"--notify {number}", is_stored=False)
        ]
    except ValueError as error:
        raise OptionError(f"--notify: {error}") from None


def _open(text: str, origin: str, *, is_stored: bool) -> list[Endpoint]:
    """The endpoint of an entry, or none if it is empty; raises ValueError."""
    if not _is_url(text):
        raise ValueError(f"this is not a URL; write one such as {EXAMPLE}")
    try:
        from apprise import Apprise
        from apprise.plugins.base import NotifyBase
    except ImportError:
        raise ValueError("needs apprise: pip install 'recsys-search[notify]'") from None
    url = _expand(text)
    if not url:
        return []
    # apprise writes URLs to its log, and Python prints a log that nobody handles.
    logging.getLogger("apprise").disabled = True
    service = Apprise.instantiate(url, suppress_exceptions=True)
    names = [f"${short or braced}" for short, braced, _ in _VARIABLE.findall(text)]
    if not isinstance(service, NotifyBase):
        scheme = _SCHEME.match(url)
        shown = [*names, f"which starts with {scheme[0]}" if scheme else "which has no ://"]
        raise ValueError(
            f"apprise does not understand the URL ({', '.join(shown)}); see the services on "
            "https://github.com/caronc/apprise/wiki"
        )
    kind = str(service.service_name)
    if is_stored and (secret := _literal_secret(text, service)):
        raise ValueError(
            f"the {secret} of {kind} is written out, and would be stored with the study; put it "
            "into an environment variable, and write its name, such as $NOTIFY_SECRET; or give "
            "the URL with --notify, which is not stored"
        )
    outbox = Apprise()
    outbox.add(service)
    return [Endpoint(f"{origin} ({', '.join([kind, *names])})", outbox)]


def _expand(text: str) -> str:
    """The text with the values of its variables; raises ValueError."""
    if "${" in _VARIABLE.sub("", text):
        raise ValueError("has a ${ that starts no variable; write ${NAME} or ${NAME:-default}")
    in_braces = _VARIABLE.sub(lambda use: use[0] if use[2] else f"${{{use[1]}}}", text)
    return substitute_variables(in_braces, MAX_LENGTH).strip()


def _literal_secret(text: str, service: NotifyBase) -> str | None:
    """Which of the service's secrets is in the text itself, not in a variable; None if none is."""
    # What a variable's default has is written out too.
    literal = _VARIABLE.sub(lambda use: f"\n{use[3] or ''}\n", text)
    pieces = [unquote(piece) for piece in literal.split("\n")]
    for name, token in service.template_tokens.items():
        if token.get("private"):
            value = getattr(service, token.get("map_to", name), None)
            if any(_contains(piece, each) for each in _texts(value) for piece in pieces):
                return name.replace("_", " ")
    headers = _HEADER.findall(text)
    return "header" if any(not _VARIABLE.search(value) for value in headers) else None


def _texts(value: Any) -> Sequence[str]:
    values = value if isinstance(value, list | tuple | set) else [value]
    return [each for each in values if isinstance(each, str) and each]


def _contains(piece: str, value: str) -> bool:
    """Whether the value is in the piece, and not as a part of a longer word."""
    return bool(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", piece))
