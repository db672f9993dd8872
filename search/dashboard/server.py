"""The HTTP server of the dashboard: a thread per request, and one line per request that fails."""

from __future__ import annotations

import errno
import logging
import socket
import sys
from collections.abc import Callable
from http import HTTPStatus
from io import StringIO
from socketserver import TCPServer, ThreadingMixIn
from threading import local
from typing import Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer

from ...base.messages import format_error, printable
from ...errors import StudyError

IDLE_S = 60  # after which a connection that sends no request is closed

_request = local()  # `errors`: what the request of this thread reports, a StringIO


class Server(ThreadingMixIn, WSGIServer):
    """A slow page blocks neither the other pages nor Ctrl-C.

    Attributes:
        report: called with one line for each request that is refused or fails.
    """

    daemon_threads = True
    report: Callable[[str], None]

    def server_bind(self) -> None:
        """Bind without `HTTPServer`'s look-up of the host's name, which can take seconds."""
        TCPServer.server_bind(self)
        address, self.server_port = self.server_address[:2]
        self.server_name = str(address)  # the IP address that it is bound to
        self.setup_environ()

    def handle_error(self, request: object, client_address: object) -> None:
        """One line for an error outside of the app; none for a browser that goes away."""
        error = sys.exception()
        if error and not isinstance(error, ConnectionError | TimeoutError):
            self.report(f"a request failed: {format_error(error)}")


class _Server6(Server):
    address_family = socket.AF_INET6


class _Handler(WSGIRequestHandler):
    """Reports a request that fails in one line; others are not logged."""

    server: Server
    timeout = IDLE_S
    _status = 200

    def handle(self) -> None:
        _request.errors = StringIO()
        super().handle()
        cause = _cause(_request.errors.getvalue())
        if cause or self._status >= 500:
            cause = cause or HTTPStatus(self._status).phrase
            # Without the query, which may hold the token.
            request = printable(f"{self.command} {self.path.partition('?')[0]}", 200)
            outcome = "refused" if 400 <= self._status < 500 else "failed"
            self.server.report(f"{request} {outcome}: {printable(cause, 300)}")

    def get_stderr(self) -> Any:
        """Where the app, and the server if the app fails, write tracebacks."""
        return _request.errors

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self._status = int(code)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


class LogHandler(logging.Handler):
    """Keeps the first line of a logged error for the line that reports the request."""

    def emit(self, record: logging.LogRecord) -> None:
        if errors := getattr(_request, "errors", None):
            errors.write(record.getMessage().partition("\n")[0] + "\n")


def _cause(errors: str) -> str:
    """The exception of the last traceback, or else the first line; empty if there is none."""
    last = errors.split("Traceback (most recent call last):\n")[-1]
    lines = [line for line in last.splitlines() if line.strip() and not line.startswith(" ")]
    return lines[0] if lines else ""


def open_server(host: str, port: int, report: Callable[[str], None]) -> Server:
    """A server that listens on an address, IPv4 or IPv6, and has no app yet.

    Args:
        host: an address or a name.
        port: 0 picks a free one.
        report: called with one line for each request that is refused or fails.

    Raises:
        StudyError: the port is taken, or the host is not an address of this machine.
    """
    where = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
    except (OSError, UnicodeError):
        raise StudyError(
            f"{where} cannot be served: {host!r} is no address of this machine; choose another "
            "--host, such as 127.0.0.1"
        ) from None
    try:
        kind = _Server6 if found[0] == socket.AF_INET6 else Server
        server = kind((str(found[4][0]), port), _Handler)
    except OSError as error:
        option = "--host" if error.errno == errno.EADDRNOTAVAIL else "--port"
        raise StudyError(
            f"{where} cannot be served: {error.strerror}; choose another {option}"
        ) from None
    server.report = report
    return server
