"""The ledger of a GPU, between processes."""

from __future__ import annotations

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
COUNT = """
import sys
from pathlib import Path
from recsys_search.search.sharing.ledger import Ledger
for _ in range(int(sys.argv[2])):
    with Ledger("gpu", Path(sys.argv[1])).open() as page:
        page.foreign_bytes += 1
"""


def entries(folder):
    with Ledger("gpu", folder).open() as page:
        return page.entries


def test_a_reservation_is_seen_by_other_processes_until_its_own_is_killed(tmp_path, start_python):
    process = start_python(RESERVE, tmp_path)
    assert process.stdout.readline() == "reserved\n"
    assert [(each.state, each.bytes) for each in entries(tmp_path)] == [("training", 5.0)]
    process.kill()
    process.wait()
    assert entries(tmp_path) == []


def test_processes_change_the_ledger_one_after_the_other(tmp_path, start_python):
    processes = [start_python(COUNT, tmp_path, 30) for _ in range(2)]
    assert [process.wait() for process in processes] == [0, 0]
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
