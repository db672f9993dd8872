"""Memory of a training step, measured in a subprocess: earlier peaks would hide it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize("neighbours", ["off", "auto"])
@pytest.mark.skipif(sys.platform != "linux", reason="peak memory is read from /proc")
def test_three_steps_at_two_million_ratings_need_far_less_than_a_row_of_latents_per_rating(
    tmp_path, neighbours
):
    """A (train ratings, latent_dim) table of float32 needs 410 MB, users by films 625 MB."""
    sizes = ["2000000", "--batch-size", "4096", "--latent-dim", "64", "--steps", "3"]
    sizes += ["--neighbours", neighbours]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "benchmarks.speed.scale",
            *sizes,
            "--device",
            "cpu",
            "--out",
            tmp_path,
        ],
        cwd=ROOT,
        check=True,
        capture_output=True,
        env={**os.environ, "OMP_NUM_THREADS": "1"},
    )
    [file] = tmp_path.iterdir()
    [row] = json.loads(file.read_text())["rows"]
    assert row["train_ratings"] == 1_600_000
    assert row["steps_mb"] < 260
