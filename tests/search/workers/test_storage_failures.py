"""A storage that fails: the error gives the cause and a remedy, and the next start continues."""

from __future__ import annotations

import os
import sqlite3
import threading
from contextlib import closing

import optuna
import pytest
import sqlalchemy
from optuna.storages import RDBStorage
from recsys_search.errors import StorageError
from recsys_search.search.results.overview import list_studies
from recsys_search.search.running import objective
from recsys_search.search.storage import database
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.studies import SPEC, create_study
from recsys_search.search.workers import patience

AGAIN = "then run the command again to continue"


@pytest.fixture
def engines(monkeypatch):
    """The engines that write, oldest first."""
    engines, connect = [], database._connect

    def connect_and_keep(*args, read_only, **options):
        storage = connect(*args, read_only=read_only, **options)
        if not read_only:
            engines.append(storage.engine)
        return storage

    monkeypatch.setattr(database, "_connect", connect_and_keep)
    return engines


@pytest.fixture
def fill_disk(engines):
    """Lets the database grow no further: SQLite then fails as on a full disk."""

    def fill_disk():
        def limit(connection, *_):
            n_pages = connection.execute("PRAGMA page_count").fetchone()[0]
            connection.execute(f"PRAGMA max_page_count={n_pages}")

        sqlalchemy.event.listen(engines[-1], "checkout", limit)

    return fill_disk


@pytest.fixture
def in_training(monkeypatch):
    """`in_training(action)`: act once, when the next trial begins to train.

    What the trial stores next does not fit into the pages that the database has.
    """
    environment, actions = objective.current_environment, []

    def act(**options):
        large = {"filler": "x" * 20_000} if actions else {}
        while actions:
            actions.pop()()
        return {**environment(**options), **large}

    monkeypatch.setattr(objective, "current_environment", act)
    return actions.append


def check_continues(workplace, study, n_interrupted=1):
    """The next start runs the trial again; it counts once."""
    reader = workplace.start(study)
    status = reader.status()
    assert (status["done"], status["complete"], status["failed"]) == (2, 2, 0)
    assert (status["interrupted"], status["running"], status["waiting"]) == (n_interrupted, 0, 0)
    assert [trial["retry_of"] for trial in reader.trials()] == [None, 0, None]


def test_a_full_disk_ends_the_start_with_the_databases_words(workplace, in_training, fill_disk):
    study = workplace.write_study()
    in_training(fill_disk)
    with pytest.raises(StorageError) as caught:
        workplace.start(study)
    assert str(caught.value) == (
        f"storage {workplace.storage} cannot be written: database or disk is full; "
        f"free some space, {AGAIN}"
    )
    [trial] = workplace.read().trials()
    assert (trial["state"], trial["stop_reason"]) == ("interrupted", "interrupted")
    assert trial["reason"] == "the storage failed: database or disk is full"
    status = workplace.read().status()
    assert (status["done"], status["failed"], status["waiting"]) == (0, 0, 1)
    check_continues(workplace, study)


def test_a_result_that_does_not_fit_is_trained_again(workplace, fill_disk, monkeypatch):
    """Optuna says "AssertionError: Should not reach." where the end of a trial is not stored."""
    end_trial = RDBStorage.set_trial_state_values

    def on_a_full_disk(self, trial_id, state, values=None):
        if state.is_finished():
            fill_disk()
            self.set_trial_user_attr(trial_id, "filler", "x" * 100_000)
        return end_trial(self, trial_id, state, values)

    study = workplace.write_study()
    with monkeypatch.context() as patch, pytest.raises(StorageError) as caught:
        patch.setattr(RDBStorage, "set_trial_state_values", on_a_full_disk)
        workplace.start(study)
    assert f"database or disk is full; free some space, {AGAIN}" in str(caught.value)
    check_continues(workplace, study)
    first = workplace.read().trials()[0]
    assert (first["state"], first["epochs"]) == ("interrupted", 2)
    assert first["reason"].startswith("its process ended before its result was stored: ")


def test_storage_failures_are_not_the_failures_that_end_a_study(workplace, in_training, fill_disk):
    study = workplace.write_study(trials=1)
    for _ in range(4):
        in_training(fill_disk)
        with pytest.raises(StorageError, match="disk is full"):
            workplace.start(study)
    status = workplace.start(study).status()
    assert (status["done"], status["complete"], status["interrupted"]) == (1, 1, 4)


@pytest.fixture
def lock(workplace):
    """Takes and gives back SQLite's lock, as another program does."""
    path = workplace.folder / "studies.db"
    with closing(sqlite3.connect(path, isolation_level=None, check_same_thread=False)) as other:
        yield lambda held: other.execute("BEGIN IMMEDIATE" if held else "ROLLBACK")


def test_a_lock_that_is_held_too_long_is_waited_for_once(workplace, in_training, lock, monkeypatch):
    waits = []
    begin = database.sqlalchemy.Connection.exec_driver_sql

    def count(self, statement, *args, **options):
        if statement.startswith("PRAGMA busy_timeout"):
            waits.append(statement)
        return begin(self, statement, *args, **options)

    study = workplace.write_study()
    monkeypatch.setattr(database, "LOCK_TIMEOUT_S", 1)
    monkeypatch.setattr(database.sqlalchemy.Connection, "exec_driver_sql", count)
    in_training(lambda: (lock(True), waits.clear()))
    with pytest.raises(StorageError) as caught:
        workplace.start(study)
    assert str(caught.value) == (
        f"storage {workplace.storage} cannot be written: database is locked; wait for the other "
        f"program that is using it, or end that program, {AGAIN}"
    )
    assert waits[0] == "PRAGMA busy_timeout=1000"
    assert set(waits[1:]) == {"PRAGMA busy_timeout=0"}
    lock(False)
    check_continues(workplace, study)


def test_a_lock_that_is_given_back_in_time_is_not_noticed(workplace, in_training, lock):
    def hold_briefly():
        lock(True)
        threading.Timer(0.3, lock, [False]).start()

    in_training(hold_briefly)
    status = workplace.start(workplace.write_study(trials=1)).status()
    assert (status["complete"], status["interrupted"]) == (1, 0)


@pytest.mark.filterwarnings("ignore:Heartbeat of storage")
def test_a_database_that_becomes_read_only_is_reported(workplace, in_training, engines):
    def protect():
        def refuse_writes(connection, *_):
            connection.execute("PRAGMA query_only=1")

        sqlalchemy.event.listen(engines[-1], "checkout", refuse_writes)

    study = workplace.write_study()
    in_training(protect)
    with pytest.raises(StorageError) as caught:
        workplace.start(study)
    assert str(caught.value) == (
        f"storage {workplace.storage} cannot be written: attempt to write a readonly database; ask "
        f"its owner for write access, or name another with --storage, {AGAIN}"
    )
    check_continues(workplace, study)


@pytest.fixture
def server(postgres):
    """A database of its own on the server, and a function that lets clients in or throws them out.

    Like a server that stops, but the other tests' connections stay.
    """
    engine = sqlalchemy.create_engine(
        postgres, isolation_level="AUTOCOMMIT", poolclass=sqlalchemy.NullPool
    )

    def run_sql(*statements):
        with engine.connect() as connection:
            for each in statements:
                connection.exec_driver_sql(each)

    def admit(clients):
        run_sql(f"ALTER DATABASE unsteady ALLOW_CONNECTIONS {clients}")
        if not clients:
            run_sql(
                "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'unsteady'"
            )

    run_sql("DROP DATABASE IF EXISTS unsteady WITH (FORCE)", "CREATE DATABASE unsteady")
    url = sqlalchemy.make_url(postgres).set(database="unsteady")
    return url.render_as_string(hide_password=False), admit


def test_a_server_that_goes_away_ends_the_start_and_the_next_one_continues(
    workplace, in_training, server, monkeypatch
):
    monkeypatch.chdir(workplace.folder)
    workplace.storage, admit = server
    study = workplace.write_study()
    in_training(lambda: admit(False))
    with pytest.raises(StorageError) as caught:
        workplace.start(study)
    assert "cannot be written: connection failed: " in str(caught.value)
    assert str(caught.value).endswith(f"; start the server again, {AGAIN}")
    for read in (workplace.read, lambda: workplace.start("small")):
        with pytest.raises(StorageError, match="cannot be opened: connection failed: "):
            read()
    admit(True)
    check_continues(workplace, study)  # though the process that ran the trial is still there


class Failure:
    """A database that fails from `begin` to `end`."""

    def __init__(self):
        self._is_on = False

    def begin(self, engine):
        self._is_on = True
        sqlalchemy.event.listen(engine, "begin", self._fail)

    def end(self):
        self._is_on = False

    def _fail(self, connection):
        if self._is_on:
            cause = sqlite3.OperationalError("disk I/O error")
            cause.sqlite_errorcode = sqlite3.SQLITE_IOERR
            raise sqlalchemy.exc.OperationalError("BEGIN", {}, cause)


def test_a_server_that_comes_back_in_time_is_waited_for(
    workplace, in_training, server, recorder, monkeypatch
):
    monkeypatch.chdir(workplace.folder)
    monkeypatch.setattr(patience, "FIRST_PAUSE_S", 0.1)
    workplace.storage, admit = server
    pauses = []

    def pause(self, seconds):
        pauses.append(seconds)
        if len(pauses) == 3:
            admit(True)

    monkeypatch.setattr(patience.StoragePatience, "_pause", pause)
    in_training(lambda: admit(False))
    listener = recorder()
    reader = workplace.start(workplace.write_study(), listener, storage_patience="10m")
    status = reader.status()
    assert (status["done"], status["complete"], status["interrupted"]) == (2, 2, 1)
    assert pauses == pytest.approx([0.1, 0.2, 0.4])
    waiting, back = [note for note in listener.notices if "the storage" in note]
    assert waiting.startswith("the storage failed: connection failed: ")
    assert "; waiting for it, up to 10m (start the server" in waiting
    assert back == "the storage works again"
    assert [(event.kind, event.is_over) for event in listener.trouble] == [
        ("storage", False),
        ("storage", True),
    ]


def test_a_trial_goes_on_where_the_storage_failed(workplace, engines, recorder, monkeypatch):
    base = {**workplace.base, "max_epochs": 4}
    expected = workplace.start(workplace.write_study("whole", base=base, trials=1))
    failure = Failure()

    def at_epoch(number, report):
        if number == 0 and report.epoch == 2:
            failure.begin(engines[-1])

    monkeypatch.setattr(patience.StoragePatience, "_pause", lambda self, s: failure.end())
    study = workplace.write_study(base=base, trials=1)
    reader = workplace.start(study, recorder(at_epoch), storage_patience="10m")
    first, second = reader.trials()
    assert (first["state"], second["state"]) == ("interrupted", "complete")
    assert second["resumed_from_epoch"] == 2, "trained, but not judged yet"
    assert second["val_rmse"] == expected.trials()[0]["val_rmse"]


def test_patience_ends_after_its_time(workplace, in_training, engines, monkeypatch):
    clock, failure = [0.0], Failure()
    monkeypatch.setattr(patience, "monotonic", lambda: clock[0])

    def pause(self, seconds):
        clock[0] += seconds

    monkeypatch.setattr(patience.StoragePatience, "_pause", pause)
    in_training(lambda: failure.begin(engines[-1]))
    with pytest.raises(StorageError, match="disk I/O error; check its disk"):
        workplace.start(workplace.write_study(), storage_patience="2m")
    assert clock[0] == pytest.approx(120)


def test_a_trial_without_a_process_is_run_again(workplace):
    """An earlier version stored the process only after the claim, and a crash came in between."""
    study = workplace.write_study()
    workplace.start(study, trials=1)
    with writable_storage(workplace.storage) as storage:
        optuna.load_study(study_name="small", storage=storage).ask()
    status = workplace.read().status()
    assert (status["running"], status["interrupted"]) == (0, 1)
    assert status["note"] == "trial 1 was interrupted; it waits to be resumed"
    reason = workplace.read().trials()[1]["reason"]
    assert reason.endswith("or the storage failed; it waits to be resumed")
    assert workplace.start(study).status()["complete"] == 2
    assert workplace.read().trials()[2]["retry_of"] == 1
    assert workplace.read().status()["note"] is None


# A start that is refused leaves nothing behind.


def everything_in(folder):
    """The contents of all files, but for SQLite's log, which readers create too."""
    return {
        path: path.is_file() and path.read_bytes()
        for path in folder.rglob("*")
        if not path.name.endswith(("-wal", "-shm"))
    }


def check_refused(workplace, study, message):
    before = everything_in(workplace.folder)
    with pytest.raises(Exception) as caught:
        workplace.start(study)
    assert str(caught.value) == message
    assert everything_in(workplace.folder) == before


def test_start_by_name_tells_why_the_storage_cannot_be_read(workplace):
    (workplace.folder / "studies.db").write_bytes(b"no database at all" * 100)
    check_refused(
        workplace,
        "small",
        f"storage {workplace.storage} cannot be opened: file is not a database; restore the file "
        "from a copy, or name another with --storage",
    )


def test_a_read_only_folder(workplace, monkeypatch):
    def refuse(dir):
        raise PermissionError(13, "Permission denied")

    study = workplace.write_study()
    monkeypatch.setattr("recsys_search.base.files.TemporaryFile", refuse)
    check_refused(
        workplace,
        study,
        f"folder {workplace.folder} cannot be written: Permission denied; choose another folder, "
        "or ask its owner for write access",
    )


def test_another_users_database(workplace, monkeypatch):
    study = workplace.write_study()
    with writable_storage(workplace.storage):
        pass
    monkeypatch.setattr(os, "access", lambda path, mode: False)
    check_refused(
        workplace,
        study,
        f"{workplace.folder}/studies.db is not writable; ask its owner, or name another with "
        "--storage",
    )


def test_a_disk_that_is_full_from_the_start(workplace, monkeypatch):
    def full(*args, **options):
        (workplace.folder / "studies.db").touch()
        cause = sqlite3.OperationalError("database or disk is full")
        cause.sqlite_errorcode = sqlite3.SQLITE_FULL
        raise sqlalchemy.exc.OperationalError("CREATE TABLE", {}, cause)

    study = workplace.write_study()
    monkeypatch.setattr(database, "TableStorage", full)
    check_refused(
        workplace,
        study,
        f"storage {workplace.storage} cannot be opened: database or disk is full; free some space",
    )


# Studies of other programs.


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
@pytest.mark.parametrize("by_name", [False, True])
def test_another_programs_study_is_refused_even_without_trials(workplace, direction, by_name):
    with writable_storage(workplace.storage) as storage:
        optuna.create_study(study_name="small", storage=storage, direction=direction)
    study = "small" if by_name else workplace.write_study()
    check_refused(
        workplace,
        study,
        f"{workplace.storage} holds a study named small that another program created; give the "
        "file another name, or choose another --storage",
    )


def test_a_study_is_ours_from_its_first_moment_on(workplace, monkeypatch):
    """A crash right after the creation leaves a study that the next start finishes."""

    class Crash(BaseException):
        pass

    def crash(*args, **options):
        raise Crash

    study = workplace.write_study(known=[{"name": "a"}], trials=1)
    with monkeypatch.context() as patch, pytest.raises(Crash):
        patch.setattr(optuna, "load_study", crash)
        workplace.start(study)
    [stored] = readable_storage(workplace.storage).get_all_studies()
    assert SPEC in stored.system_attrs
    assert [trial["known_config"] for trial in workplace.start(study).trials()] == ["a"]


def test_creating_a_study_twice_keeps_the_first(tmp_path):
    with writable_storage(f"sqlite:///{tmp_path}/studies.db") as storage:
        for value in ("first", "second"):
            create_study("small", "minimize", {"key": value}, storage)
        [study] = storage.get_all_studies()
    assert study.system_attrs == {"key": "first"}
    assert study.direction == optuna.study.StudyDirection.MINIMIZE


def test_our_study_is_created_next_to_those_of_others(workplace):
    with writable_storage(workplace.storage) as storage:
        optuna.create_study(study_name="theirs", storage=storage, direction="maximize")
    workplace.start(workplace.write_study(trials=1))
    assert [study["study"] for study in list_studies(workplace.storage)] == ["small"]


# The total.


def test_a_finished_study_says_how_to_get_more_trials(workplace, recorder):
    study = workplace.write_study()
    workplace.start(study)
    listener = recorder()
    workplace.start(study, listener)
    assert listener.notices == [
        "all 2 trials of small are done; for more: recsys-search start --study small "
        f"--storage {workplace.storage} --trials 12"
    ]


def test_a_total_below_what_is_done_is_reported_and_not_kept(workplace, recorder):
    study = workplace.write_study()
    workplace.start(study)
    listener = recorder()
    status = workplace.start(study, listener, trials=1).status()
    assert (status["done"], status["total"]) == (2, 2)
    assert listener.notices == [
        "2 trials of small are done, more than the total of 1; for more: recsys-search start "
        f"--study small --storage {workplace.storage} --trials 12"
    ]
