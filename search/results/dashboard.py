"""optuna-dashboard on a storage, to look at: its engine cannot write."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from socketserver import ThreadingMixIn
from threading import Event, Thread
from wsgiref.simple_server import WSGIRequestHandler, WSGIServer, make_server

from optuna_dashboard import wsgi

from ...errors import StudyError
from ..storage.artifacts import artifact_store
from ..storage.engines import readable_storage


class _Threaded(ThreadingMixIn, WSGIServer):
    """A slow page holds up neither the others nor Ctrl-C."""

    daemon_threads = True


class _Quiet(WSGIRequestHandler):
    def log_message(self, format: str, *args: object) -> None:
        """Requests are nobody's news."""


def serve_dashboard(
    storage_url: str, host: str, port: int, *, ready: Callable[[str], None] = lambda url: None
) -> None:
    """Serves until Ctrl-C.

    Args:
        ready: called with the address once it can be opened.

    Raises:
        StudyError: no storage, or the port is taken.
    """
    # An architecture's trials lack the other's axes, and the importances say so at each look.
    warnings.filterwarnings("ignore", message="Some regimes for parameter")
    app = wsgi(readable_storage(storage_url), artifact_store=artifact_store(storage_url))
    try:
        server = make_server(host, port, app, server_class=_Threaded, handler_class=_Quiet)
    except OSError as error:
        raise StudyError(
            f"{host}:{port} cannot be served: {error.strerror}; choose another --port"
        ) from None
    # Not in this thread: a handler there would take a Ctrl-C for an error of its page.
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        ready(f"http://{host}:{server.server_port}/dashboard/")
        Event().wait()
    finally:
        server.shutdown()
        server.server_close()
