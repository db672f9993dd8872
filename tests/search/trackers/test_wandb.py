"""Offline runs of Weights & Biases, read back from their files."""

from __future__ import annotations

import json
import struct
import sys

import pytest
from recsys_search.errors import ConfigError
from recsys_search.search.trackers.table import read_tracker

wandb = pytest.importorskip("wandb", reason="wandb is not installed")

BLOCK, HEADER = 32 * 1024, 7  # of the file's log format, that of LevelDB
FULL, LAST = 1, 4  # kinds of pieces that end a record


def read_records(path):
    """The records of a run's file."""
    from wandb.proto.wandb_internal_pb2 import Record

    content, position, pieces = path.read_bytes(), HEADER, b""
    while position < len(content):
        if (left := BLOCK - position % BLOCK) < HEADER:
            position += left
            continue
        _, length, kind = struct.unpack_from("<IHB", content, position)
        position += HEADER
        pieces += content[position : position + length]
        position += length
        if kind in (FULL, LAST):
            yield Record.FromString(pieces)
            pieces = b""


def summarize(path):
    """What the file says about the run."""
    run = {"history": [], "summary": {}}
    for record in read_records(path):
        match record.WhichOneof("record_type"):
            case "run":
                run["name"], run["group"] = record.run.display_name, record.run.run_group
                run["project"], run["notes"] = record.run.project, record.run.notes
                run["tags"] = list(record.run.tags)
                run.setdefault("config", {}).update(
                    {each.key: json.loads(each.value_json) for each in record.run.config.update}
                )
            case "history":
                items = record.history.item
                run["history"].append({"/".join(i.nested_key): i.value_json for i in items})
            case "summary":
                for item in record.summary.update:
                    run["summary"]["/".join(item.nested_key) or item.key] = item.value_json
            case "exit":
                run["exit_code"] = record.exit.exit_code
    return run


@pytest.fixture
def runs(tmp_path, record, monkeypatch):
    monkeypatch.setattr(sys, "argv", ["recsys-search", "--notify", "discord://1/SECRET"])
    record(read_tracker({"wandb": {"mode": "offline", "folder": str(tmp_path)}}))
    wandb.teardown()  # as when a process ends: until then files are written in the background
    runs = [summarize(path) for path in tmp_path.glob("wandb/offline-run-*/*.wandb")]
    return sorted(runs, key=lambda run: run["name"])


def test_runs_with_their_config_curves_and_ends(runs, tmp_path):
    first, second = runs
    assert [(run["name"], run["group"], run["exit_code"]) for run in runs] == [
        ("small/0", "small", 0),
        ("small/1", "small", 1),
    ]
    assert first["project"] == "recsys-search"
    assert first["config"]["learning_rate"] == 0.001
    assert first["config"]["known_config"] == "defaults"
    assert first["tags"] == ["two_tower", "complete", "plateau"]
    assert second["notes"] == "goes on from small/0"
    curve = [(int(row["_step"]), float(row["val_rmse"])) for row in first["history"]]
    assert curve == [(1, 0.9), (2, 0.8)]
    assert json.loads(first["summary"]["best_val_rmse"]) == 0.8
    assert json.loads(first["summary"]["reason"]) == "flat for 5 epochs"
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not any(b"SECRET" in path.read_bytes() for path in files)  # of the command line


def test_a_run_that_would_ask_for_a_key_is_refused_at_the_start(monkeypatch, tmp_path):
    monkeypatch.setenv("NETRC", str(tmp_path / "none"))
    monkeypatch.setenv("HOME", str(tmp_path))
    for name in ("WANDB_API_KEY", "WANDB_MODE", "WANDB_IDENTITY_TOKEN_FILE"):
        monkeypatch.delenv(name, raising=False)
    with pytest.raises(ConfigError, match="has no API key; run `wandb login`, set WANDB_API_KEY"):
        read_tracker("wandb").check()
    read_tracker({"wandb": {"mode": "offline"}}).check()
