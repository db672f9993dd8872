"""`trials` and `show`: the trials of a study; `trials rm` removes some."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..base.files import is_stdout, write_output
from .options import (
    DEFAULT_STORAGE,
    Artifacts,
    AsJson,
    Storage,
    StudyName,
    check_subcommand_options,
)
from .terminal.output import check_stdout_is_free, notify, print_json

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
    from ..search.results.reader import StudyReader

    check_stdout_is_free("--csv", csv, as_json)
    reader = StudyReader(storage, study)
    records = reader.trials(state and state.value)
    if csv:
        import pandas as pd

        from ..search.storage.trials import RECORD_KEYS

        columns = dict.fromkeys((*RECORD_KEYS, *(n for each in records for n in each["parts"])))
        rows = [{**record, **record["parts"]} for record in records]
        table = pd.DataFrame(rows, columns=[name for name in columns if name != "parts"])
        write_output(csv, lambda stream: table.to_csv(stream, index=False, lineterminator="\n"))
        if not is_stdout(csv):
            notify(f"wrote {len(records)} trials to {csv}")
    if as_json:
        print_json(records)
    elif not csv:
        from .terminal.trials import print_trials

        print_trials(records, reader.progress()["best"], reader.spec.name, state and state.value)


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
    from ..search.results.reader import StudyReader
    from ..search.results.removal import find_removal, remove_trials
    from .terminal.trials import format_removal

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
    from ..search.results.reader import StudyReader

    values = StudyReader(storage, study).show(trial)
    reports = values.pop("reports")
    if as_json:
        from dataclasses import asdict

        print_json({**values, "reports": [asdict(report) for report in reports]})
        return
    from .terminal.consoles import out
    from .terminal.trials import epochs_table
    from .terminal.values import key_values

    config, environment = values.pop("config"), values.pop("environment")
    out.print(
        key_values({name: value for name, value in values.items() if value not in (None, {})})
    )
    for title, table in (("config", config), ("environment", environment)):
        out.print(f"\n[bold]{title}[/bold]")
        out.print(key_values(table or {}))
    if reports:
        out.print("\n[bold]epochs[/bold]")
        out.print(epochs_table(reports))
