"""`studies` and `status`: what a storage holds; `studies rm` and `rename`."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from ...errors import OptionError
from ..options import (
    DEFAULT_STORAGE,
    Artifacts,
    AsJson,
    Storage,
    StudyName,
    check_subcommand_options,
)
from ..terminal.output import interruptible, notify, print_json

app = typer.Typer()


studies = typer.Typer(name="studies", invoke_without_command=True, rich_markup_mode=None)
app.add_typer(studies)


@studies.callback(epilog="recsys-search studies")
def list_(
    context: typer.Context, storage: Storage = DEFAULT_STORAGE, as_json: AsJson = False
) -> None:
    """List the studies in the storage; delete or rename one."""
    if context.invoked_subcommand is not None:
        check_subcommand_options(context)
        return
    from ...search.results.overview import list_studies
    from ...search.storage.database import no_studies

    rows = list_studies(storage)
    if as_json:
        print_json(rows)
    elif rows:
        from ..terminal.consoles import out
        from ..terminal.values import rows_table

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
    from ...search.results.housekeeping import count_trials_of, delete_study
    from ...search.storage.urls import redact

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
    from ...search.results.housekeeping import rename_study

    rename_study(storage, name, new_name)
    notify(f"study {name} is now called {new_name}")


@app.command(epilog="recsys-search status --study demo")
def status(
    study: StudyName = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    watch: Annotated[
        bool,
        typer.Option("--watch", help="Show its running trials as they train, until it ends."),
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Show the progress of a study."""
    from ...search.results.reader import StudyReader

    if watch and as_json:
        raise OptionError("--watch is for people and --json for programs; leave out one of them")
    reader = StudyReader(storage, study)
    if watch:
        from ..terminal.live.watch import watch as watch_study

        with interruptible(lambda: ""):
            watch_study(reader)
    values = reader.status()
    if as_json:
        print_json(values)
        return
    _print_status(values, at_most=reader.state().may_end_early)


def _print_status(values: dict[str, Any], *, at_most: bool) -> None:
    """Print a status. Args: values: as `status --json` prints them."""
    from ...model.evaluation.weighted import find_metric
    from ...search.results.sentences import describe_edges, describe_outlook, describe_target
    from ..terminal.consoles import out
    from ..terminal.live.drawing import format_time_left
    from ..terminal.values import format_bytes, key_values

    del values["stopped"]  # the state or the note says it
    if kept := values["kept_checkpoints"]:
        size, limit = format_bytes(kept["bytes"]), format_bytes(kept["limit_bytes"])
        trials = f"{kept['trials']} trial{'s' * (kept['trials'] != 1)}"
        values["kept_checkpoints"] = f"{trials}, {size} of {limit}"
    if outlook := values["outlook"]:
        values["outlook"] = describe_outlook(outlook, find_metric(values["metric"]))
    values["edges"] = describe_edges(values["edges"]) if values["edges"] else None
    if target := values["target"]:
        values["target"] = describe_target(target)
    if (seconds := values["time_left_s"]) is not None:
        values["time_left_s"] = format_time_left(seconds, at_most=at_most)
    if (share := values["epochs_saved"]) is not None:
        values["epochs_saved"] = f"{100 * share:.0f}%"
    names = {"time_left_s": "time_left"}  # with its unit
    out.print(key_values({names.get(name, name): value for name, value in values.items()}))
