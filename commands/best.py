"""`best` and `confirm`: the winner of a study, and how certain that is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..base.files import is_stdout, is_stream
from .options import (
    DEFAULT_STORAGE,
    AsJson,
    DataDir,
    Device,
    MovedDataset,
    Quiet,
    Storage,
    StudyName,
)
from .terminal.output import check_stdout_is_free, interruptible, notify, print_json

app = typer.Typer()


@app.command(epilog="recsys-search best --study demo --export config.yaml")
def best(
    study: StudyName = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of trials to show.")] = 1,
    export: Annotated[
        Path | None,
        typer.Option("--export", help="Write the best trial's config to this file; - is stdout."),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Show a study's best trial, and export its config."""
    from ..model.runs.experiment import write_experiment
    from ..search.results.reader import StudyReader
    from .terminal.examples import example

    check_stdout_is_free("--export", export, as_json)
    reader = StudyReader(storage, study)
    ranking = reader.ranking()
    records = ranking.records(top)
    if export:
        write_experiment(export, reader.experiment(records[0]["number"]))
        if is_stdout(export):
            return
        usage = f"; train it with: {example('train', '--config', export)}"
        notify(f"wrote {export}{'' if is_stream(export) else usage}")
    if as_json:
        print_json(records if top > 1 else records[0])
        return
    from .terminal.confirmation import format_best
    from .terminal.consoles import out
    from .terminal.examples import storage_option
    from .terminal.trials import compare_to_baseline, trials_table
    from .terminal.values import key_values

    winner = records[0]
    study_options = ("--study", reader.spec.name, *storage_option(storage))
    out.print(trials_table(records, best=winner["number"]))
    out.print(f"\n[bold]config of trial {winner['number']}[/bold]")
    out.print(key_values(winner["config"]))
    out.print(f"\n{compare_to_baseline(winner['val_rmse'], reader.bias_val_rmse)}")
    out.print(format_best(winner, ranking.better_unconfirmed(), *study_options), soft_wrap=True)


@app.command(epilog="recsys-search confirm --study demo --top 3 --seeds 5")
def confirm(
    study: StudyName = None,
    top: Annotated[int, typer.Option("--top", min=1, help="Number of trials to retrain.")] = 3,
    seeds: Annotated[
        int,
        typer.Option(
            "--seeds", min=2, help="Trainings per trial, each with its own seed and split."
        ),
    ] = 5,
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Retrain a study's best trials over several seeds and rank them.

    All trials share the same fresh seeds, each with a random split of its own unless the study
    splits by time. The ranking has 95% intervals.
    """
    from ..search.results.confirm import confirm as run
    from .terminal.confirmation import print_confirmation
    from .terminal.examples import example, print_next, storage_option
    from .terminal.live import study_view

    study_options = [*(["--study", study] if study else []), *storage_option(storage)]
    moved = ["--dataset", dataset] if dataset else []
    again = example("confirm", "--top", top, "--seeds", seeds, *moved, *study_options)
    with (
        interruptible(lambda: f"interrupted; continue with: {again}"),
        study_view(quiet=quiet) as view,
    ):
        rows = run(
            study,
            storage,
            top=top,
            seeds=seeds,
            dataset=dataset,
            device=device,
            listener=view,
        )
    if as_json:
        print_json(rows)
        return
    print_confirmation(rows)
    print_next(example("best", "--export", "config.yaml", *study_options))
