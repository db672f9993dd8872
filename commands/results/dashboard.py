"""`dashboard`: optuna-dashboard on a storage."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import DEFAULT_STORAGE, Artifacts, Storage
from ..terminal.output import notify

app = typer.Typer()


@app.command(epilog="recsys-search dashboard --port 8080")
def dashboard(
    host: Annotated[
        str,
        typer.Option(
            "--host",
            help="Address to listen on. Beyond this machine, such as 0.0.0.0, requests need a "
            "token, which is printed.",
        ),
    ] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")
    ] = 8080,
    allow_host: Annotated[
        list[str] | None,
        typer.Option(
            "--allow-host",
            help="Another name that browsers address it by, such as that of a proxy; may be given "
            "several times.",
        ),
    ] = None,
    writable: Annotated[
        bool, typer.Option("--writable", help="Let notes be edited; nothing else is writable.")
    ] = False,
    open_browser: Annotated[
        bool, typer.Option("--open", help="Open the page in a browser.")
    ] = False,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
) -> None:
    """Serve optuna-dashboard, read-only unless --writable."""
    from ...search.dashboard.serve import serve_dashboard

    serve_dashboard(
        storage,
        host,
        port,
        allow_hosts=allow_host or (),
        writable=writable,
        open_browser=open_browser,
        report=notify,
    )
