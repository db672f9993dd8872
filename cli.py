"""The command line: arguments in, text out. What a command does stands in `search` and `model`.

Imports of torch, Optuna and pandas wait until a command needs them: `--help` must not.
"""

from __future__ import annotations

import json
import os
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from .errors import NothingYet, OptionError, RecsysSearchError, in_a_line

STORAGE = "sqlite:///studies.db"


class Commands(TyperGroup):
    """Ctrl-C has an exit code of its own, where the framework would say 1."""

    def invoke(self, ctx: Any) -> Any:
        try:
            return super().invoke(ctx)
        except KeyboardInterrupt:
            _note("interrupted")
            raise typer.Exit(130) from None


app = typer.Typer(
    cls=Commands,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)
data_app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode=None,
    help="Show datasets.",
    epilog="recsys-search data info demo",
)
app.add_typer(data_app, name="data")


class State(StrEnum):
    COMPLETE = "complete"
    PRUNED = "pruned"
    FAILED = "failed"
    INTERRUPTED = "interrupted"
    RUNNING = "running"
    WAITING = "waiting"


class SplitPart(StrEnum):
    VALIDATION = "validation"
    TEST = "test"


def _use_data_dir(folder: Path | None) -> Path | None:
    """For this whole process: data is read, and openings are counted, in more places than one."""
    if folder is not None:
        os.environ["RECSYS_SEARCH_DATA_DIR"] = str(folder)
    return folder


Storage = Annotated[
    str,
    typer.Option("--storage", envvar="RECSYS_SEARCH_STORAGE", help="Database of the studies."),
]
Study = Annotated[
    str | None,
    typer.Option("--study", help="The study; may be left out where the storage holds one."),
]
Device = Annotated[str, typer.Option("--device", help="auto, cpu, cuda or cuda:N.")]
Json = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]
RunFolder = Annotated[Path, typer.Argument(help="A run's folder.", show_default=False)]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset", help="A name that data list shows, demo:SIZE such as demo:1M, or a folder."
    ),
]

DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar="RECSYS_SEARCH_DATA_DIR",
        help="Holds datasets and the ledger of test openings. [default: the user's cache folder]",
        show_default=False,
        callback=_use_data_dir,
    ),
]

Moved = Annotated[
    str | None, typer.Option("--dataset", help="Where the ratings are now, if they moved.")
]


@app.callback(epilog="recsys-search start --study demo")
def common(
    debug: Annotated[bool, typer.Option("--debug", help="Show tracebacks.")] = False,
) -> None:
    """Finds the best hyperparameters of a VAE that predicts MovieLens ratings."""


@app.command(epilog="recsys-search start --study demo")
def start(
    study: Annotated[str, typer.Option("--study", help="A built-in study, or a YAML file.")],
    trials: Annotated[
        int | None,
        typer.Option("--trials", min=1, help="Trials in total. [default: the study's number]"),
    ] = None,
    timeout: Annotated[
        str | None, typer.Option("--timeout", help="Time from now, such as 2h or 10m.")
    ] = None,
    dataset: Dataset = None,
    data_dir: DataDir = None,
    target_rmse: Annotated[
        float | None,
        typer.Option("--target-rmse", help="End the study below this validation RMSE, in stars."),
    ] = None,
    explore: Annotated[
        bool, typer.Option("--explore", help="Lift the study file's limits, from now on.")
    ] = False,
    usd_per_hour: Annotated[
        float | None, typer.Option("--usd-per-hour", help="What an hour of this machine costs.")
    ] = None,
    budget_usd: Annotated[
        float | None, typer.Option("--budget-usd", help="End the study when so much is spent.")
    ] = None,
    storage: Storage = STORAGE,
    device: Device = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: Json = False,
) -> None:
    """Run a study, or carry on with it."""
    from .console import at_storage, command, print_outcome
    from .live import study_view
    from .search.opening import Overrides
    from .search.reading import StudyReader
    from .search.run_study import start as run

    overrides = Overrides(
        trials=trials,
        dataset=dataset,
        target_rmse=target_rmse,
        explore=explore,
        usd_per_hour=usd_per_hour,
        budget_usd=budget_usd,
    )
    try:
        with study_view(quiet=quiet) as view:
            name = run(
                study,
                storage,
                overrides=overrides,
                timeout=timeout,
                device=device,
                watcher=view,
            )
    except KeyboardInterrupt:
        _note(f"go on with: {command('start', '--study', study, *at_storage(storage))}")
        raise
    reader = StudyReader(storage, name)
    if as_json:
        _print_json(reader.status())
        return
    print_outcome(reader.status(), reader.trials(), storage)


@app.command(epilog="recsys-search studies")
def studies(storage: Storage = STORAGE, as_json: Json = False) -> None:
    """List the studies of a storage."""
    from .search.reading import list_studies
    from .search.storage import redacted

    rows = list_studies(storage)
    if as_json:
        _print_json(rows)
    elif rows:
        from .console import out, rows_table

        out.print(rows_table(rows))
    else:
        raise NothingYet(
            f"no studies in {redacted(storage)}; begin one with: recsys-search start --study demo"
        )


@app.command(epilog="recsys-search status --study demo")
def status(study: Study = None, storage: Storage = STORAGE, as_json: Json = False) -> None:
    """Show how far a study is."""
    from .search.reading import StudyReader

    values = StudyReader(storage, study).status()
    if as_json:
        _print_json(values)
        return
    from .console import key_values, out

    out.print(key_values(values))


@app.command(epilog="recsys-search trials --study demo --state pruned")
def trials(
    study: Study = None,
    state: Annotated[State | None, typer.Option("--state", help="Only trials of it.")] = None,
    csv: Annotated[
        Path | None, typer.Option("--csv", help="Write them to this file instead.")
    ] = None,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """List a study's trials, each with why it ended."""
    from .search.reading import StudyReader

    reader = StudyReader(storage, study)
    records = reader.trials(state and state.value)
    if csv:
        import pandas as pd

        from .files import write_whole
        from .search.trials import RECORD_KEYS

        table = pd.DataFrame(records, columns=list(RECORD_KEYS))
        write_whole(csv, lambda partial: table.to_csv(partial, index=False))
        _note(f"wrote {len(records)} trials to {csv}")
    if as_json:
        _print_json(records)
    elif not csv:
        from .console import out, trials_table

        best = reader.status()["best"]
        out.print(trials_table(records, best=best and best["number"]))


@app.command(epilog="recsys-search show --study demo --trial 0")
def show(
    trial: Annotated[int, typer.Option("--trial", min=0, help="The trial's number.")],
    study: Study = None,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Show one trial: its config, its epochs, and why it ended."""
    from .search.reading import StudyReader

    values = StudyReader(storage, study).show(trial)
    reports = values.pop("reports")
    if as_json:
        from dataclasses import asdict

        _print_json({**values, "reports": [asdict(report) for report in reports]})
        return
    from .console import epochs_table, key_values, out

    config, environment = values.pop("config"), values.pop("environment")
    out.print(key_values({name: value for name, value in values.items() if value is not None}))
    for title, table in (("config", config), ("environment", environment)):
        out.print(f"\n[bold]{title}[/bold]")
        out.print(key_values(table or {}))
    if reports:
        out.print("\n[bold]epochs[/bold]")
        out.print(epochs_table(reports))


@app.command(epilog="recsys-search best --study demo --export config.yaml")
def best(
    study: Study = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many trials.")] = 1,
    export: Annotated[
        Path | None, typer.Option("--export", help="Write the best one's config to this file.")
    ] = None,
    storage: Storage = STORAGE,
    as_json: Json = False,
) -> None:
    """Show a study's best trial, and export its config."""
    from .console import command
    from .model.experiment import write_experiment
    from .search.reading import StudyReader

    reader = StudyReader(storage, study)
    found = reader.best(top)
    if export:
        write_experiment(export, reader.experiment())
        _note(f"wrote {export}; train it with: {command('train', '--config', export)}")
    if as_json:
        _print_json(found if top > 1 else found[0])
        return
    from .console import at_storage, beside_biases, key_values, out, told_best, trials_table

    of_study = ("--study", reader.spec.name, *at_storage(storage))
    out.print(trials_table(found, best=found[0]["number"]))
    out.print(f"\n[bold]config of trial {found[0]['number']}[/bold]")
    out.print(key_values(found[0]["config"]))
    out.print(f"\n{beside_biases(found[0]['val_rmse'], reader.bias_val_rmse)}")
    out.print(told_best(found[0], reader.unconfirmed_below(), *of_study), soft_wrap=True)


@app.command(epilog="recsys-search confirm --study demo --top 3 --seeds 5")
def confirm(
    study: Study = None,
    top: Annotated[int, typer.Option("--top", min=1, help="How many trials.")] = 3,
    seeds: Annotated[
        int, typer.Option("--seeds", min=2, help="Trainings of each, every one with its own cut.")
    ] = 5,
    dataset: Moved = None,
    data_dir: DataDir = None,
    storage: Storage = STORAGE,
    device: Device = "auto",
    quiet: Annotated[bool, typer.Option("--quiet", help="No progress on stderr.")] = False,
    as_json: Json = False,
) -> None:
    """Retrain a study's best trials over seeds and cuts, and rank them with intervals."""
    from .console import at_storage, command, print_confirmation, print_next
    from .live import study_view
    from .search.confirm import confirm as run

    of_study = [*(["--study", study] if study else []), *at_storage(storage)]
    try:
        with study_view(quiet=quiet) as view:
            rows = run(
                study,
                storage,
                top=top,
                seeds=seeds,
                dataset=dataset,
                device=device,
                watcher=view,
            )
    except KeyboardInterrupt:
        moved = ["--dataset", dataset] if dataset else []
        again = ["confirm", "--top", top, "--seeds", seeds, *moved, *of_study]
        _note(f"go on with: {command(*again)}")
        raise
    if as_json:
        _print_json(rows)
        return
    print_confirmation(rows)
    print_next(command("best", "--export", "config.yaml", *of_study))


@app.command(epilog="recsys-search train --config config.yaml --out runs/best")
def train(
    config: Annotated[
        Path | None, typer.Option("--config", help="A config.yaml, as best --export writes it.")
    ] = None,
    architecture: Annotated[
        str | None,
        typer.Option(
            "--architecture",
            help="Train its defaults: two_tower or hybrid, or a baseline, mf or biases.",
        ),
    ] = None,
    dataset: Dataset = None,
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
        int | None, typer.Option("--split-seed", min=0, help="Seed of the split's shuffle.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed", min=0, help="Seed of the training.")] = None,
    epochs: Annotated[
        int | None, typer.Option("--epochs", min=1, help="Epochs at most, the cosine's length.")
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="The run's folder. [default: a new one in runs/]")
    ] = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Train one config, or an architecture's defaults, and save it as a run."""
    from .console import epoch_line, err
    from .model.plan import new_run_folder, plan_experiment
    from .model.runs import train_run

    experiment = plan_experiment(
        config,
        architecture,
        dataset=dataset,
        split=split,
        split_seed=split_seed,
        seed=seed,
        epochs=epochs,
    )
    result = train_run(
        experiment,
        out or new_run_folder(experiment),
        device=device,
        on_epoch=lambda run, report: err.print(epoch_line(run.config, report), soft_wrap=True),
        tell=_note,
    )
    if as_json:
        _print_json(result)
        return
    from .console import beside_biases, command, key_values, print_next
    from .console import out as stdout

    stdout.print(key_values(result))
    stdout.print(f"\n{beside_biases(result['val_rmse'], result['bias_val_rmse'])}")
    print_next(command("evaluate", result["run"], "--split", "test"))


@app.command(epilog="recsys-search evaluate runs/best --split test --json")
def evaluate(
    run: RunFolder,
    split: Annotated[SplitPart, typer.Option("--split", help="Which part.")] = SplitPart.VALIDATION,
    dataset: Moved = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Show what a run is worth on ratings that it was not trained on."""
    from .model.runs import Run

    values = Run.load(run, device, dataset).evaluate(split.value)
    if as_json:
        _print_json(values)
        return
    from .console import print_evaluation

    print_evaluation(values)


@app.command(epilog="recsys-search predict runs/best pairs.csv --out predicted.csv")
def predict(
    run: RunFolder,
    pairs: Annotated[
        Path, typer.Argument(help="CSV of userId,movieId[,timestamp].", show_default=False)
    ],
    out: Annotated[Path, typer.Option("--out", help="CSV to write: userId,movieId,rating,known.")],
    dataset: Moved = None,
    data_dir: DataDir = None,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Predict the ratings of pairs, in their order."""
    from .data.pairs import read_pairs, write_predictions
    from .model.runs import Run

    asked = read_pairs(pairs)
    rating, known = Run.load(run, device, dataset).predict(asked)
    write_predictions(out, asked, rating, known)
    result = {"out": str(out), "n": len(rating), "known": int(known.sum())}
    if as_json:
        _print_json(result)
    else:
        _note(f"wrote {result['n']} predictions to {out}, {result['known']} of known pairs")


@app.command(epilog="recsys-search dashboard --port 8080")
def dashboard(
    host: Annotated[str, typer.Option("--host", help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0: any free one.")] = 8080,
    storage: Storage = STORAGE,
) -> None:
    """Serve optuna-dashboard on the storage, until Ctrl-C."""
    from .search.dashboard import serve_dashboard

    serve_dashboard(storage, host, port, ready=lambda url: _note(f"dashboard at {url}"))


@app.command(epilog="recsys-search doctor --dataset ml-32m")
def doctor(
    dataset: Dataset = None,
    data_dir: DataDir = None,
    storage: Storage = STORAGE,
    device: Device = "auto",
    as_json: Json = False,
) -> None:
    """Say what this machine can do, and what is missing."""
    from dataclasses import asdict

    from .search.doctor import examine

    checks = examine(storage, data_dir=data_dir, dataset=dataset, device=device)
    if as_json:
        _print_json([asdict(check) for check in checks])
    else:
        from .console import print_checks

        print_checks(checks)
    if any(check.in_the_way for check in checks):
        raise typer.Exit(1)


@data_app.command("list", epilog="recsys-search data list")
def data_list(data_dir: DataDir = None, as_json: Json = False) -> None:
    """List the datasets that have a name; demo:SIZE, such as demo:1M, is demo of another size."""
    from .data.datasets import list_datasets

    rows = list_datasets(data_dir)
    if as_json:
        _print_json(rows)
        return
    from .console import out, rows_table

    for row in rows:
        del row["readme"], row["folder"]
    out.print(rows_table(rows))


@data_app.command("download", epilog="recsys-search data download ml-1m")
def data_download(
    name: Annotated[str, typer.Argument(help="A name that data list shows.", show_default=False)],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Download a dataset into the data folder, unless it is there."""
    from .data.download import data_folder, published
    from .data.progress import download_visibly

    folder = download_visibly(name, data_folder(data_dir))
    source = published(name)
    if as_json:
        licence = {"licence": source.licence, "readme": source.readme}
        _print_json({"name": name, "folder": str(folder), **licence})
        return
    _note(f"{name} is in {folder}; licence: {source.licence} ({source.readme})")


@data_app.command("info", epilog="recsys-search data info demo")
def data_info(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A name that data list shows, demo:SIZE such as demo:1M, or a folder that holds "
            "ratings.csv, ratings.dat or u.data.",
            show_default=False,
        ),
    ],
    data_dir: DataDir = None,
    as_json: Json = False,
) -> None:
    """Show what a dataset holds."""
    from .data.datasets import load_ratings, summarise

    values = summarise(load_ratings(dataset, data_dir, fetch=None))
    if as_json:
        _print_json(values)
        return
    from .console import key_values, out

    out.print(key_values(values))


def main(args: list[str] | None = None) -> None:
    """The console script. Errors are told in one line, with the design's exit codes."""
    args = sys.argv[1:] if args is None else args
    try:
        app(args)
    except Exception as error:
        if "--debug" in args:
            raise
        if isinstance(error, RecsysSearchError):
            _note(f"error: {error}")
        else:
            _note(f"error: {in_a_line(error)} (a traceback: recsys-search --debug {args[0]} ...)")
        codes: dict[type[Exception], int] = {NothingYet: 3, OptionError: 2}
        sys.exit(codes.get(type(error), 1))


def _print_json(document: Any) -> None:
    sys.stdout.write(json.dumps(_finite(document), indent=2) + "\n")


def _finite(value: Any) -> Any:
    """JSON has no NaN: it becomes null."""
    if isinstance(value, float):
        return value if value == value and abs(value) != float("inf") else None
    if isinstance(value, dict):
        return {str(name): _finite(part) for name, part in value.items()}
    return [_finite(part) for part in value] if isinstance(value, list | tuple) else value


def _note(line: str) -> None:
    sys.stderr.write(line + "\n")
