"""Whether a database holds Optuna's tables, none, or those of another program."""

from __future__ import annotations

from typing import Any

import sqlalchemy
from optuna.storages._rdb.models import BaseModel
from sqlalchemy.engine import URL
from sqlalchemy.pool import NullPool

from ...errors import StorageError


def holds_studies(url: URL, name: str, options: dict[str, Any]) -> bool:
    """Whether the database has all of Optuna's tables.

    False for an empty one, and if creating the tables was cut off: that can be finished.

    Args:
        name: of the database, for messages.
        options: of SQLAlchemy's engine.

    Raises:
        StorageError: the tables are those of another program, or some are missing.
        SQLAlchemyError, ImportError: the database cannot be opened.
    """
    engine = sqlalchemy.create_engine(url, **options, poolclass=NullPool)
    with engine.connect() as connection:
        tables = sqlalchemy.inspect(connection)
        names = tables.get_table_names()
        has_version = _has_rows(connection, "version_info", names)
        has_revision = _has_rows(connection, "alembic_version", names)
        if has_version:
            missing = [each for each in BaseModel.metadata.tables if each not in names]
            if has_revision and missing:
                raise StorageError(
                    f"{name} is damaged: it has no table {missing[0]}; restore it from a copy"
                )
            return has_revision
        if not has_revision and not any(_is_foreign(tables, each) for each in names):
            return False
    raise StorageError(f"{name} is the database of another program; name another with --storage")


def _has_rows(connection: sqlalchemy.Connection, table: str, names: list[str]) -> bool:
    """Whether a table exists and is not empty."""
    if table not in names:
        return False
    count = connection.exec_driver_sql(f"SELECT COUNT(*) FROM {table}").scalar()
    return bool(count)


def _is_foreign(tables: sqlalchemy.Inspector, name: str) -> bool:
    """Whether a table is another program's.

    On a server, programs share a database, so only a table with a name of Optuna's matters.
    """
    ours = BaseModel.metadata.tables
    if name not in ours:
        return tables.dialect.name == "sqlite" and name != "alembic_version"
    columns = {column["name"] for column in tables.get_columns(name)}
    return columns != set(ours[name].columns.keys())
