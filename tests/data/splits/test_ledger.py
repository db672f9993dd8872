"""Recording and counting the openings of a test split."""

from __future__ import annotations

import json
import os
from datetime import datetime, timedelta

import pytest
from recsys_search.data.splits.ledger import Ledger, config_hash
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import DataError

SPLIT = "0123456789abcdef"
OPENING = {
    "config": {"architecture": "two_tower", "dropout": 0.3},
    "dataset": "demo",
    "split": SplitSpec.parse("leave-last-2"),
    "command": "evaluate",
}


@pytest.fixture
def ledger(tmp_path):
    return Ledger(tmp_path)


@pytest.fixture
def file(tmp_path):
    return tmp_path / "ledger" / f"{SPLIT}.jsonl"


def test_openings_are_counted_per_split(ledger):
    assert [ledger.record_opening(SPLIT, **OPENING) for _ in range(3)] == [1, 2, 3]
    assert ledger.record_opening("fedcba9876543210", **OPENING) == 1
    assert [opening.number for opening in ledger.openings(SPLIT)] == [1, 2, 3]


def test_reading_a_sealed_splits_openings_creates_no_file(ledger, tmp_path):
    assert ledger.openings(SPLIT) == []
    assert list(tmp_path.iterdir()) == []


def test_an_opening_has_time_command_dataset_split_and_config(ledger):
    ledger.record_opening(SPLIT, **OPENING)
    (opening,) = ledger.openings(SPLIT)
    assert datetime.fromisoformat(opening.opened_at).utcoffset() == timedelta(0)
    assert (opening.architecture, opening.dataset, opening.command) == (
        "two_tower",
        "demo",
        "evaluate",
    )
    assert opening.split == {"method": "leave-last-k", "k": 2}
    assert opening.config == config_hash(OPENING["config"])


def test_a_configs_hash_depends_on_its_values_but_not_on_their_order():
    assert config_hash({"a": 1, "b": [2]}) == config_hash({"b": (2,), "a": 1})
    assert config_hash({"a": 1}) != config_hash({"a": 2})


def test_earlier_lines_are_never_changed(ledger, file):
    ledger.record_opening(SPLIT, **OPENING)
    first = file.read_bytes()
    ledger.record_opening(SPLIT, **OPENING)
    assert file.read_bytes().startswith(first)
    assert len([json.loads(line) for line in file.read_text().splitlines()]) == 2


@pytest.mark.parametrize("truncated", [b'{"opened_at": "2026-', b"\0\0\0", b"\xc3", b"7", b"\n"])
def test_a_line_truncated_by_a_crash_is_skipped(ledger, file, truncated):
    ledger.record_opening(SPLIT, **OPENING)
    with file.open("ab") as lines:
        lines.write(truncated)
    assert len(ledger.openings(SPLIT)) == 1
    assert ledger.record_opening(SPLIT, **OPENING) == 2
    assert [opening.dataset for opening in ledger.openings(SPLIT)] == ["demo", "demo"]


def test_a_complete_line_without_a_line_break_counts(ledger, file):
    ledger.record_opening(SPLIT, **OPENING)
    file.write_bytes(file.read_bytes().removesuffix(b"\n"))
    assert ledger.record_opening(SPLIT, **OPENING) == 2
    assert len(ledger.openings(SPLIT)) == 2


OPENER = """
import sys
from pathlib import Path
from recsys_search.data.splits.ledger import Ledger
from recsys_search.data.splits.spec import SplitSpec

ledger = Ledger(Path(sys.argv[1]))
print("ready", flush=True)
sys.stdin.readline()
for _ in range(10):
    number = ledger.record_opening(
        sys.argv[2], config={}, dataset="demo", split=SplitSpec(), command="evaluate"
    )
    print(number)
"""


def test_concurrent_openings_are_numbered_without_gaps(ledger, tmp_path, start_python):
    openers = [start_python(OPENER, tmp_path, SPLIT) for _ in range(4)]
    for opener in openers:
        assert opener.stdout.readline() == "ready\n"
    for opener in openers:
        opener.stdin.write("go\n")
        opener.stdin.flush()
    numbers = [int(line) for opener in openers for line in opener.communicate()[0].split()]
    assert sorted(numbers) == list(range(1, 41))
    assert len(ledger.openings(SPLIT)) == 40


def test_the_folder_is_the_given_one_or_else_that_of_the_environment(tmp_path, monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", str(tmp_path / "configured"))
    assert Ledger().folder == tmp_path / "configured" / "ledger"
    assert Ledger(tmp_path).folder == tmp_path / "ledger"


def test_an_unwritable_folder_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError) as caught:
        Ledger(tmp_path / "file").record_opening(SPLIT, **OPENING)
    assert str(caught.value) == (
        f"cannot record the opening of the test split in {tmp_path}/file/ledger: Not a "
        "directory; make that folder writable, or choose another data folder with "
        "RECSYS_SEARCH_DATA_DIR"
    )


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write and read everything")
def test_missing_permission_is_reported(ledger, file):
    ledger.record_opening(SPLIT, **OPENING)
    file.chmod(0)
    with pytest.raises(DataError, match=r"^cannot record the opening .* denied; make"):
        ledger.record_opening(SPLIT, **OPENING)
    with pytest.raises(DataError, match=r"jsonl cannot be read: Permission denied; make"):
        ledger.openings(SPLIT)


def test_a_full_disk_is_reported_and_no_number_is_returned(ledger, monkeypatch):
    def refuse(file):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(DataError, match=r": No space left on device; make"):
        ledger.record_opening(SPLIT, **OPENING)
