"""A worker of the pool that is a process on this machine."""

from __future__ import annotations

import pickle
import subprocess
import sys
from base64 import b64encode
from contextlib import suppress
from dataclasses import replace
from threading import Thread

from ..workers.job import Job
from .plan import worker_device
from .pool import END_S, Member, Put


class ProcessMember(Member):
    """A worker in a process of its own, whose program is `process_worker`."""

    def __init__(self, number: int, job: Job) -> None:
        super().__init__(number)
        self._job = replace(job, device=worker_device(job.device, number))
        self._process: subprocess.Popen[bytes] | None = None

    def start(self, put: Put) -> None:
        # In a session of its own: a Ctrl-C in the terminal reaches the parent alone.
        self._process = process = subprocess.Popen(
            [sys.executable, "-m", "recsys_search.search.launch.process_worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert process.stdin is not None and process.stdout is not None
        with suppress(BrokenPipeError):
            process.stdin.write(b64encode(pickle.dumps(self._job)) + b"\n")
            process.stdin.flush()
        output = process.stdout

        def read() -> None:
            try:
                while True:
                    put(pickle.load(output))
            except (EOFError, OSError, pickle.UnpicklingError, ValueError):
                pass  # it has ended, perhaps in the middle of an event
            finally:
                put(None)

        Thread(target=read, daemon=True).start()

    def interrupt(self, signal_name: str) -> None:
        if self._process and self._process.stdin:
            with suppress(OSError, ValueError):
                self._process.stdin.write(f"{signal_name}\n".encode())
                self._process.stdin.flush()

    def cancel_if_waiting(self) -> None:
        pass  # a process begins at once, and leaves when the study is over

    def wait(self) -> str:
        assert self._process
        code = self._process.wait()
        self._close()
        return f"was killed by signal {-code}" if code < 0 else f"ended with code {code}"

    def end(self) -> None:
        if self._process:
            try:
                self._process.wait(timeout=END_S)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
            self._close()

    def _close(self) -> None:
        if self._process:
            for stream in (self._process.stdin, self._process.stdout):
                with suppress(OSError):
                    if stream:
                        stream.close()
        self._process = None
