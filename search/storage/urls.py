"""A storage's URL: parsing it, showing it without its password, and finding its SQLite file."""

from __future__ import annotations

import re
from importlib.util import find_spec
from pathlib import Path

import sqlalchemy
from sqlalchemy.engine import URL, make_url

from ...errors import StorageError
from .examples import DEFAULT_STORAGE

POSTGRES_DRIVERS = ("psycopg", "psycopg2")


def parse_url(url: str) -> URL:
    """The URL as SQLAlchemy takes it; `postgresql://` uses the installed driver.

    Raises:
        StorageError: it is not a database URL, or would name another file than it seems to.
    """
    try:
        parsed = make_url(url)
    except (sqlalchemy.exc.ArgumentError, ValueError):
        # A path, such as studies.db; anything with an @ or // is a URL with a mistake in it.
        is_path = re.fullmatch(r"(sqlite:/*)?(?P<path>(?!.*//)[^@:]+)", url)
        meant = sqlite_url(is_path["path"]) if is_path else DEFAULT_STORAGE
        shown = re.sub(r":[^:/]*@", ":***@", url)
        if "//" in url and re.search(r":[^/:@]+(/|$)", url.rpartition("//")[2].rpartition("@")[2]):
            raise StorageError(f"storage {shown!r}: its port is not a number; correct it") from None
        raise StorageError(f"storage {shown!r} is not a database URL; write {meant}") from None
    if "@" in (parsed.host or ""):
        shown = re.sub(r"//.*@", "//***@", url)
        raise StorageError(f"storage {shown} has several @; write one in a password as %40")
    if parsed.get_backend_name() == "sqlite":
        _check_sqlite_path(parsed)
    elif parsed.drivername == "postgresql":
        driver = next(filter(find_spec, POSTGRES_DRIVERS), POSTGRES_DRIVERS[0])
        parsed = parsed.set(drivername=f"postgresql+{driver}")
    return parsed


def sqlite_url(path: str | Path) -> str:
    """The URL of a SQLite file, with the home folder written out."""
    return f"sqlite:///{Path(path).expanduser()}"


def _check_sqlite_path(parsed: URL) -> None:
    """Refuse a URL whose path is taken for a server's name, or starts with a literal `~`."""
    path = "/".join(part for part in (parsed.host, parsed.database) if part)
    shown = parsed.render_as_string(hide_password=True)
    if parsed.query:
        options = ", ".join(parsed.query)
        raise StorageError(
            f"storage {shown} has options of SQLite ({options}), which this program sets itself; "
            f"write {sqlite_url(path.removeprefix('file:'))}"
        )
    if parsed.host:
        raise StorageError(
            f"storage {shown} has two slashes, and a file needs three; write {sqlite_url(path)}"
        )
    if re.match(r"~(/|$)", path):
        raise StorageError(f"storage {shown}: ~ is not expanded in a URL; write {sqlite_url(path)}")


def redact(url: str) -> str:
    """The URL with its password masked, for messages."""
    return parse_url(url).render_as_string(hide_password=True)


def has_password(url: str) -> bool:
    """Whether the URL holds a password, which must not be shown."""
    return parse_url(url).password is not None


def sqlite_file(url: str) -> Path | None:
    """SQLite's file, or None for another kind of database.

    Raises:
        StorageError: it is not a database URL, or the database would live in memory only.
    """
    parsed = parse_url(url)
    if parsed.get_backend_name() != "sqlite":
        return None
    if not parsed.database or parsed.database == ":memory:":
        shown = "sqlite:///:memory:" if parsed.database else "sqlite://"
        raise StorageError(
            f"storage {shown} is lost when the command ends; write {DEFAULT_STORAGE}"
        )
    return Path(parsed.database)
