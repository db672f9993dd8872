"""Serves optuna-dashboard on a storage, read-only: its database engine cannot write."""

from __future__ import annotations

import json
import logging
import sys
import warnings
from collections.abc import Callable
from http import HTTPStatus
from io import StringIO
from socketserver import ThreadingMixIn
from threading import Event, Thread, local
from typing import TYPE_CHECKING, Any
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from ...base.messages import format_error, printable
from ...errors import StudyError
from ..storage.artifacts import artifact_store
from ..storage.database import readable_storage

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READ_ONLY = "this dashboard is read-only; nothing was changed"

_READING_METHODS = ("GET", "HEAD", "OPTIONS")
# POST requests below this path send a question to a language model; they store nothing.
_QUESTIONS = "/api/llm/"

_request = local()  # `errors`: what the request of this thread reports, a StringIO


def _print_line(line: str) -> None:
    print(line, file=sys.stderr)


class _Server(ThreadingMixIn, WSGIServer):
    """A slow page blocks neither the other pages nor Ctrl-C."""

    daemon_threads = True
    report: Callable[[str], None]  # called with a line about a request that failed

    def handle_error(self, request: object, client_address: object) -> None:
        """One line for an error outside of the app; none for a browser that goes away."""
        error = sys.exception()
        if error and not isinstance(error, ConnectionError):
            self.report(f"a request failed: {format_error(error)}")


class _Handler(WSGIRequestHandler):
    """Reports a request that fails in one line; others are not logged."""

    server: _Server
    _status = 200

    def handle(self) -> None:
        _request.errors = StringIO()
        super().handle()
        cause = _cause(_request.errors.getvalue())
        if cause or self._status >= 500:
            cause = cause or HTTPStatus(self._status).phrase
            request = printable(f"{self.command} {self.path}", 200)
            self.server.report(f"{request} failed: {printable(cause, 300)}")

    def get_stderr(self) -> Any:
        """Where the app, and the server if the app fails, write tracebacks."""
        return _request.errors

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        self._status = int(code)

    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


class _LogHandler(logging.Handler):
    """Keeps the first line of a logged error for the line that reports the request."""

    def emit(self, record: logging.LogRecord) -> None:
        if errors := getattr(_request, "errors", None):
            errors.write(record.getMessage().partition("\n")[0] + "\n")


def _cause(errors: str) -> str:
    """The exception of the last traceback, or else the first line; empty if there is none."""
    last = errors.split("Traceback (most recent call last):\n")[-1]
    lines = [line for line in last.splitlines() if line.strip() and not line.startswith(" ")]
    return lines[0] if lines else ""


def read_only(app: WSGIApplication) -> WSGIApplication:
    """The app, with requests that would write refused in JSON, as optuna-dashboard does it."""

    def guarded(environ: WSGIEnvironment, start_response: StartResponse) -> Any:
        is_question = environ["PATH_INFO"].startswith(_QUESTIONS)
        if environ["REQUEST_METHOD"] in _READING_METHODS or is_question:
            return app(environ, start_response)
        _discard_body(environ)
        environ["wsgi.errors"].write(f"{READ_ONLY}\n")
        body = json.dumps({"reason": READ_ONLY}).encode()
        headers = [("Content-Type", "application/json"), ("Content-Length", str(len(body)))]
        start_response("403 Forbidden", headers)
        return [body]

    return guarded


def _discard_body(environ: WSGIEnvironment) -> None:
    """Read the body to its end: a browser that cannot send it all does not read the answer."""
    length = environ.get("CONTENT_LENGTH", "")
    left = int(length) if length.isdigit() else 0
    while left > 0 and (chunk := environ["wsgi.input"].read(min(left, 1 << 16))):
        left -= len(chunk)


def serve_dashboard(
    storage_url: str,
    host: str,
    port: int,
    *,
    ready: Callable[[str], None] = lambda url: None,
    report: Callable[[str], None] = _print_line,
) -> None:
    """Serve until Ctrl-C.

    Args:
        ready: called with the address once the server accepts requests.
        report: called with one line for each request that is refused or fails.

    Raises:
        StudyError: no storage, or the port is taken.
    """
    # Trials of one architecture lack the axes of the others; the importance plot always warns.
    warnings.filterwarnings("ignore", message="Some regimes for parameter")
    logger = logging.getLogger("optuna_dashboard")
    logger.handlers, logger.propagate = [_LogHandler(logging.ERROR)], False
    app = wsgi(readable_storage(storage_url), artifact_store=artifact_store(storage_url))
    try:
        server = make_server(
            host, port, read_only(app), server_class=_Server, handler_class=_Handler
        )
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}; choose another --port"
        ) from None
    server.report = report
    # Not in this thread: a request handler here would treat Ctrl-C as an error of its page.
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        ready(f"http://{host}:{server.server_port}/dashboard/")
        Event().wait()
    finally:
        server.shutdown()
        server.server_close()
