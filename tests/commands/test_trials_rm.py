"""`trials rm` asks first, says what it removes, and takes its options at the end."""

from __future__ import annotations

import io
import json

import pytest


@pytest.fixture
def studied(cli):
    assert cli("start", "--study", "small.yaml", "--device", "cpu", "--quiet").code == 0
    return cli


def listed(cli):
    return [trial["number"] for trial in json.loads(cli("trials", "--json").out)]


def test_trials_are_removed_and_no_longer_listed(studied):
    value = json.loads(studied("trials", "--json").out)[0]["val_rmse"]
    outcome = studied("trials", "rm", "0", "2", "--study", "small", "--yes")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines() == [
        f"removed trials 0 (complete {value:.4f}), 2 (pruned) from study small; the next start "
        "runs others in their place"
    ]
    assert listed(studied) == [1]
    removed = json.loads(studied("trials", "--state", "removed", "--json").out)
    assert [trial["number"] for trial in removed] == [0, 2]
    assert "was pruned (diverged)" in studied("trials", "--state", "removed").out


@pytest.mark.parametrize(("answer", "left"), [("y\n", [0, 1]), ("n\n", [0, 1, 2]), ("", [0, 1, 2])])
def test_without_yes_it_asks(studied, monkeypatch, answer, left):
    monkeypatch.setattr("sys.stdin", io.StringIO(answer))
    outcome = studied("trials", "rm", "2")
    assert outcome.err.startswith("Remove trial 2 (pruned) from study small? [y/N]:")
    assert outcome.code == (0 if len(left) == 2 else 1)
    assert listed(studied) == left


@pytest.mark.parametrize(
    ("args", "option", "command"),
    [
        (("trials", "--study", "small", "rm", "0"), "--study", "rm"),
        (("trials", "--storage", "sqlite:///other.db", "rm", "0"), "--storage", "rm"),
        (("studies", "--storage", "sqlite:///other.db", "rm", "small"), "--storage", "rm"),
        (("studies", "--json", "rename", "small", "big"), "--json", "rename"),
    ],
)
def test_an_option_before_the_subcommand_is_refused(cli, args, option, command):
    outcome = cli(*args)
    assert (outcome.code, outcome.out) == (2, "")
    assert outcome.err == (f"error: {option} has no effect before {command}; write it at the end\n")


@pytest.mark.parametrize("args", [(), ("one",), ("-1",)])
def test_numbers_are_needed(cli, args):
    assert cli("trials", "rm", *args).code == 2
