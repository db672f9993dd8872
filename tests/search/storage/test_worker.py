"""Whether the run that a trial belongs to is still in progress."""

from __future__ import annotations

import json
import os

import psutil
import pytest
from recsys_search.search.storage.worker import has_ended, worker_identity


@pytest.fixture
def process(start_python):
    """A process that prints its own record and waits."""
    script = (
        "import json, sys; from recsys_search.search.storage.worker import worker_identity\n"
        "with worker_identity() as worker:\n"
        "    print(json.dumps(worker), flush=True); sys.stdin.read()"
    )
    return start_python(script)


def worker_of(process):
    return json.loads(process.stdout.readline())


@pytest.fixture
def worker():
    """A run of this process."""
    with worker_identity() as worker:
        yield worker


def test_a_run_of_this_process_ends_with_its_block():
    with worker_identity() as worker, worker_identity() as another:
        assert worker["pid"] == os.getpid()
        assert not has_ended(worker)
        assert not has_ended(another)
    assert has_ended(worker)


def test_a_killed_process_has_ended(process):
    worker = worker_of(process)
    assert not has_ended(worker)
    process.kill()
    process.wait()
    assert has_ended(worker)


def test_a_zombie_has_ended(process):
    worker = worker_of(process)
    process.kill()
    process.stdout.read()  # to its end, which comes when the process ends
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert has_ended(worker)


@pytest.mark.parametrize("began", [1.0, "1"])
def test_another_process_with_the_same_number_is_not_the_worker(worker, began):
    assert has_ended({**worker, "began": began})


def test_the_creation_time_matches_across_processes_and_only_within_a_second(process):
    worker = worker_of(process)
    assert not has_ended({**worker, "began": worker["began"] + 0.9})
    assert has_ended({**worker, "began": worker["began"] + 1.1})


def test_setting_the_clock_does_not_change_a_workers_creation_time(worker, monkeypatch):
    boot_time = psutil.boot_time()
    monkeypatch.setattr(psutil, "boot_time", lambda: boot_time + 3600)
    monkeypatch.setattr("psutil._psplatform.boot_time", lambda: boot_time + 3600)
    assert not has_ended(worker)


def test_another_users_process_exists(worker, monkeypatch):
    def refuse(process):
        raise psutil.AccessDenied(process.pid)

    monkeypatch.setattr(psutil.Process, "status", refuse)
    assert not has_ended({**worker, "began": 1.0})


def test_a_process_on_another_host_counts_as_alive(worker):
    assert not has_ended({**worker, "host": "elsewhere", "began": 1.0})
