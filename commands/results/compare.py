"""`compare`: two trials of a study next to each other."""

from __future__ import annotations

from typing import Annotated

import typer

from ..options import DEFAULT_STORAGE, Artifacts, AsJson, Storage, StudyName
from ..terminal.output import print_json

app = typer.Typer()


@app.command(epilog="recsys-search compare 0 5 --study demo")
def compare(
    first: Annotated[
        int, typer.Argument(metavar="N", min=0, help="Number of a trial.", show_default=False)
    ],
    second: Annotated[
        int, typer.Argument(metavar="M", min=0, help="Number of another.", show_default=False)
    ],
    study: StudyName = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    as_json: AsJson = False,
) -> None:
    """Compare two trials' figures, curves and hyperparameters."""
    from ...search.results.comparison import compare_trials
    from ...search.results.reader import StudyReader

    reader = StudyReader(storage, study)
    one, other, curves = reader.show(first), reader.show(second), reader.curves()
    if as_json:
        both = [curves.get(number, {}) for number in (first, second)]
        print_json({**compare_trials(one, other), "curves": both})
        return
    from ..terminal.trials.comparison import print_comparison

    print_comparison(one, other, curves)
