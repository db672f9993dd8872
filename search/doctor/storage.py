"""Checks of the storage; they leave nothing behind."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import psutil
import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ...base.files import free_bytes, nearest_folder
from ...base.folders import LocalFolder
from ...errors import NothingYet, StudyError
from ..storage.access import check_can_write
from ..storage.artifacts import artifact_folder, open_artifacts
from ..storage.database import readable_storage
from ..storage.failures import POSTGRES_URL, opening_error
from ..storage.urls import parse_url, redact, sqlite_file

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


def check_storage(plan: Plan) -> str:
    """What the plan's URL holds, and whether a study can write there."""
    url = plan.storage_url
    check_can_write(url)
    return _check_server(url) if sqlite_file(url) is None else _check_file(url)


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
            f"name a file on a local disk with --storage, or {POSTGRES_URL}"
        )
    return kind


def check_storage_room(plan: Plan) -> str:
    """The disk space left for the database and the epoch reports."""
    folders = [artifact_folder(plan.storage_url).absolute().parent]
    if isinstance(artifacts := open_artifacts(plan.storage_url), LocalFolder):
        folders.append(artifacts.path.absolute())
    folder = min(folders, key=free_bytes)
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


def _check_file(url: str) -> str:
    try:
        _check_schema(url)
    except NothingYet:
        return f"{url} does not exist yet, and can be created"
    return f"{url} exists, and can be written"


def _check_server(url: str) -> str:
    try:
        parsed = parse_url(url)
        driver = parsed.get_driver_name()
        timeout = {"connect_timeout": TIMEOUT_S} if driver in _DRIVERS_WITH_TIMEOUT else {}
        engine = sqlalchemy.create_engine(parsed, poolclass=NullPool, connect_args=timeout)
        with engine.connect() as connection:
            holds_studies = _try_to_write(connection)
            connection.rollback()
    except (SQLAlchemyError, ImportError) as error:
        raise opening_error(url, error) from None
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
