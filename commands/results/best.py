"""`best` and `confirm`: the winner of a study, and how certain that is."""

from __future__ import annotations

import shlex
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ...base.files import is_stdout, is_stream, write_output
from ...errors import NothingYet, OptionError
from ..options import (
    DEFAULT_STORAGE,
    AsJson,
    DataDir,
    Device,
    MovedDataset,
    Quiet,
    Storage,
    StudyName,
)
from ..terminal.output import check_stdout_is_free, interruptible, notify, print_json

if TYPE_CHECKING:
    from ...search.results.ranking import Ranking
    from ...search.results.reader import StudyReader

app = typer.Typer()


@app.command(epilog="recsys-search best --study demo --export config.yaml")
def best(
    study: StudyName = None,
    top: Annotated[
        int | None, typer.Option("--top", min=1, help="Number of trials to show. [default: 1]")
    ] = None,
    trial: Annotated[
        int | None,
        typer.Option(
            "--trial", min=0, help="Number of a trial, from 0, to show instead of the best."
        ),
    ] = None,
    export: Annotated[
        Path | None,
        typer.Option(
            "--export", readable=False, help="Write the trial's config to this file; - is stdout."
        ),
    ] = None,
    card: Annotated[
        Path | None,
        typer.Option(
            "--card",
            readable=False,
            help="Write a model card of the trial to this file; - is stdout.",
        ),
    ] = None,
    storage: Storage = DEFAULT_STORAGE,
    as_json: AsJson = False,
) -> None:
    """Show a study's best trial, or any other; export its config."""
    from ...model.runs.experiment import write_experiment
    from ...search.results.reader import StudyReader
    from ...search.storage.examples import storage_option
    from ..terminal.confirmation import describe_other_trial, format_best, print_best

    check_stdout_is_free("--export", export, as_json)
    check_stdout_is_free("--card", card, as_json)
    if is_stdout(export) and is_stdout(card):
        raise OptionError("--export and --card both write to stdout; name a file for one of them")
    if top is not None and trial is not None:
        raise OptionError("--top shows the best trials and --trial a certain one; leave out one")
    reader = StudyReader(storage, study)
    records = reader.best(top or 1) if trial is None else [reader.candidate(trial)]
    ranking = _ranking(reader)
    shown = records[0]
    leader = ranking.top()[0].number if ranking else None
    note = None if shown["number"] == leader else describe_other_trial(shown, leader)
    if export:
        write_experiment(export, reader.experiment(shown["number"]))
        _notify_export(export, note)
    if card:
        _write_card(card, reader, shown["number"], export)
    if is_stdout(export) or is_stdout(card):
        return
    if as_json:
        print_json(records if (top or 1) > 1 else shown)
        return
    if ranking and note is None:
        study_options = ("--study", reader.spec.name, *storage_option(storage))
        note = format_best(shown, ranking.better_unconfirmed(), *study_options).plain
    print_best(records, leader, reader.bias_val_rmse, note or "", reader.curves())


def _write_card(path: Path, reader: StudyReader, number: int, config: Path | None) -> None:
    """Write a trial's model card. Args: config: the file that its config was exported to."""
    from ...search.results.card import model_card

    name = "config.yaml" if config is None or is_stream(config) else config.name
    write_output(path, model_card(reader, number, shlex.quote(name)))
    if not is_stdout(path):
        notify(f"wrote {path}")


def _ranking(reader: StudyReader) -> Ranking | None:
    """The completed trials; None if there are none."""
    try:
        return reader.ranking()
    except NothingYet:
        return None


def _notify_export(path: Path, note: str | None) -> None:
    """Print where the config was written and how to train it, with the note in between."""
    from ...search.storage.examples import example

    parts = [note]
    if not is_stdout(path):
        usage = None if is_stream(path) else f"train it with: {example('train', '--config', path)}"
        parts = [f"wrote {path}", note, usage]
    if message := "; ".join(filter(None, parts)):
        notify(message)


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
    against: Annotated[
        str | None,
        typer.Option(
            "--against",
            help="Known config to retrain with them, or none. [default: the study's first]",
        ),
    ] = None,
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    device: Device = "auto",
    quiet: Quiet = False,
    as_json: AsJson = False,
) -> None:
    """Retrain a study's best trials over seeds, and rank them.

    All trials share the same fresh seeds, each with a random split of its own unless the study
    splits by time. The ranking has 95% intervals.
    """
    from ...search.results.confirmation.confirm import confirm as run
    from ...search.storage.examples import example, storage_option
    from ..terminal.confirmation import print_confirmation
    from ..terminal.examples import print_next
    from ..terminal.live.view import study_view

    study_options = [*(["--study", study] if study else []), *storage_option(storage)]
    moved = ["--dataset", dataset] if dataset else []
    known = ["--against", against] if against else []
    again = example("confirm", "--top", top, "--seeds", seeds, *known, *moved, *study_options)
    with (
        interruptible(lambda: f"interrupted; continue with: {again}"),
        study_view(quiet=quiet) as view,
    ):
        rows = run(
            study,
            storage,
            top=top,
            seeds=seeds,
            against=against,
            dataset=dataset,
            device=device,
            listener=view,
        )
    if as_json:
        print_json(rows)
        return
    print_confirmation(rows)
    print_next(example("best", "--export", "config.yaml", *study_options))
