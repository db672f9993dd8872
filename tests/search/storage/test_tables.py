"""Whose tables a database holds: those of another program are left alone."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing

import pytest
import sqlalchemy
from alembic.migration import MigrationContext
from optuna.storages._rdb.models import BaseModel
from recsys_search.errors import NothingYet, StorageError
from recsys_search.search.results.overview import list_studies
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.tables import TRIAL_DETAILS


@pytest.fixture
def path(tmp_path):
    return tmp_path / "studies.db"


@pytest.fixture
def url(path):
    return f"sqlite:///{path}"


def run_sql(path, *statements):
    with closing(sqlite3.connect(path)) as connection, connection:
        return [connection.execute(each).fetchall() for each in statements]


def open_for_writing(url):
    with writable_storage(url):
        pass


FOREIGN = [
    "CREATE TABLE bookmarks (url TEXT)",
    "CREATE TABLE studies (title TEXT)",  # Optuna has a table of that name, with other columns
]


@pytest.mark.parametrize("table", FOREIGN)
@pytest.mark.parametrize("use", [open_for_writing, readable_storage])
def test_another_programs_file_is_refused_and_not_changed(path, url, table, use):
    run_sql(path, table)
    before = path.read_bytes()
    with pytest.raises(StorageError) as caught:
        use(url)
    assert str(caught.value) == (
        f"{path} is the database of another program; name another with --storage"
    )
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_storage(path, url):
    path.touch()
    with pytest.raises(NothingYet):
        readable_storage(url)
    open_for_writing(url)
    assert list_studies(url) == []


@pytest.mark.parametrize("n_tables", [1, 5, None])
def test_a_creation_that_was_cut_off_is_finished(path, url, n_tables):
    """A crash leaves the first tables, or all of them but no version."""
    open_for_writing(url)
    [[*tables]] = run_sql(path, "SELECT sql FROM sqlite_master WHERE type = 'table'")
    path.unlink()
    run_sql(path, *(sql for (sql,) in tables[:n_tables]))
    with pytest.raises(NothingYet):
        readable_storage(url)
    open_for_writing(url)
    assert list_studies(url) == []


def test_a_crash_in_the_middle_of_a_write_is_rolled_back_by_a_reader(path, url, tmp_path):
    """Outside of WAL mode, SQLite then leaves a journal that a read-only reader cannot use."""
    open_for_writing(url)
    crashed = tmp_path / "crashed.db"
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("PRAGMA journal_mode=DELETE")
        connection.execute("PRAGMA cache_size=1")  # spills into the file before the commit
        connection.execute("BEGIN IMMEDIATE")
        connection.execute("CREATE TABLE junk AS SELECT zeroblob(100000) AS x")
        connection.execute("DELETE FROM version_info")
        shutil.copy(path, crashed)
        shutil.copy(f"{path}-journal", f"{crashed}-journal")
    assert list_studies(f"sqlite:///{crashed}") == []


def test_the_tables_of_another_optuna_are_refused_with_both_remedies(path, url):
    open_for_writing(url)
    run_sql(
        path,
        "UPDATE alembic_version SET version_num = 'v0.9.0.a'",
        "UPDATE version_info SET library_version = '0.9.0'",
    )
    for use in (open_for_writing, readable_storage):
        with pytest.raises(StorageError, match="no longer compatible with the table schema") as no:
            use(url)
        assert str(no.value).endswith(
            "; upgrade the tables with optuna storage upgrade --storage URL, or Optuna with pip "
            "install -U optuna, or name another with --storage"
        )


@pytest.fixture
def empty_server(postgres):
    """The URL of a separate PostgreSQL database without tables."""
    server = sqlalchemy.create_engine(postgres, isolation_level="AUTOCOMMIT")
    with server.connect() as connection:
        connection.exec_driver_sql("DROP DATABASE IF EXISTS for_tables WITH (FORCE)")
        connection.exec_driver_sql("CREATE DATABASE for_tables")
    server.dispose()
    url = sqlalchemy.make_url(postgres).set(database="for_tables")
    return url.render_as_string(hide_password=False)


def test_a_server_is_shared_with_other_programs_but_not_a_table(empty_server):
    engine = sqlalchemy.create_engine(empty_server, poolclass=sqlalchemy.NullPool)
    with pytest.raises(NothingYet, match="no studies in postgresql"):
        list_studies(empty_server)
    with engine.begin() as connection:
        connection.exec_driver_sql(FOREIGN[1])
    with pytest.raises(StorageError, match="is the database of another program; name another"):
        open_for_writing(empty_server)
    assert sqlalchemy.inspect(engine).get_table_names() == ["studies"]
    with engine.begin() as connection:
        connection.exec_driver_sql("DROP TABLE studies")
        connection.exec_driver_sql(FOREIGN[0])
    open_for_writing(empty_server)
    assert list_studies(empty_server) == []


@pytest.mark.parametrize("use", [open_for_writing, readable_storage])
def test_a_missing_table_is_damage(path, url, use):
    open_for_writing(url)
    run_sql(path, "DROP TABLE trial_values")
    with pytest.raises(StorageError) as caught:
        use(url)
    assert str(caught.value) == (
        f"{path} is damaged: it has no table trial_values; restore it from a copy"
    )


def test_no_table_of_what_a_trial_has_is_left_out():
    tables = BaseModel.metadata.tables.values()
    of_trials = {table.name for table in tables if "trial_id" in table.columns} - {"trials"}
    assert {model.__tablename__ for model in TRIAL_DETAILS} == of_trials


@pytest.fixture
def alembic_calls(monkeypatch):
    """A list that grows each time that alembic looks at a database."""
    calls = []
    configure = MigrationContext.configure
    monkeypatch.setattr(
        MigrationContext, "configure", lambda *args: (calls.append(args), configure(*args))[1]
    )
    return calls


def test_tables_of_this_version_of_optuna_are_read_without_alembic(url, alembic_calls):
    open_for_writing(url)
    assert alembic_calls  # it creates them
    alembic_calls.clear()
    readable_storage(url)
    open_for_writing(url)
    assert not alembic_calls


@pytest.mark.parametrize("statement", ["DROP TABLE alembic_version", "DELETE FROM alembic_version"])
def test_tables_whose_version_was_not_stored_before_a_crash_get_one(path, url, statement):
    open_for_writing(url)
    run_sql(path, statement)
    open_for_writing(url)
    assert run_sql(path, "SELECT count(*) FROM alembic_version") == [[(1,)]]


def test_tables_of_another_version_of_optuna_are_refused(path, url):
    open_for_writing(url)
    run_sql(
        path,
        "UPDATE version_info SET library_version = '9.0.0'",
        "UPDATE alembic_version SET version_num = 'v9.0.0.a'",
    )
    with pytest.raises(StorageError, match=r"optuna 9\.0\.0"):
        readable_storage(url)
