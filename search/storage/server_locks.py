"""A lock in a database server, which holds a study for one process on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from ...errors import StudyError
from .failures import opening_error
from .urls import parse_url

# By SQLAlchemy's name of the backend: whether the lock with this key is now this session's. The
# server releases it when the connection ends, however that happens.
_ACQUIRE = {
    "postgresql": "SELECT pg_try_advisory_lock(:number)",
    "mysql": "SELECT GET_LOCK(:text, 0)",
    "mariadb": "SELECT GET_LOCK(:text, 0)",
}


@contextmanager
def server_lock(url: str, study: str) -> Iterator[None]:
    """Hold the study on its database server; does nothing for SQLite and unknown servers.

    Raises:
        StudyError: another process holds it.
        StorageError: the server cannot be reached.
    """
    parsed = parse_url(url)
    acquire = _ACQUIRE.get(parsed.get_backend_name())
    if acquire is None:
        yield
        return
    digest = sha256(f"recsys-search {study}".encode()).digest()
    key = {"number": int.from_bytes(digest[:8], signed=True), "text": digest.hex()[:60]}
    engine = sqlalchemy.create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
        is_ours = connection.execute(sqlalchemy.text(acquire), key).scalar()
    except (SQLAlchemyError, ImportError) as error:
        raise opening_error(url, error) from None
    try:
        if not is_ours:
            raise StudyError(
                f"study {study} is being run by another process, perhaps on another machine; wait "
                "for it, or stop it with Ctrl-C, and start again"
            )
        yield
    finally:
        with suppress(SQLAlchemyError):  # the server has gone, and the lock with it
            connection.close()
