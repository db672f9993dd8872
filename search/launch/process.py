"""The main program of a worker process that a `ProcessMember` starts.

It reads a pickled `Job` from stdin, in Base64, and then names of signals, each on a line; stdin
ends when the parent does. It writes pickled events to stdout, and last its outcome.
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
    """Run trials of the job that stdin names."""
    events = os.fdopen(os.dup(1), "wb")
    os.dup2(2, 1)  # whatever else prints must not come between the events
    lines = _lines()
    from ...base.interrupts import Interrupts
    from ..workers.join import join_from_afar

    job = pickle.loads(b64decode(next(lines)))
    lock = threading.Lock()

    def send(what: object) -> None:
        with lock, suppress(BrokenPipeError):  # the parent has ended, and soon this one
            events.write(pickle.dumps(what))
            events.flush()

    interrupts = Interrupts(lambda message: None)
    threading.Thread(target=_obey, args=(lines,), daemon=True).start()
    with suppress(KeyboardInterrupt):
        join_from_afar(job, send, interrupts)


def _obey(names: Iterator[bytes]) -> None:
    """Raise the signals that the parent names; SIGTERM when the parent has ended."""
    for name in names:
        signal.raise_signal(getattr(signal, name.decode()))
    signal.raise_signal(signal.SIGTERM)


def _lines() -> Iterator[bytes]:
    """The lines of stdin. A thread that waits in Python's own stdin would keep it from ending."""
    rest = b""
    while chunk := os.read(0, 65536):
        *lines, rest = (rest + chunk).split(b"\n")
        yield from lines


if __name__ == "__main__":
    main()
