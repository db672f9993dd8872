"""The main program of the worker process of a `ProcessMember`.

It reads a pickled `Job` from stdin, in Base64, then names of signals, one on each line; stdin ends
when the parent does. It writes pickled events to stdout, and last its outcome.
"""

from __future__ import annotations

import os
import pickle
import signal
import threading
from base64 import b64decode
from collections.abc import Iterator
from contextlib import suppress


def main() -> None:
    """Run trials of the job on stdin."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # what else is printed must not come between the events
    lines = _lines()
    from ...base.interrupts import Interrupts
    from ..workers.join import join_and_report

    job = pickle.loads(b64decode(next(lines)))
    lock = threading.Lock()

    def send(message: object) -> None:
        with lock, suppress(BrokenPipeError):  # the parent has ended, and soon this one
            events.write(pickle.dumps(message))
            events.flush()

    interrupts = Interrupts(lambda message: None)
    threading.Thread(target=_raise_signals, args=(lines,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        join_and_report(job, send, interrupts)


def _raise_signals(names: Iterator[bytes]) -> None:
    """Raise the signals that the parent names; SIGTERM when the parent has ended."""
    for name in names:
        signal.raise_signal(getattr(signal, name.decode()))
    signal.raise_signal(signal.SIGTERM)


def _lines() -> Iterator[bytes]:
    """The lines of stdin."""
    # Not from `sys.stdin`: a thread that waits there holds its lock, and the process cannot end.
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


if __name__ == "__main__":
    main()
