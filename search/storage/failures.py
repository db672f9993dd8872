"""Errors for a database that fails: its own message, and a remedy."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from optuna.exceptions import StorageInternalError
from sqlalchemy.exc import DBAPIError, NoSuchModuleError, OperationalError, SQLAlchemyError

from ...errors import StorageError
from .examples import DEFAULT_STORAGE
from .urls import redact

# What a storage raises when its database fails; Optuna wraps most of SQLAlchemy's errors.
DATABASE_ERRORS = (StorageInternalError, SQLAlchemyError)

# Also what Optuna raises over them: it asserts that the end of a trial was stored, and reads a
# variable that it has not set.
STORAGE_FAILURES = (*DATABASE_ERRORS, AssertionError, UnboundLocalError)

POSTGRES_URL = "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_ANOTHER = "name another with --storage"
_RIGHTS = "allow its user to create tables and write to them, or correct the URL"

_SQLITE_REMEDIES = {
    sqlite3.SQLITE_FULL: "free some space",
    sqlite3.SQLITE_BUSY: "wait for the other program that is using it, or end that program",
    sqlite3.SQLITE_LOCKED: "wait for the other program that is using it, or end that program",
    sqlite3.SQLITE_READONLY: f"ask its owner for write access, or {_ANOTHER}",
    sqlite3.SQLITE_CANTOPEN: f"check the permissions of the file and of its folder, or {_ANOTHER}",
    sqlite3.SQLITE_IOERR: "check its disk, and the free space on it",
    sqlite3.SQLITE_CORRUPT: f"restore the file from a copy, or {_ANOTHER}",
    sqlite3.SQLITE_NOTADB: f"restore the file from a copy, or {_ANOTHER}",
}
# By the beginning of SQLSTATE (PostgreSQL); the longest match counts.
_SQLSTATE_REMEDIES = {
    "22001": "shorten the study's name",
    "25006": "make the database writable",
    "3D000": "create the database, or correct its name in the URL",
    "42501": _RIGHTS,
    "53": "free some space on the server",
    "53300": "close other connections to the server",
    "57": "start the server again",
    "08": "start the server again",
}
_SERVER = "start the server, or correct the URL's user, password, host, port or database"
_DRIVERS = {
    "psycopg": f"pip install 'recsys-search[postgres]' and write {POSTGRES_URL}",
    "psycopg2": f"pip install 'recsys-search[postgres]' and write {POSTGRES_URL}",
    "MySQLdb": "pip install mysqlclient",
    "pymysql": "pip install pymysql",
}


def opening_error(url: str, error: Exception) -> StorageError:
    """The error for a storage that cannot be opened: the database's message and a remedy."""
    return StorageError(
        f"storage {redact(url)} cannot be opened: {describe_database_error(error)}; "
        f"{database_remedy(error)}"
    )


def storage_error(url: str, error: BaseException, *, writing: bool) -> StorageError | None:
    """The error for a storage that fails while it is in use; None if `error` has another cause."""
    if (cause := database_error(error)) is None:
        return None
    what = f"storage {redact(url)} cannot be {'written' if writing else 'read'}"
    remedy = remedy_in_use(cause)
    if writing:
        remedy += ", then run the command again to continue"
    return StorageError(f"{what}: {describe_database_error(cause)}; {remedy}")


def describe_database_error(error: BaseException) -> str:
    """A database's own message in one line, without the SQL statement."""
    if isinstance(error, RuntimeError):  # Optuna's, about tables of another version
        return str(error).partition(" Please ")[0].rstrip(". ")
    cause = database_error(error) or error.__cause__ or error
    return " ".join(str(getattr(cause, "orig", None) or cause).split())[:200]


def database_remedy(error: BaseException) -> str:
    """What to do about an error of SQLAlchemy, Optuna's storage or a database's driver."""
    if isinstance(error, ImportError):
        missing = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        return _DRIVERS.get(missing.name or "", "install the driver that the URL names")
    if isinstance(error, RuntimeError):
        return (
            "upgrade the tables with optuna storage upgrade --storage URL, or Optuna with pip "
            f"install -U optuna, or {_ANOTHER}"
        )
    cause = database_error(error)
    if isinstance(cause, NoSuchModuleError):
        return f"write {DEFAULT_STORAGE} or {POSTGRES_URL}"
    original = getattr(cause, "orig", None)
    if isinstance(original, sqlite3.Error):
        code = getattr(original, "sqlite_errorcode", 0) & 0xFF  # without the extended part
        return _SQLITE_REMEDIES.get(code, f"restore the file from a copy, or {_ANOTHER}")
    if state := getattr(original, "sqlstate", None):
        begins = [begin for begin in _SQLSTATE_REMEDIES if state.startswith(begin)]
        if begins:
            return _SQLSTATE_REMEDIES[max(begins, key=len)]
    return _SERVER if isinstance(cause, OperationalError) else _RIGHTS


def remedy_in_use(error: BaseException) -> str:
    """`database_remedy` for a storage that has been opened, so that its URL is right."""
    remedy = database_remedy(error)
    return "start the server again" if remedy == _SERVER else remedy


def database_error(error: BaseException) -> SQLAlchemyError | StorageInternalError | None:
    """The database's error in a chain of errors: the driver's if there is one.

    Optuna wraps it in an error that guesses at the cause, and raises an AssertionError over it if
    the end of a trial cannot be stored.
    """
    found = [each for each in _chain(error) if isinstance(each, DATABASE_ERRORS)]
    return next((each for each in found if isinstance(each, DBAPIError)), next(iter(found), None))


def _chain(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__
