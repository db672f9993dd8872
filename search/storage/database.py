"""The database behind a study: Optuna's storage, opened for writing or for reading."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning
from optuna.storages import RDBStorage
from sqlalchemy.engine import URL, ExceptionContext

from ...errors import NothingYet
from .access import file_exists
from .examples import example, storage_and_artifacts
from .failures import DATABASE_ERRORS, STORAGE_FAILURES, opening_error, storage_error
from .locks import tables_lock
from .tables import TableStorage, holds_studies
from .urls import parse_url, redact, sqlite_file

LOCK_TIMEOUT_S = 60  # how long to wait for another program that holds SQLite's lock

optuna.logging.set_verbosity(optuna.logging.ERROR)  # this program reports how trials end
warnings.filterwarnings("ignore", category=ExperimentalWarning)


@contextmanager
def writable_storage(url: str) -> Iterator[RDBStorage]:
    """The storage for a process that runs trials, created if it is missing.

    Leaving the block closes the database, so that its main file alone holds everything.

    Raises:
        StorageError: the URL is not a database URL, the database cannot be opened or is another
            program's, or it failed in the block.
    """
    parsed = parse_url(url)
    path = sqlite_file(url)
    is_new = path is not None and not file_exists(path)
    try:
        has_tables = not is_new and _check_tables(
            _file_url(parsed, path, "rw") if path else parsed, url
        )
        # Optuna's creation of the tables fails where another process is creating them.
        with nullcontext() if has_tables else tables_lock(url):
            storage = _connect(parsed, url, read_only=False)
    except BaseException:
        if is_new and path and path.is_file() and not path.stat().st_size:
            path.unlink()
        raise
    try:
        yield storage
    except STORAGE_FAILURES as error:
        if failure := storage_error(url, error, writing=True):
            raise failure from error
        raise
    finally:
        storage.remove_session()
        storage.engine.dispose()


def readable_storage(url: str, *, once: bool = False) -> RDBStorage:
    """The storage for a process that only reads: it never writes and never waits for a writer.

    Its methods raise StorageError where the database fails.

    Args:
        once: for a single read; leaves no SQLite side files behind if nobody is writing.

    Raises:
        NothingYet: there is no storage yet, or it is empty.
        StorageError: it cannot be opened, or is another program's.
    """
    parsed = parse_url(url)
    if (path := sqlite_file(url)) is not None:
        if not file_exists(path):
            raise no_studies(url)
        # A crash can leave a log that only a writer can roll back.
        has_journal = path.with_name(f"{path.name}-journal").exists()
        mode = {"mode": "rw"} if has_journal else {"mode": "ro", **_immutable_option(path, once)}
        parsed = _file_url(parsed, path, **mode)
    if not _check_tables(parsed, url):
        raise no_studies(url)
    storage = _connect(parsed, url, read_only=True, skip_table_creation=True)

    def on_error(context: ExceptionContext) -> Exception | None:
        error = context.sqlalchemy_exception
        if error is None or context.is_pre_ping:  # after a ping that fails it connects again
            return None
        return storage_error(url, error, writing=False)

    sqlalchemy.event.listen(storage.engine, "handle_error", on_error)
    return storage


def no_studies(url: str) -> NothingYet:
    """The error for a storage that holds no studies yet."""
    start = example("start", "--study", "demo", *storage_and_artifacts(url))
    return NothingYet(f"no studies in {redact(url)}; run one with: {start}")


def _check_tables(parsed: URL, url: str) -> bool:
    """`holds_studies`, and StorageError where the database cannot be opened."""
    path = sqlite_file(url)
    name = str(path.absolute()) if path else redact(url)
    try:
        return holds_studies(parsed, name, _engine_options(parsed))
    except (*DATABASE_ERRORS, ImportError) as error:
        raise opening_error(url, error) from None


def _connect(parsed: URL, url: str, *, read_only: bool, **options: Any) -> RDBStorage:
    try:
        storage = TableStorage(
            parsed.render_as_string(hide_password=False),
            engine_kwargs=_engine_options(parsed),
            **options,
        )
    except (*DATABASE_ERRORS, RuntimeError, ImportError) as error:
        raise opening_error(url, error) from None
    if _is_sqlite(parsed):
        _harden(storage.engine, read_only=read_only)
    return storage


def _is_sqlite(parsed: URL) -> bool:
    return parsed.get_backend_name() == "sqlite"


def _engine_options(parsed: URL) -> dict[str, Any]:
    if _is_sqlite(parsed):
        return {"connect_args": {"timeout": LOCK_TIMEOUT_S}}
    return {"pool_pre_ping": True}


def _file_url(parsed: URL, path: Path, mode: str, **options: str) -> URL:
    """SQLite's URL for a file that exists, with the mode to open it in."""
    return parsed.set(
        database=f"file:{quote(str(path.resolve()))}",
        query={**parsed.query, "mode": mode, "uri": "true", **options},
    )


def _immutable_option(path: Path, once: bool) -> dict[str, str]:
    """`immutable` for a reader that cannot, or should not, create SQLite's side files.

    Those of another user would keep the file's owner from writing.
    """
    has_log = path.with_name(f"{path.name}-wal").exists()
    may_create = os.access(path.parent, os.W_OK) and os.access(path, os.W_OK) and not once
    return {} if has_log or may_create else {"immutable": "1"}


def _harden(engine: sqlalchemy.Engine, *, read_only: bool) -> None:
    """Set SQLite up for several processes that must not lose a commit.

    Writers use BEGIN IMMEDIATE: a transaction that reads first and writes later could hand one
    queued trial to two workers. Readers stay deferred, or they would queue up behind writers.
    """

    def on_connect(connection: sqlite3.Connection, _: object) -> None:
        connection.isolation_level = None  # transactions begin in `on_begin`, not in the driver
        if not read_only:
            connection.execute("PRAGMA journal_mode=WAL")
            connection.execute("PRAGMA synchronous=FULL")  # NORMAL may lose commits in a power cut

    waited_in_vain = False  # then the writes that follow do not wait again

    def on_begin(connection: sqlalchemy.Connection) -> None:
        nonlocal waited_in_vain
        if read_only:
            connection.exec_driver_sql("BEGIN")
            return
        timeout_s = 0 if waited_in_vain else LOCK_TIMEOUT_S
        connection.exec_driver_sql(f"PRAGMA busy_timeout={timeout_s * 1000}")
        try:
            connection.exec_driver_sql("BEGIN IMMEDIATE")
        except sqlalchemy.exc.OperationalError:
            waited_in_vain = True
            raise
        waited_in_vain = False

    sqlalchemy.event.listen(engine, "connect", on_connect)
    sqlalchemy.event.listen(engine, "begin", on_begin)
    engine.dispose()  # drop connections that were made before the listeners
