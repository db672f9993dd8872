"""A storage's URL: parsed, shown without its password, and what it names."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import URL, make_url

from ...errors import StudyError


def is_there(url: str) -> bool:
    """Whether a storage can hold studies already: a SQLite file does not before its first start."""
    path = database_file(url)
    return path is None or path.is_file()


def redacted(url: str) -> str:
    """The URL as it may be shown: without its password."""
    return parse_url(url).render_as_string(hide_password=True)


def has_password(url: str) -> bool:
    """Whether the URL holds a password, which must not be shown."""
    return parse_url(url).password is not None


def reason(error: Exception) -> str:
    """What a database said, in one line, without the statement that it was said of."""
    # Optuna's own says that something is wrong with a commit; its cause says what.
    cause = error.__cause__ or error
    return " ".join(str(getattr(cause, "orig", None) or cause).split())[:200]


def parse_url(url: str) -> URL:
    try:
        return make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        shown = re.sub(r":[^:@/]*@", ":***@", url)
        raise StudyError(
            f"storage {shown!r} is no database URL; write sqlite:///studies.db"
        ) from None


def database_file(url: str) -> Path | None:
    """SQLite's file, or None for another kind of database.

    Raises:
        StudyError: no database URL, or none that outlives the process.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        shown = "sqlite:///:memory:" if parsed.database else "sqlite://"
        raise StudyError(
            f"storage {shown} is lost when the command ends; write sqlite:///studies.db"
        )
    return Path(parsed.database)


def check_folder(url: str) -> None:
    """SQLite makes a file, but no folder for it."""
    path = database_file(url)
    if path is not None and not path.parent.is_dir():
        raise StudyError(f"storage {url}: there is no folder {path.parent}; make it first")
