"""`studies`, `status`, `trials` and `show`: what a storage holds; `studies rm` and `rename`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ..base.files import is_stdout, write_output
from .options import DEFAULT_STORAGE, Artifacts, AsJson, Storage, StudyName
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


studies = typer.Typer(name="studies", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(studies)


@studies.callback(epilog="recsys-search studies")
def list_(
    context: typer.Context, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False
) -> None:
    """List the studies in the storage; delete or rename one."""
    if context.invoked_subcommand is not None:
        return
    from ..search.results.overview import list_studies
    from ..search.storage.database import no_studies

    rows = list_studies(storage)
    if as_json:
        print_json(rows)
    elif rows:
        from .terminal.consoles import out
        from .terminal.values import rows_table

        out.print(rows_table(rows))
    else:
        raise no_studies(storage)


@studies.command(epilog="recsys-search studies rm demo")
def rm(
    name: Annotated[str, typer.Argument(help="Name of the study.", show_default=False)],
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
) -> None:
    """Delete a study with its trials, epoch reports and checkpoints."""
    from ..search.storage.housekeeping import count_trials_of, delete_study
    from ..search.storage.urls import redact

    n_trials = count_trials_of(storage, name)
    what = f"study {name} and its {n_trials} trials from {redact(storage)}"
    if not yes:
        typer.confirm(f"Delete {what}?", abort=True, err=True)
    delete_study(storage, name)
    notify(f"deleted {what}")


@studies.command(epilog="recsys-search studies rename demo first")
def rename(
    name: Annotated[str, typer.Argument(help="Name of the study.", show_default=False)],
    new_name: Annotated[str, typer.Argument(help="Its new name.", show_default=False)],
    storage: Storage = DEFAULT_STORAGE,
) -> None:
    """Give a study another name."""
    from ..search.storage.housekeeping import rename_study

    rename_study(storage, name, new_name)
    notify(f"study {name} is now called {new_name}")


@app.command(epilog="recsys-search status --study demo")
def status(
    study: StudyName = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    as_json: AsJson = False,
) -> None:
    """Show the progress of a study."""
    from ..search.results.reader import StudyReader

    values = StudyReader(storage, study).status()
    if as_json:
        print_json(values)
        return
    from .terminal.consoles import out
    from .terminal.values import format_bytes, key_values

    if kept := values["kept_checkpoints"]:
        size, limit = format_bytes(kept["bytes"]), format_bytes(kept["limit_bytes"])
        values["kept_checkpoints"] = f"{kept['trials']} trials, {size} of {limit}"
    if target := values["target"]:
        reached = "reached" if target["reached"] else "not reached"
        values["target"] = f"{target['condition']}: {reached}. {target['note']}".strip()
    out.print(key_values(values))


@app.command(epilog="recsys-search trials --study demo --state pruned")
def trials(
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
    """List a study's trials, and why each one ended."""
    from ..search.results.reader import StudyReader

    check_stdout_is_free("--csv", csv, as_json)
    reader = StudyReader(storage, study)
    records = reader.trials(state and state.value)
    if csv:
        import pandas as pd

        from ..search.storage.trials import RECORD_KEYS

        table = pd.DataFrame(records, columns=list(RECORD_KEYS))
        write_output(csv, lambda stream: table.to_csv(stream, index=False, lineterminator="\n"))
        if not is_stdout(csv):
            notify(f"wrote {len(records)} trials to {csv}")
    if as_json:
        print_json(records)
    elif not csv:
        from .terminal.trials import print_trials

        print_trials(records, reader.progress()["best"], reader.spec.name, state and state.value)


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
    out.print(key_values({name: value for name, value in values.items() if value is not None}))
    for title, table in (("config", config), ("environment", environment)):
        out.print(f"\n[bold]{title}[/bold]")
        out.print(key_values(table or {}))
    if reports:
        out.print("\n[bold]epochs[/bold]")
        out.print(epochs_table(reports))
