"""Example commands: they work when pasted into a shell, and never show a password."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest
from recsys_search.commands.terminal.examples import print_next
from recsys_search.search.results.ranking import no_completed_trial
from recsys_search.search.storage.database import no_studies
from recsys_search.search.storage.examples import example, storage_option

SECRET = "postgresql+psycopg://me:sesame@host/db"


def test_words_are_quoted_for_the_shell():
    assert example("start", "--study", "my study.yaml", "--trials", 3) == (
        "recsys-search start --study 'my study.yaml' --trials 3"
    )


def test_the_default_storage_needs_no_option():
    assert storage_option("sqlite:///studies.db") == []
    assert storage_option("sqlite:///other.db") == ["--storage", "sqlite:///other.db"]


def test_the_storage_of_the_environment_needs_no_option(monkeypatch):
    monkeypatch.setenv("RECSYS_SEARCH_STORAGE", SECRET)
    assert storage_option(SECRET) == []
    assert storage_option("sqlite:///studies.db") == ["--storage", "sqlite:///studies.db"]


def test_a_url_without_a_password_is_printed():
    url = "postgresql+psycopg://me@host/db"
    assert example("status", *storage_option(url)) == f"recsys-search status --storage {url}"


@pytest.mark.parametrize(
    "url", [SECRET, "postgresql+psycopg://me:it's%20$HOME@host/db", "postgresql://me:***@host/db"]
)
def test_a_url_with_a_password_is_replaced_by_the_variable(url, capsys):
    line = example("best", "--export", "config.yaml", *storage_option(url))
    assert line == ('recsys-search best --export config.yaml --storage "$RECSYS_SEARCH_STORAGE"')
    print_next(line)
    assert capsys.readouterr().out == (
        f"\nnext:\n  {line}\n  (RECSYS_SEARCH_STORAGE: the storage's URL, with its password)\n"
    )


def test_the_examples_in_errors_name_the_storage_without_its_password():
    option = '--storage "$RECSYS_SEARCH_STORAGE"'
    assert str(no_studies(SECRET)) == (
        "no studies in postgresql+psycopg://me:***@host/db; run one with: "
        f"recsys-search start --study demo {option}"
    )
    assert str(no_completed_trial("my study", SECRET)) == (
        "my study has no completed trial yet; continue with: "
        f"recsys-search start --study 'my study' {option}"
    )


def test_a_variable_in_a_users_own_word_is_not_expanded():
    assert example("start", "--study", "$HOME") == "recsys-search start --study '$HOME'"


@pytest.mark.parametrize("url", [SECRET, 'postgresql+psycopg://me:it\'s$HOME "x"@host/db'])
def test_the_printed_line_passes_the_url_when_pasted_into_bash(url, tmp_path):
    """A stand-in for recsys-search prints the arguments that bash gives it."""
    command = tmp_path / "recsys-search"
    command.write_text(f"#!{sys.executable}\nimport json, sys\nprint(json.dumps(sys.argv[1:]))\n")
    command.chmod(0o755)
    line = example("confirm", "--study", "it's mine", *storage_option(url))
    assert "sesame" not in line
    pasted = subprocess.run(
        ["bash", "-c", line],
        env={"PATH": f"{tmp_path}:/usr/bin:/bin", "RECSYS_SEARCH_STORAGE": url},
        capture_output=True,
        check=True,
        text=True,
    )
    assert json.loads(pasted.stdout) == ["confirm", "--study", "it's mine", "--storage", url]
