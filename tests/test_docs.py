"""The commands of README.md and docs/ run as printed.

The blocks of a page run in their order, in one folder with a small study, `my`, and three runs.
A comment before a block says otherwise:

    <!-- run: slow -->                       only with the marker `slow`
    <!-- run: slow; quickly with: OPTIONS -->    else with these options at its end
    <!-- run: network -->                    or any other word: never run, but parsed

Every `recsys-search` command is parsed, whether it is run or not, in output and in prose too.
"""

from __future__ import annotations

import io
import os
import re
import shlex
import shutil
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import NamedTuple

import pytest
import recsys_search
import typer
import yaml
from recsys_search.cli import app, main
from recsys_search.search.definition.study_file import load_study

ROOT = Path(recsys_search.__file__).parent
PAGES = ["README.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]

MARK = re.compile(r"<!-- run: (\w+)(?:; quickly with: (.+?))? -->")
FENCE = re.compile(r"^```(\w*)")
SHELLS = ("bash", "sh", "console")
# Indented blocks that begin with one of these are commands; others are output, formulas or YAML.
PROGRAMS = (
    *("cd", "cp", "createdb", "docker", "echo", "export", "initdb", "install", "journalctl"),
    *("pg_ctl", "pip", "pytest", "python", "python3", "ray", "recsys-search", "sbatch", "ssh"),
    *("systemctl", "useradd", "(umask"),
)
COMMAND = re.compile(r"^\s*(?:\w+=\S+ )*recsys-search( .*|$)")
INLINE = re.compile(r"`recsys-search( [^`]*)`")
PLACEHOLDER = re.compile(r"\b(?:DATASET|NAME|RUN)\b|\.\.\.")

SMALL = {
    "name": "my",
    "dataset": "demo:2k",
    "base": {"architecture": "mf", "amp": "off", "max_epochs": 2, "n_factors": 2},
    "space": {"learning_rate": {"float": [1e-3, 1e-2], "log": True}},
    "sampler": {"random": {}},
    "trials": 8,
}


class Block(NamedTuple):
    """A block of commands.

    Attributes:
        mark: the word of the comment before it; None without one.
        quickly: options for a quick run, or None.
    """

    line: int
    text: str
    mark: str | None
    quickly: str | None


def blocks_of(page):
    """The blocks of commands of a page."""
    lines = (ROOT / page).read_text(encoding="utf-8").splitlines()
    blocks, mark, at = [], None, 0
    while at < len(lines):
        start, line = at, lines[at]
        at += 1
        if found := MARK.fullmatch(line):
            mark = found
            continue
        if fence := FENCE.match(line):
            end = lines.index("```", at)
            text, at = lines[at:end], end + 1
            is_shell = fence[1] in SHELLS
        elif line.startswith("    ") and (not start or lines[start - 1] == ""):
            while at < len(lines) and lines[at].startswith("    "):
                at += 1
            text = [each[4:] for each in lines[start:at]]
            is_shell = text[0].split()[0] in PROGRAMS
        else:
            mark = mark if not line else None
            continue
        if is_shell:
            word, quickly = mark.groups() if mark else (None, None)
            blocks.append(Block(start + 1, "\n".join(text), word, quickly))
        mark = None
    return blocks


def commands_of(page):
    """The arguments of every `recsys-search` command on a page."""
    text = (ROOT / page).read_text(encoding="utf-8")
    found = [match[1] for match in INLINE.finditer(text)]
    for line in text.splitlines():
        for part in re.split(r"&&|\|", line) if line.startswith("    ") else ():
            if match := COMMAND.match(part):
                found.append(match[1])
    return [shlex.split(each, comments=True) for each in found if not PLACEHOLDER.search(each)]


def parse(args):
    """Parse a command without running it.

    Raises:
        UsageError: of click: there is no such command, option or value.
    """
    command = typer.main.get_command(app)
    if args[0].startswith("--"):  # parsing such an option runs it
        assert args[0] in {option for each in command.params for option in each.opts}, args
        return
    context = command.make_context("recsys-search", list(args))
    while rest := [*context._protected_args, *context.args]:
        name, command, rest = command.resolve_command(context, rest)
        context = command.make_context(name, rest, parent=context)
        if not hasattr(command, "resolve_command"):
            return


def run_line(line, folder):
    """Run a `recsys-search` command in a folder, in this process: starting one takes seconds."""
    program, *args = shlex.split(line, comments=True)
    assert program == "recsys-search", "mark a block with other programs"
    err = io.StringIO()
    with (
        chdir(folder),
        redirect_stdout(io.StringIO()),
        redirect_stderr(err),
        pytest.raises(SystemExit) as ended,
    ):
        main(args)
    assert not ended.value.code, f"{line}\n{err.getvalue()}"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory):
    """A folder with the study `my`, and the runs a, b and c."""
    folder = tmp_path_factory.mktemp("prepared")
    (folder / "my.yaml").write_text(yaml.safe_dump(SMALL))
    run_line("recsys-search start --study my.yaml --quiet", folder)
    train = "recsys-search train --architecture mf --dataset demo:2k --epochs 1"
    for seed, name in enumerate("abc"):
        run_line(f"{train} --seed {seed} --out runs/{name}", folder)
    return folder


@pytest.fixture
def folder(prepared, tmp_path, monkeypatch):
    """A copy of the prepared folder; it has MovieLens latest-small if the machine does."""
    monkeypatch.delenv("RECSYS_SEARCH_STORAGE", raising=False)
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))  # `trials rm` asks
    copy = tmp_path / "page"
    shutil.copytree(prepared, copy)
    if real := os.environ.get("RECSYS_SEARCH_TEST_RATINGS"):
        (copy / "ml-latest-small").symlink_to(real)
    return copy


def run_blocks(page, folder, *, slow):
    """Run those blocks of a page that are to be run."""
    for block in blocks_of(page):
        if block.mark not in (None, "slow"):
            continue
        options = "" if slow or block.mark is None else block.quickly
        if options is None:
            continue
        if "./ml-latest-small" in block.text and not (folder / "ml-latest-small").exists():
            continue
        for line in block.text.splitlines():
            run_line(f"{line} {options}", folder)


RUN_PAGES = [page for page in PAGES if any(b.mark is None or b.quickly for b in blocks_of(page))]
SLOW_PAGES = [page for page in PAGES if any(block.mark == "slow" for block in blocks_of(page))]


@pytest.mark.parametrize("page", RUN_PAGES)
def test_the_commands_of_a_page_run_as_printed(page, folder):
    run_blocks(page, folder, slow=False)


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", SLOW_PAGES)
def test_the_slow_commands_of_a_page_run_as_printed(page, folder):
    run_blocks(page, folder, slow=True)


@pytest.mark.parametrize("page", [page for page in PAGES if commands_of(page)])
def test_the_commands_of_a_page_exist_with_their_options(page, monkeypatch):
    monkeypatch.delenv("RECSYS_SEARCH_DATA_DIR", raising=False)
    for args in commands_of(page):
        try:
            parse(args)
        except Exception as error:
            message = getattr(error, "message", repr(error))
            pytest.fail(f"recsys-search {shlex.join(args)}: {message}")


@pytest.mark.parametrize(
    "line",
    ["start --stduy demo", "strat", "trials --state odd", "evaluate", "data lst", "trials rm"],
)
def test_a_command_that_does_not_exist_is_found(line):
    with pytest.raises(Exception, match=r"No such|is not one of|Missing"):
        parse(line.split())


def test_every_page_is_linked_from_the_readme():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert [page for page in PAGES[1:] if f"({page})" not in readme] == []


@pytest.mark.parametrize("page", ["README.md", "docs/studies.md"])
def test_the_study_files_of_a_page_are_valid(page, tmp_path):
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / page).read_text(), re.DOTALL | re.MULTILINE)
    studies = [block for block in blocks if "\ntrials:" in block and "${" not in block]
    assert studies
    for text in studies:
        path = tmp_path / "study.yaml"
        path.write_text(text)
        load_study(str(path))
