"""Serves optuna-dashboard on a storage, behind the layers that keep it safe, small and complete."""

from __future__ import annotations

import logging
import os
import socket
import sys
import warnings
import webbrowser
from collections.abc import Callable, Iterable
from ipaddress import ip_address
from threading import Event, Thread
from typing import TYPE_CHECKING

from optuna_dashboard import wsgi

from ..storage.artifacts import artifact_store
from ..storage.database import readable_storage
from .access import Access, guarded
from .page_notes import with_notes
from .pages import READ_ONLY_BANNER, WRITABLE_BANNER, secured
from .plots import bounded
from .server import LogHandler, Server, open_server
from .writes import restricted

if TYPE_CHECKING:
    from _typeshed.wsgi import WSGIApplication

TOKEN_VARIABLE = "RECSYS_SEARCH_DASHBOARD_TOKEN"


def _print_line(line: str) -> None:
    print(line, file=sys.stderr)


def serve_dashboard(
    storage_url: str,
    host: str = "127.0.0.1",
    port: int = 8080,
    *,
    allow_hosts: Iterable[str] = (),
    writable: bool = False,
    open_browser: bool = False,
    report: Callable[[str], None] = _print_line,
) -> None:
    """Serve until Ctrl-C.

    Where it listens beyond this machine, requests need a token: that of the environment variable
    `RECSYS_SEARCH_DASHBOARD_TOKEN`, or a random one. With the variable they need it on loopback
    too. The addresses that are reported hold it.

    Args:
        allow_hosts: further names that a browser may address it by.
        writable: let notes be edited.
        open_browser: open its page.
        report: called with a line: where it is, and each request that is refused or fails.

    Raises:
        NothingYet, StorageError: as for `readable_storage`.
        StudyError: the port is taken, or the host is not an address of this machine.
    """
    app = dashboard_app(storage_url, writable=writable)
    server = open_server(host, port, report)
    bound = (server.server_name, server.server_port)
    access = Access.of(host, bound, allow_hosts, os.environ.get(TOKEN_VARIABLE))
    banner = WRITABLE_BANNER if writable else READ_ONLY_BANNER
    server.set_app(secured(guarded(app, access), banner))
    # Not in this thread: a request handler here would treat Ctrl-C as an error of its page.
    Thread(target=server.serve_forever, daemon=True).start()
    try:
        known = addresses(server, access.token)
        for begin, address in zip(("dashboard", "or"), known, strict=False):
            report(f"{begin} at {address}")
        if access.any_address:
            report("It listens beyond this machine: anyone with the address can read the studies.")
        if open_browser and not webbrowser.open(known[-1]):
            report("no browser can be opened here; open the address above")
        Event().wait()
    finally:
        server.shutdown()
        server.server_close()


def dashboard_app(storage_url: str, *, writable: bool) -> WSGIApplication:
    """The dashboard of a storage, without the checks of who asks.

    Raises:
        NothingYet, StorageError: as for `readable_storage`.
    """
    # Trials of one architecture lack the axes of the others; the importance plot always warns.
    warnings.filterwarnings("ignore", message="Some regimes for parameter")
    logger = logging.getLogger("optuna_dashboard")
    logger.handlers, logger.propagate = [LogHandler(logging.ERROR)], False
    # Not through Optuna's cache of ended trials, which would show those that `trials rm` removed.
    storage = readable_storage(storage_url)
    app: WSGIApplication = wsgi(storage, artifact_store=artifact_store(storage_url))
    shown = bounded(with_notes(app, storage, storage_url), storage)
    return restricted(shown, storage_url, writable=writable)


def addresses(server: Server, token: str | None) -> list[str]:
    """The addresses of the dashboard's page; on all interfaces, from here and from elsewhere."""
    bound = ip_address(server.server_name)
    hosts = [f"[{bound}]" if bound.version == 6 else str(bound)]
    if bound.is_unspecified:
        hosts = [socket.gethostname(), "[::1]" if bound.version == 6 else "127.0.0.1"]
    query = f"?token={token}" if token else ""
    return [f"http://{host}:{server.server_port}/dashboard/{query}" for host in hosts]
