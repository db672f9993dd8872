"""Versions, commit, device and threads of a training."""

from __future__ import annotations

import os
import re
import subprocess

import pytest
from recsys_search.model.runs.environment import commit_of, current_environment

COMMIT = r"[0-9a-f]{12}"


def git(folder, *args):
    name = ["-c", "user.name=a", "-c", "user.email=a@b"]
    subprocess.run(["git", "-C", folder, *name, *args], check=True, capture_output=True)


@pytest.fixture
def checkout(tmp_path):
    """A checkout with one commit."""
    folder = tmp_path / "checkout"
    folder.mkdir()
    git(folder, "init")
    (folder / "file").write_text("a")
    git(folder, "add", "file")
    git(folder, "commit", "-m", "first")
    return folder


def test_the_environment_names_versions_and_device():
    found = current_environment(device="cpu", amp="off", threads=2)
    assert (found["device"], found["amp"], found["threads"]) == ("cpu", "off", 2)
    assert found["torch"].startswith("2.")
    assert {"python", "numpy", "optuna", "recsys-search", "commit", "machine"} <= found.keys()


def test_the_commit_says_whether_files_were_changed(checkout):
    assert re.fullmatch(COMMIT, commit_of(checkout))
    (checkout / "file").write_text("b")
    assert re.fullmatch(f"{COMMIT}-dirty", commit_of(checkout))


def test_a_worktree_has_its_own_commit(checkout, tmp_path):
    git(checkout, "worktree", "add", tmp_path / "tree")
    assert commit_of(tmp_path / "tree") == commit_of(checkout)
    git(tmp_path / "tree", "commit", "--allow-empty", "-m", "second")
    assert re.fullmatch(COMMIT, commit_of(tmp_path / "tree"))
    assert commit_of(tmp_path / "tree") != commit_of(checkout)


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")
def test_the_commit_is_known_if_the_checkout_belongs_to_another_user(checkout):
    expected = commit_of(checkout)
    for path in (checkout, *checkout.rglob("*")):
        os.chown(path, 65534, 65534)
    assert commit_of(checkout) == expected


def test_a_folder_in_somebody_elses_checkout_has_no_commit(checkout):
    (checkout / "site-packages").mkdir()
    assert commit_of(checkout / "site-packages") is None


def test_a_broken_repository_is_not_mistaken_for_the_one_around_it(checkout):
    inner = checkout / "inner"
    (inner / ".git").mkdir(parents=True)
    assert commit_of(inner) == f"unknown: fatal: not a git repository: '{inner}/.git'"


def test_the_variables_of_a_git_hook_do_not_select_another_repository(
    checkout, tmp_path, monkeypatch
):
    expected = commit_of(checkout)
    git(checkout, "worktree", "add", tmp_path / "tree")
    git(tmp_path / "tree", "rm", "file")
    monkeypatch.setenv("GIT_INDEX_FILE", str(checkout / ".git/worktrees/tree/index"))
    assert commit_of(checkout) == expected


def test_without_git_the_commit_is_unknown_and_says_why(checkout, monkeypatch):
    monkeypatch.setenv("PATH", "")
    assert commit_of(checkout) == "unknown: git cannot be run: No such file or directory"
