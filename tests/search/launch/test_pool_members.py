"""A pool of which one worker does not start, or whose parent gets more than one signal."""

from __future__ import annotations

import sys

from recsys_search.search.launch import processes
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.running.events import Notice

# A Python that runs only for the first who starts it.
ONCE = """#!/bin/sh
mkdir {folder}/taken 2>/dev/null || exit 7
exec {python} "$@"
"""


def test_the_others_go_on_without_a_worker_that_never_starts(workplace, monkeypatch):
    python = workplace.folder / "python"
    python.write_text(ONCE.format(folder=workplace.folder, python=sys.executable))
    python.chmod(0o755)
    monkeypatch.setattr(processes.sys, "executable", str(python))
    notices = []
    run_study(
        workplace.write_study(trials=2),
        workplace.storage,
        workers=2,
        device="cpu",
        listener=notices.append,
    )
    messages = [event.message for event in notices if isinstance(event, Notice)]
    deaths = [each for each in messages if "ended with code 7" in each]
    assert [each.partition(" code 7")[2] for each in deaths] == [
        "; another takes its place",
        "; another takes its place",
        ", 3 times in a row; the others go on without it",
    ]
    assert workplace.read().status()["complete"] == 2
