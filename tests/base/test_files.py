"""Where a text goes that a user wants written, and what becomes of what was there."""

from __future__ import annotations

import errno
import io
import os
import stat
import sys
import threading
from pathlib import Path

import pytest
from recsys_search.base import files
from recsys_search.base.files import is_stdout, is_stream, write_output
from recsys_search.errors import OutputError


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def refuse(number):
    def fail(*args, **kwargs):
        raise OSError(number, os.strerror(number))

    return fail


@pytest.fixture
def fifo(tmp_path):
    """A FIFO, and what a thread has read from it by the time it is joined."""
    path = tmp_path / "fifo"
    os.mkfifo(path)
    got = []
    reader = threading.Thread(target=lambda: got.append(path.read_bytes()), daemon=True)
    reader.start()
    return path, reader, got


# Files.


def test_text_is_utf_8_with_plain_line_ends_and_may_come_from_a_function(tmp_path):
    write_output(tmp_path / "a", "ü\n")
    write_output(tmp_path / "b", lambda stream: [stream.write("ü"), stream.write("\n")])
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == "ü\n".encode()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["a", "b"]


def test_a_file_stays_as_it_was_if_its_writer_fails(tmp_path):
    (tmp_path / "a").write_text("old")

    def write(stream):
        stream.write("new")
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        write_output(tmp_path / "a", write)
    assert (tmp_path / "a").read_text() == "old"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


@pytest.mark.parametrize("bits", [0o600, 0o664, 0o755])
def test_an_existing_file_keeps_its_permissions(tmp_path, bits):
    (tmp_path / "a").write_text("old")
    (tmp_path / "a").chmod(bits)
    write_output(tmp_path / "a", "new")
    assert ((tmp_path / "a").read_text(), mode(tmp_path / "a")) == ("new", bits)


def test_a_new_file_has_the_permissions_that_any_new_file_has(tmp_path):
    (tmp_path / "any").touch()
    write_output(tmp_path / "a", "new")
    assert mode(tmp_path / "a") == mode(tmp_path / "any")


def test_a_read_only_file_is_refused_for_root_too(tmp_path):
    path = tmp_path / "a"
    path.write_text("old")
    path.chmod(0o444)
    with pytest.raises(OutputError) as caught:
        write_output(path, "new")
    assert str(caught.value) == (
        f"{path} cannot be written: it is read-only; name another file, or allow writing with chmod"
    )
    assert (path.read_text(), mode(path)) == ("old", 0o444)


@pytest.mark.parametrize("number", [errno.EBUSY, errno.EACCES, errno.EXDEV])
def test_a_file_that_cannot_be_replaced_is_written_in_place(tmp_path, monkeypatch, number):
    """A file mounted into a container (EBUSY), or someone else's in a shared folder."""
    path = tmp_path / "a"
    path.write_text("old and long")
    inode = path.stat().st_ino
    monkeypatch.setattr(Path, "replace", refuse(number))
    write_output(path, "new")
    assert (path.read_text(), path.stat().st_ino) == ("new", inode)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_file_in_a_read_only_folder_is_written_in_place(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")
    folder = files.TemporaryDirectory

    def temporary(**options):
        return refuse(errno.EROFS)() if options.get("dir") == tmp_path else folder(**options)

    monkeypatch.setattr(files, "TemporaryDirectory", temporary)
    monkeypatch.setattr(Path, "replace", refuse(errno.EROFS))
    write_output(path, "new")
    assert path.read_text() == "new"
    with pytest.raises(OutputError, match="b cannot be written: Read-only file system; "):
        write_output(tmp_path / "b", "new")


def test_a_full_disk_leaves_the_file_as_it_was(tmp_path, monkeypatch):
    path = tmp_path / "a"
    path.write_text("old")
    with pytest.raises(OutputError) as caught:
        write_output(path, refuse(errno.ENOSPC))
    assert str(caught.value) == (
        f"{path} cannot be written: No space left on device; free some space, or name a file on "
        "another disk"
    )
    assert path.read_text() == "old"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("", "it is a folder; name a file in it"),
        ("none/a", "No such file or directory; name a file in an existing folder"),
        ("file/a", "Not a directory; name a file in an existing folder"),
        (300 * "x", "File name too long; name another file"),
    ],
)
def test_an_impossible_file_is_one_sentence_with_a_remedy(tmp_path, name, message):
    (tmp_path / "file").touch()
    with pytest.raises(OutputError) as caught:
        write_output(tmp_path / name, "new")
    assert str(caught.value).endswith(f" cannot be written: {message}")
    assert [path.name for path in tmp_path.iterdir()] == ["file"]


# Links.


def test_a_link_stays_and_its_file_is_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    file = tmp_path / "folder" / "file"
    file.write_text("old")
    file.chmod(0o640)
    (tmp_path / "first").symlink_to("second")
    (tmp_path / "second").symlink_to("folder/file")
    write_output(tmp_path / "first", "new")
    assert (tmp_path / "first").readlink() == Path("second")
    assert (tmp_path / "second").readlink() == Path("folder/file")
    assert (file.read_text(), mode(file), file.is_symlink()) == ("new", 0o640, False)


def test_a_dangling_link_creates_its_file(tmp_path):
    (tmp_path / "link").symlink_to("file")
    write_output(tmp_path / "link", "new")
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "file").read_text() == "new"


def test_links_in_a_circle_are_refused(tmp_path):
    (tmp_path / "a").symlink_to("b")
    (tmp_path / "b").symlink_to("a")
    assert not is_stream(tmp_path / "a")
    with pytest.raises(OutputError, match="a cannot be written: its symbolic links lead in a circ"):
        write_output(tmp_path / "a", "new")


# Streams.


@pytest.mark.parametrize("through_link", [False, True])
def test_a_fifo_is_written_into_and_stays(tmp_path, fifo, through_link):
    path, reader, got = fifo
    (tmp_path / "link").symlink_to("fifo")
    write_output(tmp_path / "link" if through_link else path, "new\n")
    reader.join(10)
    assert got == [b"new\n"]
    assert path.is_fifo()


def test_a_reader_that_goes_away_is_one_sentence(tmp_path):
    path = tmp_path / "fifo"
    os.mkfifo(path)
    reader = os.open(path, os.O_RDONLY | os.O_NONBLOCK)

    def write(stream):
        os.close(reader)
        stream.write("new")

    with pytest.raises(OutputError) as caught:
        write_output(path, write)
    assert str(caught.value) == (
        f"{path} cannot be written: its reader went away; let the reader read to the end, or name "
        "a file"
    )


@pytest.mark.parametrize("folder", ["/dev/fd", "/proc/self/fd"])
def test_an_open_file_is_written_at_its_end(tmp_path, folder):
    """As in `--csv /dev/fd/3 3>>file`; `>(command)` is a pipe of this kind."""
    with (tmp_path / "a").open("w") as file:
        file.write("old\n")
        file.flush()
        path = Path(folder, str(file.fileno()))
        assert is_stream(path)
        write_output(path, "new\n")
    assert (tmp_path / "a").read_text() == "old\nnew\n"
    assert Path(folder).exists()


def test_a_file_reached_through_proc_is_a_file_like_any_other(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("a").write_text("old")
    path = Path("/proc/self/cwd/a")
    assert not is_stream(path)
    write_output(path, "new")
    assert Path("a").read_text() == "new"


# Stdout.


# Nothing is written to /dev/stdout here: a mistake in the code would replace it, if root may.
@pytest.mark.parametrize("name", ["-", "/dev/stdout", "/dev/fd/1", "/proc/self/fd/1", "link"])
def test_every_name_of_stdout_is_stdout(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    Path("link").symlink_to("/dev/stdout")
    assert is_stdout(Path(name)) and is_stream(Path(name))


@pytest.mark.parametrize("name", ["-", "/dev/fd/1", "/proc/self/fd/1"])
def test_text_for_stdout_is_utf_8_after_what_was_printed(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    stream = io.TextIOWrapper(io.BytesIO(), "ascii")
    monkeypatch.setattr(sys, "stdout", stream)
    stream.write("before ")
    write_output(Path(name), "ü\n")
    assert stream.buffer.getvalue() == "before ü\n".encode()
    assert not stream.closed
    assert not list(tmp_path.iterdir())


def test_stdout_may_be_a_stream_of_text_alone(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    write_output(Path("-"), "ü\n")
    assert sys.stdout.getvalue() == "ü\n"


@pytest.mark.parametrize("path", [None, Path("a"), Path("/dev/stderr"), Path("/dev/fd/2")])
def test_anything_else_is_not_stdout(path):
    assert not is_stdout(path)
