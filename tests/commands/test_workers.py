"""`start --workers`, `start --detach`, `worker` and `stop`, as a user calls them."""

from __future__ import annotations

import json
import signal
import subprocess
import time

import pytest
import yaml

from .conftest import STUDY, call

MAIN = "import sys; from recsys_search.cli import main; main(sys.argv[1:])"


@pytest.fixture
def detached(cli):
    """The outcome of `start --detach` on the folder's study."""
    return cli("start", "--study", "small.yaml", "--device", "cpu", "--detach")


@pytest.fixture
def start_worker(folder, start_python):
    """Start `worker` in another process in the folder, with these options."""
    pipes = {"stderr": subprocess.PIPE, "cwd": folder}
    return lambda *options: start_python(MAIN, "worker", "--device", "cpu", *options, **pipes)


def read_until(stream, text):
    for line in stream:
        if text in line:
            return line
    raise AssertionError(f"{text!r} was not printed")


def status(cli):
    return json.loads(cli("status", "--json").out)


def trials(cli):
    return json.loads(cli("trials", "--json").out)


def test_a_detached_start_queues_the_study_and_names_the_worker(cli, detached):
    assert (detached.code, detached.out) == (0, "")
    assert detached.err.splitlines()[-1] == (
        "study small waits for workers; on any machine: recsys-search worker --study small"
    )
    assert (status(cli)["done"], status(cli)["waiting"], status(cli)["running"]) == (0, 3, 0)


def test_a_detached_start_prints_json_if_asked(cli):
    outcome = cli("start", "--study", "small.yaml", "--device", "cpu", "--detach", "--json")
    assert json.loads(outcome.out)["waiting"] == 3


def test_a_worker_runs_a_detached_study_to_its_total(cli, detached):
    outcome = cli("worker", "--study", "small", "--device", "cpu")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err.splitlines()[-1] == "all trials of small are done"
    assert (status(cli)["done"], status(cli)["waiting"]) == (3, 0)


def test_a_worker_of_an_unknown_study_names_those_that_there_are(cli, detached):
    outcome = cli("worker", "--study", "smal", "--device", "cpu")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert "no study named 'smal' in sqlite:///" in outcome.err
    assert "it holds: small" in outcome.err


def test_a_worker_without_a_storage_has_nothing_to_run_yet(cli):
    outcome = cli("worker", "--study", "small", "--device", "cpu")
    assert outcome.code == 3
    assert len(outcome.err.splitlines()) == 1


@pytest.mark.parametrize("number", ["0", "-1", "two", "1.5"])
def test_a_number_of_workers_is_a_number_from_1_or_auto(cli, number):
    outcome = cli("start", "--study", "small.yaml", "--workers", number)
    assert outcome.code == 2
    assert f"--workers {number}: write a number from 1, or auto" in outcome.err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--gpus-per-trial", "0.5"], "--gpus-per-trial 0.5 has no effect without --cluster"),
        (["--cluster", "auto", "--detach"], "--cluster auto has no effect with --detach"),
    ],
)
def test_options_of_a_cluster_that_would_have_no_effect_are_refused(cli, options, message):
    outcome = cli("start", "--study", "small.yaml", *options)
    assert outcome.code == 2
    assert message in outcome.err


def test_a_stopped_study_runs_nothing_until_it_is_started(cli, detached):
    outcome = cli("stop", "--study", "small")
    assert (outcome.code, outcome.out) == (0, "")
    assert outcome.err == (
        "study small is stopped; continue with: recsys-search start --study small\n"
    )
    outcome = cli("worker", "--study", "small", "--device", "cpu")
    assert (outcome.code, outcome.err.splitlines()[-1]) == (0, "study small is stopped")
    assert (status(cli)["done"], status(cli)["stopped"]) == (0, True)
    lines = [line.split(maxsplit=1) for line in cli("status").out.splitlines()]
    assert ["note", "stopped until the next start"] in lines
    assert cli("start", "--study", "small", "--device", "cpu", "--quiet").code == 0
    assert status(cli)["done"] == 3


def test_stop_ends_a_worker_elsewhere_and_start_goes_on_from_its_checkpoint(
    folder, cli, start_worker
):
    known = [{**STUDY["known"][0], "max_epochs": 10**6, "patience": 10**6}]
    text = yaml.safe_dump({**STUDY, "known": known, "trials": 1}, sort_keys=False)
    (folder / "small.yaml").write_text(text)
    assert cli("start", "--study", "small.yaml", "--device", "cpu", "--detach").code == 0
    process = start_worker("--study", "small")
    until = time.monotonic() + 60
    while not any(trial["epochs"] for trial in trials(cli)):
        assert time.monotonic() < until
    outcome = cli("stop", "--study", "small")
    assert "waiting for 1 trial of small to end" in outcome.err
    _, err = process.communicate(timeout=60)
    assert (process.returncode, err.splitlines()[-1]) == (0, "study small is stopped")
    [first] = trials(cli)
    assert first["state"] == "interrupted"
    assert first["reason"].startswith("recsys-search stop ")
    assert (status(cli)["running"], status(cli)["waiting"]) == (0, 1)
    options = ["--study", "small", "--device", "cpu", "--timeout", "1s"]
    err = cli("start", *options).err
    assert "trial 0 is tried again as trial 1" in err
    again = trials(cli)[1]
    assert again["epochs"] >= first["epochs"] > 0


def test_a_worker_without_a_study_waits_until_a_signal(folder, detached, start_worker):
    process = start_worker()
    read_until(process.stderr, "study small has trials to run")
    until = time.monotonic() + 60
    while json.loads(call(folder, "status", "--json").out)["done"] < 3:
        assert time.monotonic() < until
        time.sleep(0.2)
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=30)
    assert process.returncode == 143
