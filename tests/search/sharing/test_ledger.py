"""The ledger of a GPU, between processes."""

from __future__ import annotations

import subprocess
import sys
from multiprocessing import get_context

import pytest
from recsys_search.errors import OutputError
from recsys_search.search.sharing.ledger import Entry, Ledger
from recsys_search.search.storage.worker import worker_identity

RESERVE = """
import sys
from pathlib import Path
from recsys_search.search.sharing.ledger import Entry, Ledger
from recsys_search.search.storage.worker import worker_identity
with worker_identity() as worker:
    with Ledger("gpu", Path(sys.argv[1])).open() as page:
        page.entries.append(Entry(worker=worker, state="training", bytes=5.0))
    print("reserved", flush=True)
    sys.stdin.read()
"""


def entries(folder):
    with Ledger("gpu", folder).open() as page:
        return page.entries


def test_a_reservation_is_seen_by_other_processes_until_its_own_is_killed(tmp_path):
    command = [sys.executable, "-c", RESERVE, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE) as process:
        assert process.stdout.readline() == b"reserved\n"
        assert [(each.state, each.bytes) for each in entries(tmp_path)] == [("training", 5.0)]
        process.kill()
        process.wait()
        assert entries(tmp_path) == []


def _add(folder, n):
    for _ in range(n):
        with Ledger("gpu", folder).open() as page:
            page.foreign_bytes += 1


def test_processes_change_the_ledger_one_after_the_other(tmp_path):
    context = get_context("spawn")
    processes = [context.Process(target=_add, args=(tmp_path, 30)) for _ in range(2)]
    for process in processes:
        process.start()
    for process in processes:
        process.join()
    with Ledger("gpu", tmp_path).open() as page:
        assert page.foreign_bytes == 60


def test_an_error_in_the_block_stores_nothing(tmp_path):
    with worker_identity() as worker:
        with pytest.raises(KeyError), Ledger("gpu", tmp_path).open() as page:
            page.entries.append(Entry(worker=worker, state="idle", bytes=0.0))
            raise KeyError
        assert entries(tmp_path) == []


def test_a_damaged_ledger_is_begun_again(tmp_path):
    (tmp_path / "gpu.json").write_text('{"entries": [')
    assert entries(tmp_path) == []


def test_a_folder_that_cannot_be_written_is_refused_with_the_remedy(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputError, match="set TMPDIR to another folder"):
        entries(tmp_path / "file")
