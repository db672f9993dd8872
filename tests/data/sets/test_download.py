"""Downloads from an unreliable or malicious server. It runs locally; no network is needed."""

from __future__ import annotations

import os
import stat
import time
from dataclasses import replace
from hashlib import md5
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from io import BytesIO
from pathlib import Path
from threading import Thread
from zipfile import ZIP_DEFLATED, ZipFile, ZipInfo

import pytest
from recsys_search.data.data_folder import data_folder
from recsys_search.data.sets import archive, progress_bar
from recsys_search.data.sets import download as downloading
from recsys_search.data.sets.download import (
    check_server,
    download,
    find_downloaded,
    required_disk_bytes,
)
from recsys_search.data.sets.loading import PREPARED_FOLDER, load_ratings
from recsys_search.data.sets.progress_bar import download_with_progress
from recsys_search.data.sets.registry import DATASETS
from recsys_search.errors import DataError

RATINGS = "1::10::3.5::1000\n1::20::4::2000\n2::10::0.5::3000\n"
MOVIES = "10::Toy Story (1995)::Animation\n20::Heat (1995)::Crime\n"


def packed(entries: dict[str | ZipInfo, str | bytes]) -> bytes:
    file = BytesIO()
    with ZipFile(file, "w", ZIP_DEFLATED) as archive:
        for name, text in entries.items():
            archive.writestr(name, text)
    return file.getvalue()


GOOD_FILES = {"ml-1m/ratings.dat": RATINGS, "ml-1m/movies.dat": MOVIES, "ml-1m/README": "hello"}
GOOD = packed(GOOD_FILES)


class Server(ThreadingHTTPServer):
    """Answers every request with `status` and `body`, or only its first `sent` bytes."""

    body, status, sent, n_requests = GOOD, 200, None, 0
    length: str | None = None

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_port}/ml-1m.zip"


class Handler(BaseHTTPRequestHandler):
    def do_HEAD(self):
        self.server.n_requests += 1
        self.send_response(self.server.status)
        self.send_header("Content-Length", self.server.length or str(len(self.server.body)))
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(self.server.body[: self.server.sent])

    def log_message(self, *_):
        pass


@pytest.fixture
def server(monkeypatch):
    """A local server in place of GroupLens, which offers `GOOD` as ml-1m."""
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    server = Server(("127.0.0.1", 0), Handler)
    thread = Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    source = replace(DATASETS["ml-1m"], url=server.url, md5=md5(GOOD).hexdigest())
    monkeypatch.setitem(DATASETS, "ml-1m", source)
    yield server
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.fixture
def data_dir(tmp_path):
    return tmp_path / "datasets"


def serve(server, monkeypatch, body, *, true_md5=True):
    server.body = body
    if true_md5:
        source = replace(DATASETS["ml-1m"], md5=md5(body).hexdigest())
        monkeypatch.setitem(DATASETS, "ml-1m", source)


def files_in(data_dir: Path) -> list[str]:
    """All paths in the data folder, except for the prepared store."""
    paths = (path.relative_to(data_dir) for path in data_dir.rglob("*"))
    return sorted(str(path) for path in paths if path.parts[0] != PREPARED_FOLDER)


def failure_reason(data_dir: Path) -> str:
    """The reason in the error message, whose other parts are checked."""
    with pytest.raises(DataError) as caught:
        download("ml-1m", data_dir)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    alternatives = (
        "; run 'recsys-search data download ml-1m' on a machine with network access and copy its "
        f"folder to {data_dir}, or use --dataset DIR, or try --study demo"
    )
    assert message.startswith("cannot download ml-1m: ")
    assert message.endswith(alternatives)
    return message.removeprefix("cannot download ml-1m: ").removesuffix(alternatives)


def assert_retry_succeeds(server, monkeypatch, data_dir):
    assert files_in(data_dir) == []
    server.status, server.sent, server.length = 200, None, None
    serve(server, monkeypatch, GOOD)
    assert len(load_ratings("ml-1m", data_dir, fetch=download)) == 3
    assert files_in(data_dir) == sorted(["ml-1m", *GOOD_FILES])


# Successful downloads


def test_a_download_is_unpacked_and_reused(server, data_dir):
    assert find_downloaded("ml-1m", data_dir) is None
    assert download("ml-1m", data_dir) == data_dir / "ml-1m"
    assert files_in(data_dir) == sorted(["ml-1m", *GOOD_FILES])
    ratings = load_ratings("ml-1m", data_dir, fetch=None)
    assert (ratings.name, len(ratings)) == ("ml-1m", 3)
    assert ratings.films.genre_names == ("Animation", "Crime")
    assert download("ml-1m", data_dir) == find_downloaded("ml-1m", data_dir)
    assert server.n_requests == 1


def test_the_folder_is_named_after_the_dataset_and_not_as_in_the_zip(server, data_dir, monkeypatch):
    body = packed({"ml-10M100K/ratings.dat": RATINGS})
    serve(server, monkeypatch, body)
    source = replace(DATASETS["ml-10m"], url=server.url, md5=md5(body).hexdigest())
    monkeypatch.setitem(DATASETS, "ml-10m", source)
    assert download("ml-10m", data_dir) == data_dir / "ml-10m"
    assert files_in(data_dir) == ["ml-10m", "ml-10m/ratings.dat"]


def test_the_folders_permissions_follow_the_umask(server, data_dir):
    earlier = os.umask(0o022)
    try:
        folder = download("ml-1m", data_dir)
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_progress_is_reported_in_bytes(server, data_dir):
    events = []

    class Listener:
        total = 0.0

        def update(self, n, /):
            events.append(n)

        def reset(self):
            events.clear()

        def close(self):
            events.append("closed")

    listener = Listener()
    download("ml-1m", data_dir, progress=listener)
    assert (listener.total, events) == (len(GOOD), [len(GOOD), "closed"])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_download_with_progress_shows_url_and_licence(
    server, data_dir, terminal, monkeypatch, capsys
):
    monkeypatch.setattr(progress_bar.sys.stderr, "isatty", lambda: terminal, raising=False)
    download_with_progress("ml-1m", data_dir)
    out, err = capsys.readouterr()
    assert out == ""
    assert server.url in err
    assert "for research" in err
    assert "ml-1m-README.txt" in err
    download_with_progress("ml-1m", data_dir)
    assert capsys.readouterr() == ("", "")


def test_the_data_folder_is_the_given_one_then_the_environments_then_the_cache(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", "~/mine")
    assert data_folder(Path("given")) == Path("given")
    assert data_folder() == tmp_path / "mine"
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", "")
    assert data_folder().name == "recsys-search"


# Network errors


@pytest.mark.parametrize("sent", [0, 1, 100, len(GOOD) - 1])
def test_after_an_interrupted_transfer_a_retry_succeeds(server, data_dir, monkeypatch, sent):
    server.sent = sent
    assert failure_reason(data_dir) == f"the transfer from {server.url} broke off"
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_an_unexpected_file_is_refused(server, data_dir, monkeypatch):
    other = GOOD + b"x"
    serve(server, monkeypatch, other, true_md5=False)
    assert failure_reason(data_dir) == (
        f"{server.url} sent a file with md5 {md5(other).hexdigest()} "
        f"instead of {md5(GOOD).hexdigest()}"
    )
    assert_retry_succeeds(server, monkeypatch, data_dir)


@pytest.mark.parametrize(
    ("status", "answer"), [(404, "404 Not Found"), (503, "503 Service Unavailable")]
)
def test_an_http_error_is_reported(server, data_dir, monkeypatch, status, answer):
    server.status = status
    assert failure_reason(data_dir) == f"{server.url} answered {answer}"
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_an_invalid_content_length_is_reported(server, data_dir, monkeypatch):
    server.length = "many"
    assert failure_reason(data_dir).startswith(server.url)
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_a_missing_network_is_reported(server, data_dir):
    server.shutdown()
    server.server_close()
    assert failure_reason(data_dir) == f"no connection to {server.url}"
    assert files_in(data_dir) == []


def test_a_silent_server_times_out(server, data_dir, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(Handler, "do_GET", lambda self: time.sleep(0.3))
    assert failure_reason(data_dir) == f"{server.url} did not answer within 0.05 s"
    assert files_in(data_dir) == []


def test_an_interrupt_leaves_nothing_behind(server, data_dir, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(downloading, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download("ml-1m", data_dir)
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_files_of_a_killed_download_are_removed_by_the_next_one(server, data_dir):
    abandoned, running = data_dir / ".ml-1m.partial-old", data_dir / ".ml-25m.partial-new"
    for folder in (abandoned, running):
        folder.mkdir(parents=True)
        (folder / "half.zip").write_text("PK")
    for path in (abandoned / "half.zip", abandoned):
        os.utime(path, (time.time() - 3_600,) * 2)
    download("ml-1m", data_dir)
    assert sorted(path.name for path in data_dir.iterdir()) == [running.name, "ml-1m"]


def test_two_concurrent_downloads_both_succeed(server, data_dir, monkeypatch):
    """The second one finishes while the first is still unpacking."""
    unpack = downloading.unpack

    def slow_unpack(archive, into):
        monkeypatch.setattr(downloading, "unpack", unpack)
        download("ml-1m", data_dir)
        unpack(archive, into)

    monkeypatch.setattr(downloading, "unpack", slow_unpack)
    assert download("ml-1m", data_dir) == data_dir / "ml-1m"
    assert files_in(data_dir) == sorted(["ml-1m", *GOOD_FILES])
    assert server.n_requests == 2


# Malicious and damaged zips


def link(name: str, kind: int = stat.S_IFLNK) -> ZipInfo:
    entry = ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    return entry


HOSTILE = {
    "parent": ({"../evil": "x"}, "'../evil' points outside its folder"),
    "deep": ({"ml-1m/../../evil": "x"}, "'ml-1m/../../evil' points outside its folder"),
    "backslash": ({"..\\evil": "x"}, "'..\\\\evil' points outside its folder"),
    "absolute": ({"/tmp/evil": "x"}, "'/tmp/evil' has an absolute path"),
    "drive": ({"C:/evil": "x"}, "'C:/evil' has an absolute path"),
    "link": ({link("ml-1m/evil"): "/etc/passwd"}, "'ml-1m/evil' is a link"),
    "device": (
        {link("ml-1m/evil", stat.S_IFCHR): ""},
        "'ml-1m/evil' is neither a file nor a folder",
    ),
}


@pytest.mark.parametrize(("entries", "message"), HOSTILE.values(), ids=HOSTILE)
def test_an_unsafe_entry_is_refused_before_anything_is_written(
    server, data_dir, monkeypatch, entries, message
):
    serve(server, monkeypatch, packed(GOOD_FILES | entries))
    with monkeypatch.context() as patch:
        patch.setattr(archive.ZipFile, "extractall", None)  # calling it would raise a TypeError
        assert failure_reason(data_dir) == f"ml-1m.zip is refused: its entry {message}"
    assert_retry_succeeds(server, monkeypatch, data_dir)
    assert [path.name for path in data_dir.parent.iterdir()] == [data_dir.name]


def test_a_zip_that_expands_a_hundredfold_is_refused(server, data_dir, monkeypatch):
    body = packed(GOOD_FILES | {"ml-1m/zeros": b"\0" * 10**6})
    serve(server, monkeypatch, body)
    size = 10**6 + len(RATINGS + MOVIES + "hello")
    assert failure_reason(data_dir) == (
        f"ml-1m.zip is refused: its {len(body)} bytes would unpack to {size}, more than 100 times "
        "as many or more than 20000000000"
    )
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_a_zip_that_is_too_large_unpacked_is_refused(server, data_dir, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 50)
    assert failure_reason(data_dir).startswith(f"ml-1m.zip is refused: its {len(GOOD)} bytes")
    assert files_in(data_dir) == []


DAMAGED = {
    "empty": b"",
    "html": b"<html>not a zip</html>",
    "truncated": GOOD[:-30],
    "flipped": GOOD[:60] + bytes([GOOD[60] ^ 255]) + GOOD[61:],
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_zip_is_reported(server, data_dir, monkeypatch, body):
    serve(server, monkeypatch, body)
    assert failure_reason(data_dir).startswith("ml-1m.zip is a damaged zip: ")
    assert_retry_succeeds(server, monkeypatch, data_dir)


def test_a_zip_without_the_ratings_is_reported(server, data_dir, monkeypatch):
    serve(server, monkeypatch, packed({"other/ratings.dat": RATINGS}))
    assert failure_reason(data_dir) == "ml-1m.zip has no ml-1m/ratings.dat"
    assert_retry_succeeds(server, monkeypatch, data_dir)


# Checks before a download


def test_checking_the_server_downloads_nothing(server, data_dir):
    check_server("ml-1m", data_dir)
    assert server.n_requests == 1
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("status", "answer"), [(404, "404 Not Found"), (503, "503 Service Unavailable")]
)
def test_checking_a_server_without_the_dataset_fails(server, data_dir, status, answer):
    server.status = status
    with pytest.raises(DataError) as caught:
        check_server("ml-1m", data_dir)
    assert str(caught.value).startswith(
        f"cannot download ml-1m: {server.url} answered {answer}; run "
    )


def test_the_required_disk_space_covers_the_files_and_the_prepared_columns():
    unpacked_bytes, n_ratings = 1e9, 32_000_204  # of ML-32M, see archive.py
    column_bytes = (8 + 8 + 4 + 8) * n_ratings  # user, film, rating, timestamp
    assert unpacked_bytes + column_bytes < required_disk_bytes("ml-32m") < 3e9
    assert required_disk_bytes("ml-100k") < required_disk_bytes("ml-1m") < 0.11e9


# Local errors


def error_message(name: str, data_dir: Path) -> str:
    with pytest.raises(DataError) as caught:
        download(name, data_dir)
    return str(caught.value)


def test_an_existing_folder_with_other_files_is_reported_and_kept(server, data_dir):
    (data_dir / "ml-1m").mkdir(parents=True)
    (data_dir / "ml-1m" / "thesis.tex").write_text("mine")
    assert error_message("ml-1m", data_dir) == (
        f"{data_dir}/ml-1m already exists, but has no ratings.dat; move it elsewhere"
    )
    assert files_in(data_dir) == ["ml-1m", "ml-1m/thesis.tex"]
    assert server.n_requests == 0


def test_an_existing_empty_folder_is_replaced(server, data_dir):
    (data_dir / "ml-1m").mkdir(parents=True)
    assert find_downloaded("ml-1m", download("ml-1m", data_dir).parent)


def test_a_file_in_place_of_the_data_folder_is_reported(server, data_dir):
    data_dir.write_text("")
    assert error_message("ml-1m", data_dir) == (
        f"cannot download ml-1m: {data_dir}: File exists; "
        "choose another folder with --data-dir or RECSYS_SEARCH_DATA_DIR"
    )


def test_a_full_disk_is_reported(server, data_dir, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloading, "unpack", full)
    assert error_message("ml-1m", data_dir) == (
        f"cannot download ml-1m: {data_dir}: No space left on device; "
        "choose another folder with --data-dir or RECSYS_SEARCH_DATA_DIR"
    )
    assert files_in(data_dir) == []


def test_only_published_datasets_are_downloaded(data_dir):
    names = "ml-latest-small, ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m"
    assert error_message("ml-2m", data_dir) == f"no dataset named 'ml-2m'; choose from {names}"
    for name in ("demo", "demo:1M"):
        assert error_message(name, data_dir) == f"{name} needs no download: it is generated on use"
    assert not data_dir.exists()
