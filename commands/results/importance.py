"""`importance`: which axes of a study's space mattered."""

from __future__ import annotations

import typer

from ..options import DEFAULT_STORAGE, AsJson, Storage, StudyName
from ..terminal.output import print_json

app = typer.Typer()


@app.command(epilog="recsys-search importance --study demo")
def importance(
    study: StudyName = None, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False
) -> None:
    """Show which axes mattered; pruned trials count too."""
    from ...search.results.importance import axis_importance

    found = axis_importance(storage, study)
    if as_json:
        print_json(found)
        return
    from ..terminal.importance import print_importance

    print_importance(found)
