"""A storage's URL: parsing it, showing it without its password, and finding its SQLite file."""

from __future__ import annotations

import re
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import URL, make_url

from ...errors import StudyError


def parse_url(url: str) -> URL:
    """The URL as SQLAlchemy takes it.

    Raises:
        StudyError: it is not a database URL.
    """
    try:
        return make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        shown = re.sub(r":[^:@/]*@", ":***@", url)
        raise StudyError(
            f"storage {shown!r} is not a database URL; write sqlite:///studies.db"
        ) from None


def redact(url: str) -> str:
    """The URL with its password masked, for messages."""
    return parse_url(url).render_as_string(hide_password=True)


def has_password(url: str) -> bool:
    """Whether the URL holds a password, which must not be shown."""
    return parse_url(url).password is not None


def sqlite_file(url: str) -> Path | None:
    """SQLite's file, or None for another kind of database.

    Raises:
        StudyError: it is not a database URL, or the database would live in memory only.
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


def storage_exists(url: str) -> bool:
    """Whether the storage may hold studies: a SQLite file is created with its first study."""
    path = sqlite_file(url)
    return path is None or path.is_file()


def check_folder_exists(url: str) -> None:
    """Refuse a SQLite URL whose folder is missing: SQLite creates files, but no folders."""
    path = sqlite_file(url)
    if path is not None and not path.parent.is_dir():
        raise StudyError(f"storage {url}: folder {path.parent} does not exist; create it first")


def describe_database_error(error: Exception) -> str:
    """A database's own message in one line, without the SQL statement."""
    # Optuna's exception only says that a commit failed; its cause says why.
    cause = error.__cause__ or error
    return " ".join(str(getattr(cause, "orig", None) or cause).split())[:200]
