"""`train`, `evaluate` and `predict`: one config, trained, measured and used."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..base.files import is_stdout
from ..errors import OutputError
from .options import (
    AsJson,
    Columns,
    DataDir,
    Dataset,
    Device,
    Duplicates,
    MovedDataset,
    RunFolder,
    SplitPart,
    parse_reading,
)
from .terminal.output import check_stdout_is_free, interruptible, notify, print_json

app = typer.Typer()


@app.command(epilog="recsys-search train --config config.yaml --out runs/best")
def train(
    config: Annotated[
        Path | None, typer.Option("--config", help="Config file, as written by best --export.")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            help="Train this architecture's defaults: two_tower, hybrid, or a baseline, mf "
            "or biases.",
        ),
    ] = None,
    dataset: Dataset = None,
    columns: Columns = None,
    duplicates: Duplicates = None,
    data_dir: DataDir = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            help="80/10/10 at random, temporal:80/10/10, leave-last-2, or ml-100k's u1 to u5, ua, "
            "ub. [default: the config's, or 80/10/10]",
        ),
    ] = None,
    split_seed: Annotated[
        int | None, typer.Option("--split-seed", min=0, help="Seed for splitting the ratings.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed for training.")] = None,
    epochs: Annotated[
        int | None,
        typer.Option(
            "--epochs",
            min=1,
            help="Maximum epochs, and the cosine schedule's length; with --refit the number of "
            "epochs to train, on the schedule that the config has.",
        ),
    ] = None,
    refit: Annotated[
        bool,
        typer.Option(
            "--refit",
            help="Train on train and validation ratings together, for as many epochs as the "
            "config's best epoch.",
        ),
    ] = False,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder. [default: a new one in runs/]")
    ] = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Train a config, or an architecture's defaults, and save a run."""
    from ..model.runs.plan import new_run_folder, plan_experiment
    from ..model.runs.run_folder import checkpoint_folder
    from ..model.runs.train_run import train_run
    from .terminal.consoles import err
    from .terminal.consoles import out as stdout
    from .terminal.trials.epochs import epoch_line

    if is_stdout(out):
        raise OutputError(f"--out {out} is stdout, but a run is a folder; name a new folder")
    experiment = plan_experiment(
        config,
        architecture,
        dataset=dataset,
        **parse_reading(columns, duplicates),
        split=split,
        split_seed=split_seed,
        seed=seed,
        epochs=epochs,
        refit=refit,
        notify=notify,
    )
    folder = out or new_run_folder(experiment)

    def last_line() -> str:
        if not checkpoint_folder(folder).is_dir():
            return "" if folder.exists() else "interrupted; nothing is saved"
        return f"interrupted; to go on from its checkpoint: the same command with --out {folder}"

    with interruptible(last_line):
        result = train_run(
            experiment,
            folder,
            device=device,
            on_epoch=lambda run, report: err.print(
                epoch_line(run.config, report, experiment.refit_epochs), soft_wrap=True
            ),
            notify=notify,
        )
    if as_json:
        print_json(result)
        return
    from ..model.evaluation.sentences import compare_to_baseline
    from .terminal.evaluation import print_next_evaluations, print_refit
    from .terminal.values import key_values

    has_test = experiment.split.test != 0
    del result["reproduced"]  # already printed on stderr
    if result["refit_epochs"] is not None:
        stdout.print(key_values({k: v for k, v in result.items() if v is not None}))
        print_refit(result["run"], has_test=has_test)
        return
    del result["refit_epochs"]
    stdout.print(key_values(result))
    stdout.print(f"\n{compare_to_baseline(result['val_rmse'], result['bias_val_rmse'])}")
    print_next_evaluations(result["run"], has_test=has_test)


@app.command(epilog="recsys-search evaluate runs/best --split test --json")
def evaluate(
    run: RunFolder,
    split: Annotated[
        SplitPart,
        typer.Option("--split", help="Held-out part to evaluate on; uses of test are counted."),
    ] = SplitPart.VALIDATION,
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Evaluate a run on held-out ratings."""
    from ..model.runs.run import Run

    values = Run.load(run, device, dataset).evaluate(split.value)
    if as_json:
        print_json(values)
        return
    from .terminal.evaluation import print_evaluation

    print_evaluation(values)


@app.command(epilog="recsys-search predict runs/best pairs.csv --out predicted.csv")
def predict(
    run: RunFolder,
    pairs: Annotated[
        Path,
        typer.Argument(
            help="CSV file with userId,movieId[,timestamp]; - is stdin.", show_default=False
        ),
    ],
    out: Annotated[
        Path,
        typer.Option(
            "--out",
            readable=False,
            help="CSV file to write: userId,movieId,rating,known[,std]; - is stdout.",
        ),
    ],
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Predict the ratings of user-film pairs."""
    from ..data.formats.pairs import read_pairs, write_predictions
    from ..model.runs.run import Run, run_experiment
    from .terminal.evaluation import describe_neighbours

    check_stdout_is_free("--out", out, as_json)
    asked = read_pairs(pairs, run_experiment(run).read_options)
    predictor = Run.load(run, device, dataset)
    rating, known, std = predictor.predict(asked)
    write_predictions(out, asked, rating, known, std)
    result = {
        "out": str(out),
        "n": len(rating),
        "known": int(known.sum()),
        "refit_epochs": predictor.experiment.refit_epochs,
        "neighbours": predictor.neighbours,
    }
    if as_json:
        print_json(result)
    elif not is_stdout(out):
        by = " by a refit" if predictor.is_refit else ""
        known_pairs = f"{result['known']} of known pairs"
        neighbours = describe_neighbours(
            predictor.neighbours, has_times=asked.timestamp is not None
        )
        notify(f"wrote {result['n']} predictions{by} to {out}, {known_pairs}{neighbours}")
