"""What cannot be printed is dropped, and ends nothing."""

from __future__ import annotations

import errno
import io
import os
import subprocess
import sys
from contextlib import ExitStack

import pytest
from recsys_search.commands.terminal import streams
from recsys_search.commands.terminal.streams import install_streams, lenient_stream, lost_on_stdout


def fail_with(number, monkeypatch):
    def fail(*args):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(streams.os, "write", fail)


@pytest.fixture
def make_stream(tmp_path):
    """A lenient stream into a file, with an encoding."""

    with ExitStack() as files:

        def make(encoding="utf-8"):
            file = files.enter_context((tmp_path / "log").open("w", encoding=encoding))
            return lenient_stream(file, "<stdout>")

        yield make


def test_a_stream_keeps_its_descriptor_encoding_and_kind(make_stream):
    stream = make_stream("ascii")
    assert (stream.encoding, stream.isatty(), stream.name) == ("ascii", False, "<stdout>")
    os.fstat(stream.fileno())


def test_text_is_written_at_once_and_as_a_whole(make_stream, tmp_path, monkeypatch):
    write = os.write
    monkeypatch.setattr(streams.os, "write", lambda file, data: write(file, data[:3]))
    make_stream().write("0123456789")
    assert (tmp_path / "log").read_text() == "0123456789"


@pytest.mark.parametrize("number", [errno.EPIPE, errno.ENOSPC, errno.EFBIG, errno.EIO, errno.EBADF])
def test_an_error_is_remembered_and_never_raised(make_stream, monkeypatch, number):
    stream = make_stream()
    fail_with(number, monkeypatch)
    print("text", file=stream, flush=True)
    fail_with(errno.EINVAL, monkeypatch)
    print("text", file=stream, flush=True)
    assert stream.buffer.error.errno == number
    stream.close()


@pytest.mark.parametrize(
    ("number", "reason"),
    [
        (errno.ENOSPC, "No space left on device"),
        (errno.EIO, "Input/output error"),
        (errno.EPIPE, None),
        (errno.ECONNRESET, None),
        (errno.EBADF, None),
    ],
)
def test_only_what_someone_would_have_read_is_lost(make_stream, monkeypatch, number, reason):
    monkeypatch.setattr(sys, "stdout", make_stream())
    assert lost_on_stdout() is None
    fail_with(number, monkeypatch)
    print("text")
    assert lost_on_stdout() == reason


def test_a_signal_handler_may_print_in_the_middle_of_a_print(make_stream, tmp_path, monkeypatch):
    stream, write, handled = make_stream(), os.write, []

    def interrupted(file, data):
        if not handled:
            handled.append(True)
            stream.write("handler\n")
        return write(file, data)

    monkeypatch.setattr(streams.os, "write", interrupted)
    stream.write("main\n")
    assert (tmp_path / "log").read_text() == "handler\nmain\n"


def test_a_pipe_that_another_program_made_non_blocking_is_waited_for():
    read_end, write_end = os.pipe()
    os.set_blocking(write_end, False)
    code = (
        "from recsys_search.commands.terminal.streams import install_streams\n"
        "install_streams()\n"
        "print('x' * 200_000)\n"  # more than a pipe holds
    )
    process = subprocess.Popen([sys.executable, "-c", code], stdout=write_end)
    os.close(write_end)
    with open(read_end) as reader:  # noqa: PTH123 - a descriptor
        assert reader.read() == "x" * 200_000 + "\n"
    assert process.wait() == 0


def test_ascii_gets_signs_spelled_out_and_escapes_for_the_rest(make_stream, tmp_path):
    make_stream("ascii").write("0.8 ± 0.1, 2 × 3 → 6 … ü\udcff\n")
    assert (tmp_path / "log").read_bytes() == b"0.8 +/- 0.1, 2 x 3 -> 6 ... \\xfc\\udcff\n"


def test_utf_8_stays_as_it_is(make_stream, tmp_path):
    make_stream().write("± ü\udcff\n")
    assert (tmp_path / "log").read_bytes() == "± ü\\udcff\n".encode()


def test_a_closed_stream_takes_everything():
    print("text", file=lenient_stream(None, "<stderr>"), flush=True)


def test_streams_that_were_replaced_stay(monkeypatch):
    out, err = io.StringIO(), io.StringIO()
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    install_streams()
    assert (sys.stdout, sys.stderr) == (out, err)
    assert lost_on_stdout() is None


@pytest.mark.parametrize("closed", [(0,), (1,), (2,), (0, 1, 2)])
def test_no_file_gets_the_descriptor_of_a_closed_stream(closed, tmp_path):
    code = (
        "import os\n"
        "from recsys_search.commands.terminal.streams import install_streams\n"
        "install_streams()\n"
        f"file = open({str(tmp_path / 'database')!r}, 'w')\n"
        "os.write(file.fileno(), b'content')\n"
        "assert file.fileno() > 2\n"
        "print('printed'); print('printed', file=__import__('sys').stderr)\n"
    )
    close = " ".join(f"{number}>&-" for number in closed)
    done = subprocess.run(["sh", "-c", f'exec "$0" -c "$1" {close}', sys.executable, code])
    assert done.returncode == 0
    assert (tmp_path / "database").read_text() == "content"
