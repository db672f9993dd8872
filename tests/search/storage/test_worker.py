"""Whether the process that runs a trial is still alive."""

from __future__ import annotations

import json
import os
import subprocess
import sys

import pytest
from recsys_search.search.storage.worker import is_gone, this_worker


@pytest.fixture
def process():
    """A process that waits, and its own idea of itself."""
    script = (
        "import json, sys; from recsys_search.search.storage.worker import this_worker; "
        "print(json.dumps(this_worker()), flush=True); sys.stdin.read()"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", script],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    yield process
    process.kill()
    process.communicate()


def worker_of(process):
    return json.loads(process.stdout.readline())


def test_this_process_is_not_gone():
    assert this_worker()["pid"] == os.getpid()
    assert not is_gone(this_worker())


def test_a_process_is_gone_once_it_has_ended(process):
    worker = worker_of(process)
    assert not is_gone(worker)
    process.kill()
    process.wait()
    assert is_gone(worker)


def test_a_process_that_ended_and_was_not_waited_for_is_gone(process):
    worker = worker_of(process)
    process.kill()
    process.stdout.read()  # to its end, which comes when the process ends
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    assert is_gone(worker)


def test_another_process_that_was_given_the_number_is_not_the_same():
    assert is_gone({**this_worker(), "began": "1"})


def test_a_process_on_another_host_may_be_alive():
    assert not is_gone({**this_worker(), "host": "elsewhere", "began": "1"})
