"""Files in a folder on a disk and at a URL are whole or not there."""

from __future__ import annotations

import sys

import fsspec
import pytest
from fsspec.implementations.memory import MemoryFileSystem
from recsys_search.base import folders
from recsys_search.base.folders import LocalFolder, hide_password, open_folder
from recsys_search.errors import StorageError


@pytest.fixture(params=["path", "file", "memory"])
def folder(request, tmp_path):
    MemoryFileSystem.store.clear()
    place = {
        "path": str(tmp_path / "kept"),
        "file": f"file://{tmp_path}/kept",
        "memory": "memory://bucket/kept",
    }[request.param]
    return open_folder(place)


class NotAtomic(MemoryFileSystem):
    """A store whose files are visible while they are written."""

    protocol = "slow"


def test_a_file_is_written_listed_read_and_removed(folder):
    assert (folder.files(), folder.sizes()) == ({}, {})
    inner = folder.child("1-0")
    inner.write("a", b"12")
    inner.write("b", memoryview(b"345"))
    inner.write("a", b"6789")
    folder.write("c", b"")
    assert inner.files() == {"a": 4, "b": 3}
    assert inner.read("a") == b"6789"
    assert folder.files() == {"c": 0}
    assert folder.sizes() == {"1-0": 7}
    inner.remove("a")
    inner.remove("a")
    assert inner.files() == {"b": 3}
    with pytest.raises(FileNotFoundError):
        inner.read("a")
    inner.delete()
    inner.delete()
    assert (inner.files(), folder.sizes()) == ({}, {})


@pytest.mark.parametrize("name", ["", "..", "a/b", "/etc/passwd"])
def test_a_name_does_not_lead_out_of_the_folder(folder, name):
    for use in (folder.read, folder.remove, folder.child, lambda name: folder.write(name, b"")):
        with pytest.raises(ValueError, match="is not the name of a file in a folder"):
            use(name)


def test_where_writing_is_not_atomic_a_file_is_moved_into_place(monkeypatch):
    fsspec.register_implementation("slow", NotAtomic, clobber=True)
    folder = open_folder("slow://bucket/kept")
    folder.write("a", b"1")

    def cut_off(self, path, value, **options):
        MemoryFileSystem.pipe_file(self, path, value[:1])
        raise ConnectionError("the line is down")

    monkeypatch.setattr(NotAtomic, "pipe_file", cut_off)
    with pytest.raises(OSError, match="the line is down"):
        folder.write("a", b"23")
    assert folder.files() == {"a": 1}
    assert folder.read("a") == b"1"


def test_what_a_killed_process_has_begun_to_write_is_removed_after_an_hour(
    tmp_path, start_python, monkeypatch
):
    code = """
import os, sys
from pathlib import Path
from recsys_search.base.folders import LocalFolder
os.fsync = lambda descriptor: os._exit(9)
LocalFolder(Path(sys.argv[1])).write("a", b"1")
"""
    assert start_python(code, tmp_path).wait(60) == 9
    check_removed_after_an_hour(LocalFolder(tmp_path), monkeypatch)


def test_so_is_what_was_not_moved_into_place(monkeypatch):
    fsspec.register_implementation("slow", NotAtomic, clobber=True)
    MemoryFileSystem.store.clear()
    folder = open_folder("slow://bucket/kept")
    with monkeypatch.context() as patch, pytest.raises(OSError):
        patch.setattr(NotAtomic, "mv", lambda *args: 1 / 0)
        patch.setattr(NotAtomic, "rm_file", lambda *args: 1 / 0)
        folder.write("a", b"1")
    check_removed_after_an_hour(folder, monkeypatch)


def check_removed_after_an_hour(folder, monkeypatch):
    """Args: folder: with one file that was begun a moment ago."""
    [partial] = folder.files()
    began = folders.time()
    folder.write("complete", b"1")
    for seconds, left in ((3500, {partial, "complete"}), (3700, {"complete"})):
        monkeypatch.setattr(folders, "time", lambda now=began + seconds: now)
        folder.remove_abandoned()
        assert folder.files().keys() == left


def test_an_error_of_the_driver_names_the_url_without_its_password(monkeypatch):
    folder = open_folder("memory://me:secret@bucket/kept")

    def refuse(*args, **options):
        raise RuntimeError("no access with secret to me:secret@bucket")

    monkeypatch.setattr(MemoryFileSystem, "pipe_file", refuse)
    with pytest.raises(OSError) as caught:
        folder.write("a", b"")
    assert "memory://***@bucket/kept: RuntimeError: no access" in str(caught.value)
    assert "secret" not in str(caught.value)


def test_a_missing_driver_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, "s3fs", None)
    with pytest.raises(StorageError) as caught:
        open_folder("s3://key:secret@bucket/kept")
    assert str(caught.value) == "s3://***@bucket/kept needs the package s3fs; pip install s3fs"


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ("nowhere://x", "nowhere://x cannot be used: ValueError: Protocol not known: nowhere"),
        ("file://mnt/x", "two slashes, and needs three; write file:///mnt/x"),
    ],
)
def test_a_url_that_cannot_be_used_is_refused(place, message):
    with pytest.raises(StorageError, match=message):
        open_folder(place)


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert open_folder("~/kept").path == tmp_path / "kept"


def test_users_passwords_and_signatures_are_hidden():
    assert hide_password("ftp://me:p@ss@host/x?sig=1") == "ftp://***@host/x?***"
    assert hide_password("s3://bucket/x") == "s3://bucket/x"


def test_a_file_is_synced_before_it_has_its_name(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr("os.fsync", lambda descriptor: calls.append("fsync"))
    monkeypatch.setattr(folders, "_sync_folder", lambda path: calls.append(path))
    LocalFolder(tmp_path).write("a", b"1")
    assert calls == ["fsync", tmp_path]


def test_a_folder_that_vanishes_while_it_is_listed_is_empty(tmp_path, monkeypatch):
    folder = LocalFolder(tmp_path)
    folder.child("1-0").write("a", b"1")
    entries = folder._entries()
    monkeypatch.setattr(
        LocalFolder, "_entries", lambda self: entries if self.path == tmp_path else []
    )
    folder.child("1-0").delete()
    assert folder.sizes() == {"1-0": 0}
