"""Whether NVIDIA's Multi-Process Service is on."""

from __future__ import annotations

import pytest
from recsys_search.search.sharing.mps import CONTROL, describe_mps, mps_is_on


@pytest.fixture
def daemon(tmp_path, monkeypatch):
    """`daemon(code)`: a machine whose control program exits with this code."""
    (tmp_path / "control").write_text("")
    monkeypatch.setenv("CUDA_MPS_PIPE_DIRECTORY", str(tmp_path))
    monkeypatch.setenv("PATH", str(tmp_path))

    def daemon(code):
        program = tmp_path / CONTROL
        program.write_text(
            f'#!/bin/sh\nread asked; [ "$asked" = get_server_list ] && exit {code}\n'
        )
        program.chmod(0o700)

    return daemon


def test_it_is_on_if_the_daemon_answers(daemon):
    daemon(0)
    assert mps_is_on()
    assert describe_mps() == "MPS is on, so processes run on a GPU at the same time"


def test_it_is_off_if_a_daemon_that_has_ended_left_its_pipe(daemon):
    daemon(1)
    assert not mps_is_on()
    assert "nvidia-cuda-mps-control -d starts it" in describe_mps()


def test_in_a_container_without_the_program_the_pipe_decides(daemon, tmp_path):
    assert mps_is_on()
    (tmp_path / "control").unlink()
    assert not mps_is_on()
