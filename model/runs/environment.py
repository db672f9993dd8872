"""What a result depends on besides its config: versions, commit, machine, device and threads."""

from __future__ import annotations

import os
import platform
import subprocess
from functools import cache
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ...base.messages import printable

PACKAGES = ("recsys-search", "torch", "numpy", "optuna")
PACKAGE_ROOT = Path(__file__).resolve().parents[2]


@cache
def current_environment(*, device: str, amp: str, threads: int) -> dict[str, Any]:
    """The environment of a training, as plain values."""
    return {
        "python": platform.python_version(),
        **{package: _version(package) for package in PACKAGES},
        "commit": commit_of(PACKAGE_ROOT),
        "machine": platform.machine(),
        "device": device,
        "amp": amp,
        "threads": threads,
    }


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None


def commit_of(folder: Path) -> str | None:
    """Commit of a checkout, or why it is unknown; None if the folder is not a checkout's root."""
    git_dir = folder / ".git"
    if not git_dir.exists():
        return None
    # With the repository named, git neither finds another one in a folder above, nor refuses one
    # that belongs to another user. That refusal is to protect from programs named in a repository's
    # settings, but this repository's Python code is already running.
    git = ["git", f"--git-dir={git_dir}", f"--work-tree={folder}"]
    describe = ["describe", "--always", "--dirty", "--abbrev=12"]
    # A git hook sets variables that would select the files of its own repository.
    variables = {name: value for name, value in os.environ.items() if name[:4] != "GIT_"}
    variables["GIT_OPTIONAL_LOCKS"] = "0"  # the checkout may be read-only
    try:
        done = subprocess.run(
            [*git, *describe],
            capture_output=True,
            text=True,
            timeout=10,
            check=True,
            cwd=folder,
            env=variables,
        )
    except subprocess.CalledProcessError as error:
        return f"unknown: {printable(' '.join(error.stderr.split()), 160)}"
    except subprocess.TimeoutExpired:
        return "unknown: git did not answer within 10 s"
    except OSError as error:
        return f"unknown: git cannot be run: {error.strerror}"
    return done.stdout.strip()
