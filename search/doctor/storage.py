"""Whether studies can be stored. Nothing is left behind of trying."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import TYPE_CHECKING

import sqlalchemy
from sqlalchemy.engine import make_url
from sqlalchemy.exc import NoSuchModuleError, OperationalError, SQLAlchemyError
from sqlalchemy.pool import NullPool

from ...base.files import check_writable, free_bytes, nearest_folder
from ...errors import StudyError
from ..storage.artifacts import artifact_folder
from ..storage.engines import readable_storage
from ..storage.urls import check_folder_exists, describe_database_error, redact, sqlite_file

if TYPE_CHECKING:
    from .examination import Plan

LEAST_FREE_BYTES = 200 * 10**6  # a hundred trials take a few MB, but no one writes there alone
TIMEOUT_S = 10  # for a database server to answer
MOUNTS = Path("/proc/mounts")

# SQLite's log is shared memory: two machines that have mounted one of these do not see the same.
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
    OperationalError: "start the server, or mend the URL's user, password, host, port or database",
    SQLAlchemyError: "let its user make tables there and write to them, or mend the URL",
}


def check_storage(plan: Plan) -> str:
    """What is at the plan's URL, where a study could write."""
    url = plan.storage_url
    check_folder_exists(url)
    path = sqlite_file(url)
    told = _check_server(url) if path is None else _check_file(url, path.absolute())
    artifacts = artifact_folder(url).absolute()
    check_writable(artifacts if artifacts.exists() else artifacts.parent)
    return told


def check_file_system(plan: Plan) -> str:
    """The kind of file system that SQLite's file is on, or is to be on."""
    path = sqlite_file(plan.storage_url)
    if path is None:
        return "none needed: the studies are on a database server"
    if not MOUNTS.is_file():
        return "unknown on this system; SQLite needs a local disk"
    kind = file_system(path.resolve(), MOUNTS.read_text())
    if kind in NETWORK_FILE_SYSTEMS:
        raise StudyError(
            f"{path} is on {kind}, where SQLite can lose what several processes write; "
            f"name a file on a local disk with --storage, or {_POSTGRES}"
        )
    return kind


def check_storage_room(plan: Plan) -> str:
    """The room left for the database and the epoch reports."""
    folder = artifact_folder(plan.storage_url).absolute().parent
    free = free_bytes(folder)
    if free < LEAST_FREE_BYTES:
        raise StudyError(
            f"{free / 1e6:.0f} MB left in {folder}, and a study needs "
            f"{LEAST_FREE_BYTES / 1e6:.0f} MB; make room, or name another folder with --storage"
        )
    return f"{free / 1e9:.1f} GB left in {nearest_folder(folder)}"


def file_system(path: Path, mounts: str) -> str:
    """The kind of file system an absolute path is on.

    Args:
        mounts: the text of /proc/mounts.
    """
    found, depth = "unknown", 0
    for line in mounts.splitlines():
        _, escaped, kind, *_ = line.split(" ")
        folder = Path(re.sub(r"\\(\d{3})", lambda code: chr(int(code[1], 8)), escaped))
        # A later one at the same place lies over the earlier one.
        if path.is_relative_to(folder) and len(folder.parts) >= depth:
            found, depth = kind, len(folder.parts)
    return found


def _check_file(url: str, path: Path) -> str:
    check_writable(path.parent)
    if not path.exists() or (path.is_file() and not path.stat().st_size):
        return f"{url} is not there yet, and can be made"
    if not path.is_file():
        raise StudyError(f"{path} is no file; name another with --storage")
    if not os.access(path, os.W_OK):
        raise StudyError(
            f"{path} may not be written; ask its owner, or name another with --storage"
        )
    try:
        _check_schema(url)
    except StudyError as error:
        if "no such table" not in str(error):
            raise
        raise StudyError(
            f"{path} is another program's database; name another file with --storage"
        ) from None
    return f"{url} is there, and can be written"


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
        return f"{redact(url)} has tables for studies, and they can be written"
    return f"{redact(url)} answers, and holds no studies yet"


def _try_to_write(connection: sqlalchemy.Connection) -> bool:
    """Whether there are tables for studies; a write that may not be done raises."""
    if sqlalchemy.inspect(connection).has_table("version_info"):
        for table, column in (("studies", "study_name"), ("trials", "number")):
            # No row, but all of the rights.
            connection.exec_driver_sql(
                f"INSERT INTO {table} ({column}) SELECT {column} FROM {table} WHERE 1 = 0"
            )
        return True
    # Elsewhere a table that is made cannot be taken back.
    if connection.dialect.name == "postgresql":
        connection.exec_driver_sql("CREATE TABLE recsys_search_doctor (n INTEGER)")
    return False


def _check_schema(url: str) -> None:
    """Refuses tables of another Optuna."""
    storage = readable_storage(url, once=True)
    storage.remove_session()
    storage.engine.dispose()
