"""The lock that lets one process at a time confirm, rename or delete a study."""

from __future__ import annotations

import signal
from contextlib import closing

import pytest
import sqlalchemy
from recsys_search.errors import StorageError, StudyError
from recsys_search.search.storage import locks
from recsys_search.search.storage.locks import lock_file, study_lock
from recsys_search.search.storage.server_locks import server_lock


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def holder(url, start_python):
    """Another process that holds study a/b until it is killed."""
    script = (
        "import sys; from recsys_search.search.storage.locks import study_lock\n"
        "with study_lock(sys.argv[1], 'a/b'):\n"
        "    print('held', flush=True); sys.stdin.read()"
    )
    process = start_python(script, url)
    assert process.stdout.readline() == "held\n"
    return process


def test_a_second_process_is_refused_at_once(url, holder, tmp_path):
    with pytest.raises(StudyError) as raised, study_lock(url, "a/b"):
        pass
    assert str(raised.value) == (
        "another process confirms, renames or deletes study a/b; wait for it, or stop it with "
        "Ctrl-C, and try again"
    )
    assert (tmp_path / "studies.artifacts" / "a%2Fb.lock").is_file()


def test_another_study_of_the_storage_is_free(url, holder):
    with study_lock(url, "c"):
        pass


def test_kill_9_of_the_holder_frees_the_study(url, holder):
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    with study_lock(url, "a/b"):
        pass


def test_the_study_is_free_after_the_block_and_after_an_error_in_it(url):
    with pytest.raises(ZeroDivisionError), study_lock(url, "a/b"):
        raise ZeroDivisionError
    for _ in range(2):
        with study_lock(url, "a/b"):
            pass
    with study_lock(url, "a/b"), pytest.raises(StudyError), study_lock(url, "a/b"):
        pass


# 255 bytes are the most that file systems allow in a name, and quoting triples these.
LONG = "ü" * 120


def test_a_long_name_has_a_lock_of_its_own(url):
    assert len(lock_file(url, LONG).name) < 150
    with study_lock(url, LONG), study_lock(url, f"{LONG}!"):
        pass
    with (
        study_lock(url, LONG),
        pytest.raises(StudyError, match="another process confirms, renames or deletes"),
        study_lock(url, LONG),
    ):
        pass


def test_a_start_that_fails_leaves_no_folder_behind(url, tmp_path):
    with pytest.raises(ZeroDivisionError), study_lock(url, "a/b"):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_a_folder_with_epoch_reports_stays(url, tmp_path):
    with pytest.raises(ZeroDivisionError), study_lock(url, "a/b"):
        (tmp_path / "studies.artifacts" / "reports").touch()
        raise ZeroDivisionError
    assert (tmp_path / "studies.artifacts" / "a%2Fb.lock").is_file()


def test_a_file_in_place_of_the_folder_is_refused_in_one_line(url, tmp_path):
    (tmp_path / "studies.artifacts").write_text("a file")
    with pytest.raises(StorageError) as raised, study_lock(url, "a"):
        pass
    assert str(raised.value) == (
        f"{tmp_path}/studies.artifacts/a.lock cannot be written: File exists; ask its owner for "
        "write access, or name another storage with --storage"
    )


def test_another_users_lock_is_refused_in_one_line(url, tmp_path, monkeypatch):
    def refuse(self, **options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(locks.FileLock, "acquire", refuse)
    with pytest.raises(StorageError) as raised, study_lock(url, "a"):
        pass
    assert "a.lock cannot be written: Permission denied; ask its owner" in str(raised.value)


def test_a_study_on_a_server_is_held_by_one_process_in_any_folder(postgres, tmp_path, monkeypatch):
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with study_lock(postgres, "mine"):
        monkeypatch.chdir(tmp_path / "b")
        with (
            pytest.raises(StudyError, match="renames or deletes study mine; "),
            study_lock(postgres, "mine"),
        ):
            raise AssertionError("both hold it")
        with study_lock(postgres, "another"):
            pass
    with study_lock(postgres, "mine"):
        pass


def test_a_server_that_ends_while_a_study_runs_releases_its_lock_quietly(postgres, tmp_path):
    with (
        server_lock(postgres, "mine"),
        closing(sqlalchemy.create_engine(postgres).connect()) as other,
    ):
        other.exec_driver_sql(
            "SELECT pg_terminate_backend(pid) FROM pg_locks WHERE locktype = 'advisory'"
        )
    with server_lock(postgres, "mine"):
        pass


def test_a_server_that_does_not_answer_is_named_with_the_cause():
    url = "postgresql+psycopg://me:sesame@127.0.0.1:1/db"
    with (
        pytest.raises(StorageError, match=r"storage .*me:\*\*\*@.* cannot be opened: "),
        server_lock(url, "mine"),
    ):
        pass
