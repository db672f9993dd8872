"""Checks of the storage; they leave nothing behind."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ...base.files import check_writable, free_bytes, nearest_folder
from ...errors import StudyError
from ..storage.artifacts import artifact_folder
from ..storage.database import readable_storage
from ..storage.urls import check_folder_exists, describe_database_error, redact, sqlite_file

if TYPE_CHECKING:
    from .examination import Plan

MIN_FREE_BYTES = 200 * 10**6  # a hundred trials take a few MB, but others write there too
TIMEOUT_S = 10  # for a database server to answer

# SQLite's log is in shared memory, which machines with a common network mount do not share.
NETWORK_FILE_SYSTEMS = {
    "9p",
    "afs",
    "beegfs",
    "ceph",
    "cifs",
    "fuse.ceph",
    "fuse.gcsfuse",
    "fuse.glusterfs",
    "fuse.rclone",
    "fuse.s3fs",
    "fuse.sshfs",
    "gpfs",
    "lustre",
    "nfs",
    "nfs4",
    "smb3",
    "smbfs",
}

_DRIVERS_WITH_TIMEOUT = {"psycopg", "psycopg2", "pymysql", "mysqldb"}
_POSTGRES = "postgresql+psycopg://USER:PASSWORD@HOST/DATABASE"
_REMEDIES: dict[type[Exception], str] = {
    NoSuchModuleError: f"write sqlite:///studies.db or {_POSTGRES}",
    ImportError: f"pip install 'psycopg[binary]' and write {_POSTGRES}",
    OperationalError: (
        "start the server, or correct the URL's user, password, host, port or database"
    ),
    SQLAlchemyError: "allow its user to create tables and write to them, or correct the URL",
}


def check_storage(plan: Plan) -> str:
    """What the plan's URL holds, and whether a study can write there."""
    url = plan.storage_url
    check_folder_exists(url)
    path = sqlite_file(url)
    detail = _check_server(url) if path is None else _check_file(url, path.absolute())
    artifacts = artifact_folder(url).absolute()
    check_writable(artifacts if artifacts.exists() else artifacts.parent)
    return detail


def check_file_system(plan: Plan) -> str:
    """The type of the file system that holds, or would hold, SQLite's file."""
    path = sqlite_file(plan.storage_url)
    if path is None:
        return "not needed: the studies are on a database server"
    kind = file_system(path.resolve())
    if kind is None:
        return "unknown on this system; SQLite needs a local disk"
    if kind in NETWORK_FILE_SYSTEMS:
        raise StudyError(
            f"{path} is on {kind}, where SQLite can lose writes by several processes; "
            f"name a file on a local disk with --storage, or {_POSTGRES}"
        )
    return kind


def check_storage_room(plan: Plan) -> str:
    """The disk space left for the database and the epoch reports."""
    folder = artifact_folder(plan.storage_url).absolute().parent
    free = free_bytes(folder)
    if free < MIN_FREE_BYTES:
        raise StudyError(
            f"{free / 1e6:.0f} MB left in {folder}, and a study needs "
            f"{MIN_FREE_BYTES / 1e6:.0f} MB; free some space, or name another folder with --storage"
        )
    return f"{free / 1e9:.1f} GB left in {nearest_folder(folder)}"


def file_system(path: Path) -> str | None:
    """The type of the file system that an absolute path is on; None if it is unknown."""
    kind, depth = None, 0
    for partition in psutil.disk_partitions(all=True):
        mount = Path(partition.mountpoint)
        # A later mount at the same place hides the earlier one.
        if path.is_relative_to(mount) and len(mount.parts) >= depth:
            kind, depth = partition.fstype, len(mount.parts)
    return kind


def _check_file(url: str, path: Path) -> str:
    check_writable(path.parent)
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return f"{url} does not exist yet, and can be created"
    if not path.is_file():
        raise StudyError(f"{path} is not a file; name another with --storage")
    if not os.access(path, os.W_OK):
        raise StudyError(f"{path} is not writable; ask its owner, or name another with --storage")
    try:
        _check_schema(url)
    except StudyError as error:
        if "no such table" not in str(error):
            raise
        raise StudyError(
            f"{path} is the database of another program; name another file with --storage"
        ) from None
    return f"{url} exists, and can be written"


def _check_server(url: str) -> str:
    try:
        driver = make_url(url).get_driver_name()
        timeout = {"connect_timeout": TIMEOUT_S} if driver in _DRIVERS_WITH_TIMEOUT else {}
        engine = sqlalchemy.create_engine(url, poolclass=NullPool, connect_args=timeout)
        with engine.connect() as connection:
            holds_studies = _try_to_write(connection)
            connection.rollback()
    except (SQLAlchemyError, ImportError) as error:
        remedy = next(text for kind, text in _REMEDIES.items() if isinstance(error, kind))
        raise StudyError(
            f"storage {redact(url)} cannot be used: {describe_database_error(error)}; {remedy}"
        ) from None
    if holds_studies:
        _check_schema(url)
        return f"{redact(url)} has tables for studies that can be written"
    return f"{redact(url)} answers, but holds no studies yet"


def _try_to_write(connection: sqlalchemy.Connection) -> bool:
    """Whether there are tables for studies; raises if they cannot be written."""
    if sqlalchemy.inspect(connection).has_table("version_info"):
        for table, column in (("studies", "study_name"), ("trials", "number")):
            # Inserts no row, but needs all the rights.
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE 1 = 0"
            )
        return True
    # Only here can a new table be rolled back.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("CREATE TABLE recsys_search_doctor (n INTEGER)")
    return False


def _check_schema(url: str) -> None:
    """Refuse tables of another version of Optuna."""
    storage = readable_storage(url, once=True)
    storage.remove_session()
    storage.engine.dispose()
