"""`trials` and `show`: the trials of a study; `trials rm` removes some."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ...base.files import is_stdout, write_output
from ..options import (
    DEFAULT_STORAGE,
    Artifacts,
    AsJson,
    Storage,
    StudyName,
    check_subcommand_options,
)
from ..terminal.output import check_stdout_is_free, notify, print_json

app = typer.Typer()


class State(StrEnum):
    """State of a trial, as `trials --json` names it."""

    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    WAITING = "waiting"
    REMOVED = "removed"


trials = typer.Typer(name="trials", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(trials)


@trials.callback(epilog="recsys-search trials --study demo --state pruned")
def list_(
    context: typer.Context,
    study: StudyName = None,
    state: Annotated[
        State | None, typer.Option("--state", help="Show only trials in this state.")
    ] = None,
    reasons: Annotated[
        bool,
        typer.Option("--reasons", help="Show the whole sentence on why each trial ended."),
    ] = False,
    csv: Annotated[
        Path | None,
        typer.Option(
            "--csv",
            readable=False,
            help="Write the trials to this CSV file (- is stdout) instead of a table.",
        ),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """List a study's trials, and why each one ended; remove some."""
    if context.invoked_subcommand is not None:
        check_subcommand_options(context)
        return
    from ...search.results.reader import StudyReader

    check_stdout_is_free("--csv", csv, as_json)
    reader = StudyReader(storage, study)
    records = reader.trials(state and state.value)
    if csv:
        _write_csv(csv, records)
    if as_json:
        print_json(records)
    elif not csv:
        from ..terminal.trials.table import print_trials

        status, chosen = reader.progress(), state and state.value
        best = status["confirmed"] or status["best"]
        curves = reader.curves()
        print_trials(records, best, reader.spec.name, chosen, curves, reasons=reasons)


def _write_csv(path: Path, records: list[dict[str, Any]]) -> None:
    """Write a trial a line; a hyperparameter is a column such as `params_kl_weight`."""
    import pandas as pd

    from ...search.storage.trials import RECORD_KEYS

    rows = []
    for record in records:
        config = {f"params_{name}": value for name, value in (record["config"] or {}).items()}
        rows.append({**record, **record["parts"], **config})
    names = dict.fromkeys((*RECORD_KEYS, *(name for row in rows for name in row)))
    columns = [name for name in names if name not in ("parts", "config")]
    table = pd.DataFrame(rows, columns=columns, dtype=object)  # so that 5 is not written as 5.0
    write_output(path, lambda stream: table.to_csv(stream, index=False, lineterminator="\n"))
    if not is_stdout(path):
        notify(f"wrote {len(records)} trials to {path}")


@trials.command(epilog="recsys-search trials rm 3 7 --study demo")
def rm(
    numbers: Annotated[
        list[int],
        typer.Argument(
            metavar="NUMBER...", min=0, help="Numbers of the trials.", show_default=False
        ),
    ],
    study: StudyName = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
) -> None:
    """Remove trials with their results, epoch reports and checkpoints.

    Other attempts at a trial, and trials that reuse its result, are removed with it.
    """
    from ...search.results.reader import StudyReader
    from ...search.results.removal import find_removal, remove_trials
    from ..terminal.trials.quality import format_removal

    name = StudyReader(storage, study).spec.name
    what = f"{format_removal(find_removal(storage, name, numbers))} from study {name}"
    if not yes:
        typer.confirm(f"Remove {what}?", abort=True, err=True)
    remove_trials(storage, name, numbers)
    notify(f"removed {what}; the next start runs others in their place")


@app.command(epilog="recsys-search show --study demo --trial 0")
def show(
    trial: Annotated[int, typer.Option("--trial", help="Number of the trial, from 0.")],
    study: StudyName = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    as_json: AsJson = False,
) -> None:
    """Show one trial: its config, its epochs, and why it ended."""
    from ...search.results.reader import StudyReader

    reader = StudyReader(storage, study)
    values = reader.show(trial)
    if as_json:
        from dataclasses import asdict

        print_json({**values, "reports": [asdict(report) for report in values["reports"]]})
        return
    from ..terminal.trials.one import print_trial

    print_trial(values, reader.curves().get(trial, {}))
