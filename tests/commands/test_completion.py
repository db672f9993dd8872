"""`--version`, and the shell's completion."""

from __future__ import annotations

import os
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import recsys_search


def test_the_version_is_that_of_the_package(cli):
    assert cli("--version").out == f"recsys-search {recsys_search.__version__}\n"


def test_the_version_is_that_of_pyproject():
    text = (Path(recsys_search.__file__).parent / "pyproject.toml").read_text()
    assert tomllib.loads(text)["project"]["version"] == recsys_search.__version__


@pytest.mark.parametrize(
    ("line", "completed"),
    [
        ("recsys-search st", {"start", "status", "studies", "stop"}),
        ("recsys-search start --pre", {"--preset"}),
        ("recsys-search start --preset rtx", {"rtx4090", "rtx3090"}),
        ("recsys-search evaluate --split te", {"test"}),
    ],
)
def test_the_shell_completes_commands_options_and_values(line, completed):
    env = {
        **os.environ,
        "_RECSYS_SEARCH_COMPLETE": "complete_bash",
        "COMP_WORDS": line,
        "COMP_CWORD": str(len(line.split()) - 1),
    }
    script = "import sys; sys.argv = ['recsys-search']; from recsys_search.cli import main; main()"
    done = subprocess.run([sys.executable, "-c", script], env=env, capture_output=True, text=True)
    assert set(done.stdout.split()) == completed, done.stderr


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_completion_of_a_shell_can_be_shown(shell):
    script = (
        "import sys; sys.argv = ['recsys-search', '--show-completion']; "
        "from recsys_search.cli import main; main(sys.argv[1:])"
    )
    env = {**os.environ, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"}
    command = [sys.executable, "-c", script.replace("completion'", f"completion', '{shell}'")]
    done = subprocess.run(command, env=env, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "_RECSYS_SEARCH_COMPLETE" in done.stdout
