"""A lock in a database server, which holds a name for one process on any machine."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256

import sqlalchemy
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.pool import NullPool

from .failures import opening_error
from .urls import parse_url

# By SQLAlchemy's name of the backend: whether the lock with this key is now this session's. The
# server releases it when the connection ends, however that happens.
_TRY = {
    "postgresql": "SELECT pg_try_advisory_lock(:number)",
    "mysql": "SELECT GET_LOCK(:text, 0)",
    "mariadb": "SELECT GET_LOCK(:text, 0)",
}
_WAIT = {
    "postgresql": "SELECT pg_advisory_lock(:number) IS NOT NULL",
    "mysql": "SELECT GET_LOCK(:text, -1)",
    "mariadb": "SELECT GET_LOCK(:text, -1)",
}


@contextmanager
def server_lock(url: str, name: str, *, wait: bool = False) -> Iterator[bool]:
    """Hold a name on a database server; does nothing for SQLite and unknown servers.

    Args:
        wait: for another process that holds it.

    Yields:
        Whether it is held; always with `wait`.

    Raises:
        StorageError: the server cannot be reached.
    """
    parsed = parse_url(url)
    acquire = (_WAIT if wait else _TRY).get(parsed.get_backend_name())
    if acquire is None:
        yield True
        return
    digest = sha256(f"recsys-search {name}".encode()).digest()
    key = {"number": int.from_bytes(digest[:8], signed=True), "text": digest.hex()[:60]}
    engine = sqlalchemy.create_engine(parsed, poolclass=NullPool, isolation_level="AUTOCOMMIT")
    try:
        connection = engine.connect()
        is_ours = connection.execute(sqlalchemy.text(acquire), key).scalar()
    except (SQLAlchemyError, ImportError) as error:
        raise opening_error(url, error) from None
    try:
        yield bool(is_ours)
    finally:
        with suppress(SQLAlchemyError):  # the server has gone, and the lock with it
            connection.close()
