"""Commands whose output nobody takes: they finish, save, and end with the right code."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys

import pytest
import yaml

PROGRAM = [sys.executable, "-c", "from recsys_search.cli import main; main()"]
TRAIN = ["train", "--architecture", "mf", "--dataset", "ratings", "--epochs", "2", "--out", "run"]


@pytest.fixture
def shell(folder):
    """Runs a command in a shell: `$P` is the program."""

    def run(line, **options):
        return subprocess.run(
            ["bash", "-c", f'P() {{ "$PYTHON" -c "$MAIN" "$@"; }}; {line}'],
            cwd=folder,
            env={**os.environ, "PYTHON": PROGRAM[0], "MAIN": PROGRAM[2], **options},
            capture_output=True,
            text=True,
        )

    return run


def test_a_reader_that_goes_away_does_not_end_a_training(shell, folder):
    """As in `train ... 2>&1 | head -1`."""
    done = shell(f"{{ P {' '.join(TRAIN)} 2>&1; echo $? > code; }} | head -1")
    assert (folder / "code").read_text() == "0\n"
    assert len(done.stdout.splitlines()) == 1
    assert done.stderr == ""  # no "Exception ignored ... BrokenPipeError" either
    assert (folder / "run" / "weights.safetensors").is_file()


def test_closed_streams_do_not_end_a_training(shell, folder):
    done = shell(f"P {' '.join(TRAIN)} <&- >&- 2>&-")
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert (folder / "run" / "weights.safetensors").is_file()


@pytest.mark.parametrize(
    "line",
    [
        "P data list | true; exit ${PIPESTATUS[0]}",
        "P data list --json | true; exit ${PIPESTATUS[0]}",
        "P --help | true; exit ${PIPESTATUS[0]}",
        "P data list >&-",
        "P data list --json >&- 2>&-",
    ],
)
def test_output_that_nobody_reads_is_no_error(shell, line):
    done = shell(line)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


@pytest.mark.parametrize("redirection", ["2>&-", "2>&1 | true; exit ${PIPESTATUS[0]}"])
def test_an_error_that_cannot_be_shown_keeps_its_exit_code(shell, redirection):
    assert shell(f"P data info none {redirection}").returncode == 1
    assert shell(f"P strat {redirection}").returncode == 2


def test_a_result_that_the_disk_cannot_hold_is_an_error(folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (100, 100))

    with (folder / "list.json").open("w") as file:
        done = subprocess.run(
            [*PROGRAM, "data", "list", "--json"],
            stdout=file,
            stderr=subprocess.PIPE,
            text=True,
            preexec_fn=limit,
        )
    assert done.returncode == 1
    assert (
        done.stderr == "error: stdout cannot be written: File too large; its text is incomplete\n"
    )
    assert (folder / "list.json").stat().st_size == 100


def test_a_log_that_the_disk_cannot_hold_changes_nothing(folder):
    def limit():
        resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))

    with (folder / "log").open("w") as log:
        done = subprocess.run(
            [*PROGRAM, "strat"], stdout=subprocess.PIPE, stderr=log, preexec_fn=limit
        )
    assert (done.returncode, done.stdout) == (2, b"")


def test_an_ascii_terminal_gets_every_row(shell, job):
    done = shell(f"cd {job[0]}; P evaluate runs/a --device cpu", PYTHONIOENCODING="ascii")
    assert (done.returncode, done.stderr) == (0, "")
    (rmse,) = (line for line in done.stdout.splitlines() if line.startswith("rmse"))
    assert " +/- " in rmse


def test_ctrl_c_in_a_pipeline_whose_reader_dies_first_saves_the_trial(cli, folder):
    """As in `start ... 2>&1 | tee log`: both get the Ctrl-C, and tee does not wait."""
    base = {"architecture": "mf", "max_epochs": 10**6, "patience": 10**6, "learning_rate": 1e-9}
    study = {"dataset": "ratings", "base": base, "space": {"l2": {"float": [0.1, 0.2]}}}
    (folder / "long.yaml").write_text(yaml.safe_dump({**study, "trials": 1}))
    read_end, write_end = os.pipe()
    process = subprocess.Popen(
        [*PROGRAM, "start", "--study", "long.yaml"], cwd=folder, stdout=write_end, stderr=write_end
    )
    os.close(write_end)
    text = b""
    while b"trial 0" not in text:
        text += os.read(read_end, 1000)
    os.close(read_end)
    process.send_signal(signal.SIGINT)
    assert process.wait(timeout=60) == 130
    (trial,) = json.loads(cli("trials", "--json").out)
    assert trial["stop_reason"] == "interrupted"
    assert trial["reason"].startswith("Ctrl-C ")
