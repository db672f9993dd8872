"""Downloads from a server that may break off, lie or mean harm. No network is needed."""

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
from recsys_search.data.sets.loading import PREPARED, load_ratings
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
    """Sends `body` for every address, or the first `sent` bytes of it, with status `status`."""

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
    """Stands in for GroupLens, and ml-1m has the md5 of `server.body` as it is now."""
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


def left_behind(data_dir: Path) -> list[str]:
    """All that lies there, but for what reading kept."""
    paths = (path.relative_to(data_dir) for path in data_dir.rglob("*"))
    return sorted(str(path) for path in paths if path.parts[0] != PREPARED)


def complaint(data_dir: Path) -> str:
    """What goes wrong, without the ways out, which it checks."""
    with pytest.raises(DataError) as caught:
        download("ml-1m", data_dir)
    message = str(caught.value)
    assert len(message.splitlines()) == 1
    ways_out = (
        "; run 'recsys-search data download ml-1m' on a machine with a network and copy its "
        f"folder to {data_dir}, or use --dataset DIR, or try --study demo"
    )
    assert message.startswith("cannot download ml-1m: ")
    assert message.endswith(ways_out)
    return message.removeprefix("cannot download ml-1m: ").removesuffix(ways_out)


def assert_a_good_server_mends_it(server, monkeypatch, data_dir):
    assert left_behind(data_dir) == []
    server.status, server.sent, server.length = 200, None, None
    serve(server, monkeypatch, GOOD)
    assert len(load_ratings("ml-1m", data_dir, fetch=download)) == 3
    assert left_behind(data_dir) == sorted(["ml-1m", *GOOD_FILES])


# What comes out


def test_a_download_is_unpacked_read_and_kept(server, data_dir):
    assert find_downloaded("ml-1m", data_dir) is None
    assert download("ml-1m", data_dir) == data_dir / "ml-1m"
    assert left_behind(data_dir) == sorted(["ml-1m", *GOOD_FILES])
    ratings = load_ratings("ml-1m", data_dir, fetch=None)
    assert (ratings.name, len(ratings)) == ("ml-1m", 3)
    assert ratings.films.genre_names == ("Animation", "Crime")
    assert download("ml-1m", data_dir) == find_downloaded("ml-1m", data_dir)
    assert server.n_requests == 1


def test_the_folder_has_the_datasets_name_whatever_the_zip_calls_it(server, data_dir, monkeypatch):
    body = packed({"ml-10M100K/ratings.dat": RATINGS})
    serve(server, monkeypatch, body)
    source = replace(DATASETS["ml-10m"], url=server.url, md5=md5(body).hexdigest())
    monkeypatch.setitem(DATASETS, "ml-10m", source)
    assert download("ml-10m", data_dir) == data_dir / "ml-10m"
    assert left_behind(data_dir) == ["ml-10m", "ml-10m/ratings.dat"]


def test_the_folder_can_be_read_by_whom_the_umask_lets(server, data_dir):
    earlier = os.umask(0o022)
    try:
        folder = download("ml-1m", data_dir)
    finally:
        os.umask(earlier)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o755


def test_progress_is_told_in_bytes(server, data_dir):
    told = []

    class Listener:
        total = 0.0

        def update(self, n, /):
            told.append(n)

        def reset(self):
            told.clear()

        def close(self):
            told.append("closed")

    listener = Listener()
    download("ml-1m", data_dir, progress=listener)
    assert (listener.total, told) == (len(GOOD), [len(GOOD), "closed"])


@pytest.mark.parametrize("terminal", [True, False])
def test_a_visible_download_names_address_and_licence(
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


def test_the_data_folder_is_the_one_given_or_the_environments_or_the_cache(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", "~/mine")
    assert data_folder(Path("given")) == Path("given")
    assert data_folder() == tmp_path / "mine"
    monkeypatch.setenv("RECSYS_SEARCH_DATA_DIR", "")
    assert data_folder().name == "recsys-search"


# What goes wrong on the network


@pytest.mark.parametrize("sent", [0, 1, 100, len(GOOD) - 1])
def test_a_transfer_that_breaks_off_is_begun_anew(server, data_dir, monkeypatch, sent):
    server.sent = sent
    assert complaint(data_dir) == f"{server.url} broke off"
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_another_file_than_expected_is_refused(server, data_dir, monkeypatch):
    other = GOOD + b"x"
    serve(server, monkeypatch, other, true_md5=False)
    assert complaint(data_dir) == (
        f"{server.url} sent a file with md5 {md5(other).hexdigest()} "
        f"instead of {md5(GOOD).hexdigest()}"
    )
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


@pytest.mark.parametrize(
    ("status", "words"), [(404, "404 Not Found"), (503, "503 Service Unavailable")]
)
def test_a_server_that_refuses_is_told(server, data_dir, monkeypatch, status, words):
    server.status = status
    assert complaint(data_dir) == f"{server.url} answers {words}"
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_a_length_that_is_no_number_is_told(server, data_dir, monkeypatch):
    server.length = "many"
    assert complaint(data_dir).startswith(server.url)
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_without_a_network_the_ways_out_are_told(server, data_dir):
    server.shutdown()
    server.server_close()
    assert complaint(data_dir) == f"no connection to {server.url}"
    assert left_behind(data_dir) == []


def test_a_server_that_says_nothing_is_given_up(server, data_dir, monkeypatch):
    monkeypatch.setattr(downloading, "TIMEOUT_S", 0.05)
    monkeypatch.setattr(Handler, "do_GET", lambda self: time.sleep(0.3))
    assert complaint(data_dir) == f"{server.url} does not answer within 0.05 s"
    assert left_behind(data_dir) == []


def test_an_interrupt_leaves_nothing_behind(server, data_dir, monkeypatch):
    def interrupted(*_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(downloading, "unpack", interrupted)
        with pytest.raises(KeyboardInterrupt):
            download("ml-1m", data_dir)
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_what_a_killed_download_left_goes_with_the_next_one(server, data_dir):
    abandoned, running = data_dir / ".ml-1m.partial-old", data_dir / ".ml-25m.partial-new"
    for folder in (abandoned, running):
        folder.mkdir(parents=True)
        (folder / "half.zip").write_text("PK")
    for path in (abandoned / "half.zip", abandoned):
        os.utime(path, (time.time() - 3_600,) * 2)
    download("ml-1m", data_dir)
    assert sorted(path.name for path in data_dir.iterdir()) == [running.name, "ml-1m"]


def test_two_downloads_at_once_both_end_well(server, data_dir, monkeypatch):
    """The other one is through while this one is still unpacking."""
    unpack = downloading.unpack

    def slow_unpack(archive, into):
        monkeypatch.setattr(downloading, "unpack", unpack)
        download("ml-1m", data_dir)
        unpack(archive, into)

    monkeypatch.setattr(downloading, "unpack", slow_unpack)
    assert download("ml-1m", data_dir) == data_dir / "ml-1m"
    assert left_behind(data_dir) == sorted(["ml-1m", *GOOD_FILES])
    assert server.n_requests == 2


# Zips that mean harm


def link(name: str, kind: int = stat.S_IFLNK) -> ZipInfo:
    entry = ZipInfo(name)
    entry.create_system = 3
    entry.external_attr = (kind | 0o777) << 16
    return entry


HOSTILE = {
    "parent": ({"../evil": "x"}, "'../evil' leaves its folder"),
    "deep": ({"ml-1m/../../evil": "x"}, "'ml-1m/../../evil' leaves its folder"),
    "backslash": ({"..\\evil": "x"}, "'..\\\\evil' leaves its folder"),
    "absolute": ({"/tmp/evil": "x"}, "'/tmp/evil' has an absolute path"),
    "drive": ({"C:/evil": "x"}, "'C:/evil' has an absolute path"),
    "link": ({link("ml-1m/evil"): "/etc/passwd"}, "'ml-1m/evil' is a link"),
    "device": (
        {link("ml-1m/evil", stat.S_IFCHR): ""},
        "'ml-1m/evil' is neither a file nor a folder",
    ),
}


@pytest.mark.parametrize(("entries", "told"), HOSTILE.values(), ids=HOSTILE)
def test_an_entry_that_means_harm_is_refused_before_anything_is_written(
    server, data_dir, monkeypatch, entries, told
):
    serve(server, monkeypatch, packed(GOOD_FILES | entries))
    with monkeypatch.context() as patch:
        patch.setattr(archive.ZipFile, "extractall", None)  # calling it would raise a TypeError
        assert complaint(data_dir) == f"ml-1m.zip is refused: its entry {told}"
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)
    assert [path.name for path in data_dir.parent.iterdir()] == [data_dir.name]


def test_a_zip_that_grows_a_hundredfold_is_refused(server, data_dir, monkeypatch):
    body = packed(GOOD_FILES | {"ml-1m/zeros": b"\0" * 10**6})
    serve(server, monkeypatch, body)
    size = 10**6 + len(RATINGS + MOVIES + "hello")
    assert complaint(data_dir) == (
        f"ml-1m.zip is refused: {len(body)} bytes would unpack to {size}, over 100 times as many "
        "or over 20000000000"
    )
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_a_zip_of_a_sane_growth_but_an_insane_size_is_refused(server, data_dir, monkeypatch):
    monkeypatch.setattr(archive, "MAX_UNPACKED_BYTES", 50)
    assert complaint(data_dir).startswith(f"ml-1m.zip is refused: {len(GOOD)} bytes")
    assert left_behind(data_dir) == []


DAMAGED = {
    "empty": b"",
    "no zip": b"<html>not a zip</html>",
    "cut": GOOD[:-30],
    "flipped": GOOD[:60] + bytes([GOOD[60] ^ 255]) + GOOD[61:],
}


@pytest.mark.parametrize("body", DAMAGED.values(), ids=DAMAGED)
def test_a_damaged_zip_is_told(server, data_dir, monkeypatch, body):
    serve(server, monkeypatch, body)
    assert complaint(data_dir).startswith("ml-1m.zip is a damaged zip: ")
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


def test_a_zip_without_the_ratings_is_told(server, data_dir, monkeypatch):
    serve(server, monkeypatch, packed({"other/ratings.dat": RATINGS}))
    assert complaint(data_dir) == "ml-1m.zip holds no ml-1m/ratings.dat"
    assert_a_good_server_mends_it(server, monkeypatch, data_dir)


# What is told before a download


def test_a_server_that_has_the_dataset_is_asked_for_no_more(server, data_dir):
    check_server("ml-1m", data_dir)
    assert server.n_requests == 1
    assert not data_dir.exists()


@pytest.mark.parametrize(
    ("status", "told"), [(404, "answers 404 Not Found"), (503, "answers 503 Service Unavailable")]
)
def test_a_server_that_lacks_the_dataset_is_told_with_the_ways_out(server, data_dir, status, told):
    server.status = status
    with pytest.raises(DataError) as caught:
        check_server("ml-1m", data_dir)
    assert str(caught.value).startswith(f"cannot download ml-1m: {server.url} {told}; run ")


def test_the_room_for_a_download_holds_its_files_and_its_columns():
    unpacked_bytes, n_ratings = 1e9, 32_000_204  # of ML-32M, see archive.py
    column_bytes = (8 + 8 + 4 + 8) * n_ratings  # user, film, rating, timestamp
    assert unpacked_bytes + column_bytes < required_disk_bytes("ml-32m") < 3e9
    assert required_disk_bytes("ml-100k") < required_disk_bytes("ml-1m") < 0.11e9


# What is wrong on this machine


def refusal(name: str, data_dir: Path) -> str:
    with pytest.raises(DataError) as caught:
        download(name, data_dir)
    return str(caught.value)


def test_a_folder_in_the_way_is_told_and_left_alone(server, data_dir):
    (data_dir / "ml-1m").mkdir(parents=True)
    (data_dir / "ml-1m" / "thesis.tex").write_text("mine")
    assert refusal("ml-1m", data_dir) == (
        f"{data_dir}/ml-1m holds no ratings.dat and is in the way; move it elsewhere"
    )
    assert left_behind(data_dir) == ["ml-1m", "ml-1m/thesis.tex"]
    assert server.n_requests == 0


def test_an_empty_folder_is_not_in_the_way(server, data_dir):
    (data_dir / "ml-1m").mkdir(parents=True)
    assert find_downloaded("ml-1m", download("ml-1m", data_dir).parent)


def test_a_file_in_the_place_of_the_data_folder_is_told(server, data_dir):
    data_dir.write_text("")
    assert refusal("ml-1m", data_dir) == (
        f"cannot download ml-1m: {data_dir}: File exists; "
        "choose another folder with --data-dir or RECSYS_SEARCH_DATA_DIR"
    )


def test_a_full_disk_is_told(server, data_dir, monkeypatch):
    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(downloading, "unpack", full)
    assert refusal("ml-1m", data_dir) == (
        f"cannot download ml-1m: {data_dir}: No space left on device; "
        "choose another folder with --data-dir or RECSYS_SEARCH_DATA_DIR"
    )
    assert left_behind(data_dir) == []


def test_only_published_datasets_are_downloaded(data_dir):
    names = "ml-latest-small, ml-100k, ml-1m, ml-10m, ml-20m, ml-25m, ml-32m"
    assert refusal("ml-2m", data_dir) == f"no dataset named 'ml-2m'; choose from {names}"
    for name in ("demo", "demo:1M"):
        assert (
            refusal(name, data_dir) == f"{name} needs no download: it is generated; use it as it is"
        )
    assert not data_dir.exists()
