"""`dashboard`: optuna-dashboard on a storage."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import DEFAULT_STORAGE, Artifacts, Storage
from .terminal.output import notify

app = typer.Typer()


@app.command(epilog="recsys-search dashboard --port 8080")
def dashboard(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[
        int, typer.Option("--port", min=0, max=65535, help="Port; 0 picks a free one.")
    ] = 8080,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
) -> None:
    """Serve optuna-dashboard on the storage, read-only."""
    from ..search.results.dashboard import serve_dashboard

    serve_dashboard(
        storage, host, port, ready=lambda url: notify(f"dashboard at {url}"), report=notify
    )
