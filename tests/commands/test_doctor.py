"""`doctor` on the command line."""

from __future__ import annotations

import json

import pytest
from recsys_search.search.doctor.examination import CHECKS


@pytest.fixture(autouse=True)
def no_gpu(monkeypatch):
    import torch

    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 0)


def test_a_good_machine_is_0_and_says_so_last(cli, folder):
    before = sorted(folder.rglob("*"))
    outcome = cli("doctor", "--dataset", "ratings")
    assert (outcome.code, outcome.err) == (0, "")
    lines = outcome.out.rstrip().splitlines()
    assert [line.split()[1] for line in lines if line[:4] in ("good", "warn")] == list(CHECKS)
    assert lines[-1] == "a study can run here"
    assert sorted(folder.rglob("*")) == before


def test_a_machine_that_lacks_something_is_1_with_the_remedy(cli):
    outcome = cli("doctor", "--device", "cuda", "--storage", "studies.db")
    assert (outcome.code, outcome.err) == (1, "")
    lines = [" ".join(line.split()) for line in outcome.out.rstrip().splitlines()]
    found = lines.index("missing storage storage 'studies.db' is not a database URL")
    assert lines[found + 1] == "remedy: write sqlite:///studies.db"
    assert lines[-1] == "a study cannot run here: device, storage, storage_room"


@pytest.mark.parametrize(("device", "code"), [("cpu", 0), ("cuda", 1)])
def test_the_json_is_a_list_of_checks_and_nothing_else(cli, device, code):
    outcome = cli("doctor", "--json", "--device", device)
    assert (outcome.code, outcome.err) == (code, "")
    found = json.loads(outcome.out)
    assert [check["check"] for check in found] == list(CHECKS)
    for check in found:
        assert list(check) == ["check", "ok", "detail", "remedy", "required"]
        assert check["ok"] == (check["remedy"] is None)
    assert any(check["required"] and not check["ok"] for check in found) == bool(code)


def test_the_storage_and_the_data_folder_may_be_named_in_the_environment(cli, monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_STORAGE", "sqlite:///elsewhere.db")
    found = {check["check"]: check for check in json.loads(cli("doctor", "--json").out)}
    assert found["storage"]["detail"].startswith("sqlite:///elsewhere.db ")
