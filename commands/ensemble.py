"""`ensemble`: several runs, or a study's best trials, combined into one run."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer

from ..base.files import is_stdout
from ..errors import OptionError, OutputError
from .options import DEFAULT_STORAGE, AsJson, DataDir, Device, MovedDataset, Storage
from .terminal.output import interruptible, notify, print_json

app = typer.Typer()


class WeightsChoice(StrEnum):
    """How the members of an ensemble are weighed."""

    EQUAL = "equal"
    GREEDY = "greedy"


@app.command(epilog="recsys-search ensemble --study demo --top 5 --out runs/ensemble")
def ensemble(
    runs: Annotated[
        list[Path] | None,
        typer.Argument(help="Folders of runs to combine.", show_default=False),
    ] = None,
    study: Annotated[
        str | None,
        typer.Option("--study", help="Train and combine the best trials of this study instead."),
    ] = None,
    top: Annotated[
        int | None,
        typer.Option("--top", min=2, help="Number of trials to combine. [default: 5]"),
    ] = None,
    weights: Annotated[
        WeightsChoice,
        typer.Option(
            "--weights", help="Fit the weights on the validation ratings, or use equal ones."
        ),
    ] = WeightsChoice.GREEDY,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder. [default: a new one in runs/]")
    ] = None,
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Combine runs, or a study's best trials, into one run."""
    from ..model.ensembles.combine import combine_runs
    from ..model.runs.plan import new_folder
    from .terminal.ensemble import print_ensemble

    if is_stdout(out):
        raise OutputError(f"--out {out} is stdout, but a run is a folder; name a new folder")
    is_study = study is not None or top is not None
    if bool(runs) == is_study:
        raise OptionError(
            "name either two or more runs, or a study's trials with --study NAME --top K"
        )
    folder = out or new_folder("ensemble")
    options: dict[str, Any] = {
        "weighting": weights.value,
        "dataset": dataset,
        "device": device,
        "notify": notify,
    }
    if runs:
        result = combine_runs(runs, folder, **options)
    else:
        result = _combine_trials(study, storage, folder, {**options, "top": top or 5})
    if as_json:
        print_json(result)
        return
    print_ensemble(result)


def _combine_trials(
    study: str | None, storage: str, folder: Path, options: dict[str, Any]
) -> dict[str, Any]:
    from ..search.results.ensemble import ensemble_trials, members_folder
    from .terminal.consoles import err
    from .terminal.trials.epochs import epoch_line

    def last_line() -> str:
        if not members_folder(folder).is_dir():
            return "interrupted; nothing is saved"
        return f"interrupted; to train what is missing: the same command with --out {folder}"

    with interruptible(last_line):
        return ensemble_trials(
            study,
            storage,
            folder,
            on_epoch=lambda run, report: err.print(epoch_line(run.config, report), soft_wrap=True),
            **options,
        )
