"""Serves optuna-dashboard on a storage, read-only: its database engine cannot write."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from socketserver import ThreadingMixIn
from threading import Event, Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from ...errors import StudyError
from ..storage.artifacts import artifact_store
from ..storage.database import readable_storage


class _ThreadedServer(ThreadingMixIn, WSGIServer):
    """A slow page blocks neither the other pages nor Ctrl-C."""

    daemon_threads = True


class _QuietHandler(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are not logged."""


def serve_dashboard(
    storage_url: str, host: str, port: int, *, ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serve until Ctrl-C.

    Args:
        ready: called with the address once the server accepts requests.

    Raises:
        StudyError: no storage, or the port is taken.
    """
    # Trials of one architecture lack the axes of the others; the importance plot always warns.
    warnings.filterwarnings("ignore", message="Some regimes for parameter")
    app = wsgi(readable_storage(storage_url), artifact_store=artifact_store(storage_url))
    try:
        server = make_server(
            host, port, app, server_class=_ThreadedServer, handler_class=_QuietHandler
        )
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}; choose another --port"
        ) from None
    # Not in this thread: a request handler here would treat Ctrl-C as an error of its page.
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        ready(f"http://{host}:{server.server_port}/dashboard/")
        Event().wait()
    finally:
        server.shutdown()
        server.server_close()
