"""The database behind the studies."""

from __future__ import annotations

import json
import shutil
import sqlite3
import sys
from contextlib import closing
from time import monotonic

import optuna
import pytest
from optuna.study import StudyDirection
from recsys_search.errors import NothingYet, StorageError, StudyError
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.results.overview import list_studies
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.storage.artifacts import artifact_store
from recsys_search.search.storage.database import readable_storage, writable_storage

TAKE_TRIALS = """
import json, sys
import optuna
from recsys_search.search.storage.database import writable_storage

with writable_storage(sys.argv[1]) as storage:
    study = optuna.load_study(study_name="queue", storage=storage)
    print("ready", flush=True)
    sys.stdin.readline()
    print(json.dumps([study.ask().number for _ in range(int(sys.argv[2]))]))
"""


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def refusal(workplace):
    """The one-line errors of a writer and a reader for a storage URL."""

    def refusal(url):
        said = []
        for use in (
            lambda: run_study(workplace.write_study(), url, device="cpu"),
            lambda: list_studies(url),
        ):
            with pytest.raises(StudyError) as caught:
                use()
            assert "\n" not in str(caught.value)
            said.append(str(caught.value))
        return said

    return refusal


def pragma(storage, name):
    with storage.engine.connect() as connection:
        return connection.exec_driver_sql(f"PRAGMA {name}").scalar()


def test_sqlite_writes_ahead_and_waits_for_the_disk(url):
    with writable_storage(url) as storage:
        assert pragma(storage, "journal_mode") == "wal"
        assert pragma(storage, "synchronous") == 2  # FULL


def test_a_writer_holds_the_lock_from_its_first_read_on(url, tmp_path):
    with (
        writable_storage(url) as storage,
        storage.engine.begin(),
        closing(sqlite3.connect(tmp_path / "studies.db", timeout=0)) as other,
        pytest.raises(sqlite3.OperationalError, match="locked"),
    ):
        other.execute("BEGIN IMMEDIATE")


def test_a_reader_cannot_write(url, tmp_path):
    with writable_storage(url):
        pass
    with pytest.raises(Exception) as caught:
        readable_storage(url).create_new_study([StudyDirection.MINIMIZE], "mine")
    assert "readonly" in f"{caught.value} {caught.value.__cause__}"


def test_reading_an_idle_storage_once_leaves_no_side_files(url, tmp_path):
    with writable_storage(url) as storage:
        optuna.create_study(study_name="there", storage=storage)
    (there,) = readable_storage(url, once=True).get_all_studies()
    assert there.study_name == "there"
    assert [path.name for path in tmp_path.glob("studies.db*")] == ["studies.db"]


def test_reading_once_sees_commits_that_are_still_in_the_log(url):
    with writable_storage(url) as storage:
        optuna.create_study(study_name="there", storage=storage)
        assert len(readable_storage(url, once=True).get_all_studies()) == 1


def test_a_reader_does_not_wait_for_a_writer(url, tmp_path):
    with writable_storage(url) as storage:
        optuna.create_study(study_name="there", storage=storage)
    with closing(sqlite3.connect(tmp_path / "studies.db")) as writer:
        writer.execute("BEGIN IMMEDIATE")
        asked_at = monotonic()
        studies = readable_storage(url).get_all_studies()
        assert monotonic() - asked_at < 10  # one that waits gives up after 60 s
    assert [study.study_name for study in studies] == ["there"]


def test_after_a_study_the_database_file_alone_holds_everything(workplace):
    run_study(workplace.write_study(trials=1), workplace.storage, device="cpu")
    log = workplace.folder / "studies.db-wal"
    assert not log.exists() or log.stat().st_size == 0
    shutil.copy(workplace.folder / "studies.db", workplace.folder / "copy.db")
    (trial,) = StudyReader(f"sqlite:///{workplace.folder}/copy.db").trials()
    assert (trial["state"], trial["epochs"]) == ("complete", 2)


def test_concurrent_workers_never_take_the_same_queued_trial(url, start_python):
    with writable_storage(url) as storage:
        study = optuna.create_study(study_name="queue", storage=storage)
        for x in range(60):
            study.enqueue_trial({"x": x})
    workers = [start_python(TAKE_TRIALS, url, 20) for _ in range(3)]
    for worker in workers:
        assert worker.stdout.readline() == "ready\n"
    for worker in workers:
        worker.stdin.write("go\n")
        worker.stdin.flush()
    taken = [number for worker in workers for number in json.loads(worker.communicate()[0])]
    assert sorted(taken) == list(range(60))


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("studies.db", "storage 'studies.db' is not a database URL; write sqlite:///studies.db"),
        ("", "storage '' is not a database URL; write sqlite:///studies.db"),
        (
            "sqlite://",
            "storage sqlite:// is lost when the command ends; write sqlite:///studies.db",
        ),
        (
            "sqlite:///:memory:",
            "storage sqlite:///:memory: is lost when the command ends; write sqlite:///studies.db",
        ),
        (
            "postgresql://localhost:port/db",
            "storage 'postgresql://localhost:port/db': its port is not a number; ",
        ),
        ("oracel://localhost/db", "storage oracel://localhost/db cannot be opened: "),
    ],
)
def test_an_invalid_storage_is_refused_in_one_line(refusal, url, message):
    for said in refusal(url):
        assert said.startswith(message)


def test_a_missing_storage_is_nothing_yet_with_an_example(url, tmp_path):
    with pytest.raises(NothingYet) as caught:
        list_studies(url)
    assert str(caught.value) == (
        f"no studies in {url}; run one with: recsys-search start --study demo --storage {url}"
    )
    assert not (tmp_path / "studies.db").exists()


def test_a_missing_folder_is_refused_by_name(refusal, tmp_path):
    for said in refusal(f"sqlite:///{tmp_path}/none/studies.db"):
        assert said == (
            f"storage sqlite:///{tmp_path}/none/studies.db: folder {tmp_path}/none does not exist; "
            "create it first"
        )


def test_a_folder_in_place_of_the_file_is_refused(refusal, tmp_path):
    for said in refusal(f"sqlite:///{tmp_path}"):
        assert said == f"{tmp_path} is not a file; name another with --storage"


@pytest.mark.parametrize("content", [b"no database at all" * 100, b"ab"])
def test_a_file_that_is_not_a_database_is_not_overwritten(refusal, tmp_path, url, content):
    (tmp_path / "studies.db").write_bytes(content)
    for said in refusal(url):
        assert said == (
            f"storage {url} cannot be opened: file is not a database; restore the file from a "
            "copy, or name another with --storage"
        )
    assert (tmp_path / "studies.db").read_bytes() == content
    assert not (tmp_path / "studies.artifacts").exists()


def test_a_database_that_is_damaged_further_in_is_refused_while_it_is_read(tmp_path, url):
    with writable_storage(url) as storage:
        for number in range(200):
            optuna.create_study(study_name=f"{number} {'x' * 200}", storage=storage)
    content = bytearray((tmp_path / "studies.db").read_bytes())
    content[-40_000:] = b"x" * 40_000
    (tmp_path / "studies.db").write_bytes(content)
    with pytest.raises(StorageError) as caught:
        list_studies(url)
    assert str(caught.value) == (
        f"storage {url} cannot be read: database disk image is malformed; restore the file from a "
        "copy, or name another with --storage"
    )


@pytest.mark.parametrize(
    ("url", "module", "remedy"),
    [
        ("postgresql://h/db", "psycopg", "pip install 'recsys-search[postgres]' and write "),
        ("postgresql+psycopg2://h/db", "psycopg2", "pip install 'recsys-search[postgres]' and "),
        ("mysql+pymysql://h/db", "pymysql", "pip install pymysql"),
        ("mysql://h/db", "MySQLdb", "pip install mysqlclient"),
    ],
)
def test_a_missing_driver_is_named_with_what_to_install(refusal, monkeypatch, url, module, remedy):
    for name in ("psycopg", "psycopg2", "pymysql", "MySQLdb"):
        monkeypatch.setitem(sys.modules, name, None)
    for said in refusal(url):
        assert module in said
        assert f"; {remedy}" in said


@pytest.mark.parametrize("name", ["my studies", "50% off", "a#b", "über"])
def test_a_folder_may_have_any_name(tmp_path, name):
    (tmp_path / name).mkdir()
    url = f"sqlite:///{tmp_path}/{name}/studies.db"
    with writable_storage(url) as storage:
        optuna.create_study(study_name="there", storage=storage)
    assert [study.study_name for study in readable_storage(url).get_all_studies()] == ["there"]
    assert (tmp_path / name / "studies.db").is_file()


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://me:sesame@127.0.0.1:1/db",  # no server there
        "oracel://me:sesame@localhost/db",
        "postgresql://me:sesame@localhost:port/db",
        "postgresql//me:sesame@localhost/db",
    ],
)
def test_a_password_is_never_shown(refusal, url):
    for said in refusal(url):
        assert "sesame" not in said


def test_epoch_reports_are_stored_next_to_the_database(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    artifact_store("sqlite:///mine.db", make=True)
    artifact_store("postgresql://localhost/db", make=True)
    assert (tmp_path / "mine.artifacts").is_dir()
    assert (tmp_path / "studies.artifacts").is_dir()


def test_a_study_runs_in_postgresql(postgres, workplace, monkeypatch):
    monkeypatch.chdir(workplace.folder)
    workplace.storage = postgres
    study = workplace.write_study()
    reader = workplace.start(study)
    assert [trial["state"] for trial in reader.trials()] == ["complete", "complete"]
    assert [report.epoch for report in reader.reports(1)] == [1, 2]
    assert reader.best()[0]["val_rmse"] == min(t["val_rmse"] for t in reader.trials())
    assert workplace.start(study, trials=3).status()["complete"] == 3
    assert "small" in [row["study"] for row in list_studies(postgres)]
