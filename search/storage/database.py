"""The database behind a study: Optuna's storage, opened for writing or for reading."""

from __future__ import annotations

import os
import sqlite3
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import optuna
import sqlalchemy
from optuna.exceptions import ExperimentalWarning, StorageInternalError
from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial
from sqlalchemy.engine import URL

from ...errors import StudyError
from .urls import check_folder_exists, describe_database_error, parse_url, redact, sqlite_file

HEARTBEAT_S = 60
# Generous: a live worker that is taken for dead crashes when it reports its result.
GRACE_S = 600

StaleCallback = Callable[[optuna.Study, FrozenTrial], None]

optuna.logging.set_verbosity(optuna.logging.ERROR)  # this program reports how trials end
warnings.filterwarnings("ignore", category=ExperimentalWarning)


@contextmanager
def writable_storage(url: str, *, on_stale: StaleCallback | None = None) -> Iterator[RDBStorage]:
    """The storage for a process that runs trials, created if it is missing.

    Leaving the block closes the database, so that its main file alone holds everything.

    Args:
        on_stale: called for each trial whose worker has sent no heartbeat for `GRACE_S` seconds.

    Raises:
        StudyError: the URL is not a database URL, or the database cannot be opened.
    """
    storage = _connect(
        parse_url(url),
        url,
        read_only=False,
        heartbeat_interval=HEARTBEAT_S,
        grace_period=GRACE_S,
        heartbeat_stale_trial_callback=on_stale,
    )
    try:
        yield storage
    finally:
        storage.remove_session()
        storage.engine.dispose()


def readable_storage(url: str, *, once: bool = False) -> RDBStorage:
    """The storage for a process that only reads: it never writes and never waits for a writer.

    Args:
        once: for a single read; leaves no SQLite side files behind if nobody is writing.

    Raises:
        StudyError: the storage does not exist or cannot be opened.
    """
    parsed = parse_url(url)
    if (path := sqlite_file(url)) is not None:
        if not path.is_file():
            raise StudyError(f"no studies at {url}; run one with: recsys-search start --study demo")
        parsed = parsed.set(
            database=f"file:{quote(str(path.resolve()))}",
            query={**parsed.query, "mode": "ro", "uri": "true", **_immutable_option(path, once)},
        )
    return _connect(parsed, url, read_only=True, skip_table_creation=True)


def _connect(parsed: URL, url: str, *, read_only: bool, **options: Any) -> RDBStorage:
    if not read_only:
        check_folder_exists(url)
    is_sqlite = parsed.get_backend_name() == "sqlite"
    engine = {"connect_args": {"timeout": 60}} if is_sqlite else {"pool_pre_ping": True}
    try:
        storage = RDBStorage(
            parsed.render_as_string(hide_password=False), engine_kwargs=engine, **options
        )
    except (
        sqlalchemy.exc.SQLAlchemyError,
        StorageInternalError,
        RuntimeError,
        ImportError,
    ) as error:
        raise StudyError(
            f"storage {redact(url)} cannot be opened: {describe_database_error(error)}"
        ) from None
    if is_sqlite:
        _harden(storage.engine, read_only=read_only)
    return storage


def _immutable_option(path: Path, once: bool) -> dict[str, str]:
    """`immutable` for a reader that cannot, or should not, create SQLite's side files."""
    has_log = path.with_name(f"{path.name}-wal").exists()
    may_create = os.access(path.parent, os.W_OK) and not once
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

    def on_begin(connection: sqlalchemy.Connection) -> None:
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    sqlalchemy.event.listen(engine, "connect", on_connect)
    sqlalchemy.event.listen(engine, "begin", on_begin)
    engine.dispose()  # drop connections that were made before the listeners
