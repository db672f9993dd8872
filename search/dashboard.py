"""optuna-dashboard on a storage, on this machine alone."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from wsgiref.simple_server import WSGIRequestHandler, make_server

from optuna_dashboard import wsgi

from ..errors import StudyError
from .storage import artifact_store, readable_storage, writable_storage


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
    readable_storage(storage_url)  # a wrong name is refused, not made into an empty storage
    with writable_storage(storage_url) as storage:
        app = wsgi(storage, artifact_store=artifact_store(storage_url))
        try:
            server = make_server(host, port, app, handler_class=_Quiet)
        except OSError as error:
            raise StudyError(
                f"{host}:{port} cannot be served: {error.strerror}; choose another --port"
            ) from None
        with server:
            ready(f"http://{host}:{server.server_port}/dashboard/")
            server.serve_forever()
