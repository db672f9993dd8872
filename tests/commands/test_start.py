"""`start` on a study file that is not a file on disk."""

from __future__ import annotations

import os

import pytest
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.launch import run_study
from recsys_search.search.running.events import StudyStarted


@pytest.fixture
def piped(folder):
    """The path of a pipe with the study file and a name in it."""
    reader, writer = os.pipe()
    os.write(writer, (folder / "small.yaml").read_bytes() + b"name: piped\n")
    os.close(writer)
    yield f"/dev/fd/{reader}"
    os.close(reader)


def test_a_study_from_a_pipe_runs_under_the_name_in_it(cli, piped):
    outcome = cli("start", "--study", piped, "--trials", "1", "--device", "cpu", "--quiet")
    assert outcome.code == 0
    assert "recsys-search best --export config.yaml --study piped" in outcome.out


@pytest.mark.parametrize("file", ["/dev/fd/63", "demo.yaml"])
def test_after_ctrl_c_a_stored_study_is_continued_by_its_name(cli, monkeypatch, file):
    """A pipe cannot be read again, and a file does not have what options have changed."""

    def interrupted(study, *args, listener, **kwargs):
        listener(StudyStarted(load_study("demo"), 0))
        raise KeyboardInterrupt

    monkeypatch.setattr(run_study, "run_study", interrupted)
    outcome = cli("start", "--study", file, "--quiet")
    assert outcome.err == "interrupted; continue with: recsys-search start --study demo\n"
