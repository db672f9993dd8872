"""Options and arguments that several commands share."""

from __future__ import annotations

import os
from enum import StrEnum
from pathlib import Path
from typing import Annotated, Any, Literal

import typer

from ..data.data_folder import DATA_DIR_VARIABLE
from ..errors import OptionError
from ..search.storage.examples import ARTIFACTS_VARIABLE, DEFAULT_STORAGE, STORAGE_VARIABLE


class DuplicatesChoice(StrEnum):
    """What to do with several ratings of one film by one user."""

    ERROR = "error"
    NEWEST = "newest"
    MEAN = "mean"


class SamplerChoice(StrEnum):
    """The samplers of `search/definition/sampler.py`, which `--help` must not import."""

    TPE = "tpe"
    GP = "gp"
    CMAES = "cmaes"
    RANDOM = "random"
    GRID = "grid"
    AUTO = "auto"


class SplitPart(StrEnum):
    """The part of a split that a run is evaluated on."""

    VALIDATION = "validation"
    TEST = "test"


def parse_reading(columns: str | None, duplicates: DuplicatesChoice | None) -> dict[str, Any]:
    """`--columns` and `--duplicates` as keyword arguments; None where an option is not given.

    Raises:
        OptionError: the columns are invalid.
    """
    from ..data.tables.columns import parse_columns

    return {
        "columns": None if columns is None else parse_columns(columns),
        "duplicates": duplicates and duplicates.value,
    }


def check_subcommand_options(context: typer.Context) -> None:
    """Refuse options of a group that are written before its subcommand, which has its own.

    Raises:
        OptionError: they would have no effect.
    """
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if source is not None and source.name == "COMMANDLINE":
            raise OptionError(
                f"{parameter.opts[0]} has no effect before {context.invoked_subcommand}; write it "
                "at the end"
            )


def parse_workers(text: str | None, cluster: str | None) -> int | None:
    """`--workers`: a number, or None for auto.

    Args:
        cluster: `--cluster`.

    Raises:
        OptionError: it is neither.
    """
    if text is None:
        return None if cluster else 1
    number = _number_or_auto("--workers", text)
    return None if number == "auto" else number


def parse_trials_per_gpu(text: str | None) -> int | Literal["auto"] | None:
    """`--trials-per-gpu`: a number, or auto.

    Raises:
        OptionError: it is neither.
    """
    return None if text is None else _number_or_auto("--trials-per-gpu", text)


def _number_or_auto(option: str, text: str) -> int | Literal["auto"]:
    if text == "auto":
        return "auto"
    if not text.isdecimal() or int(text) == 0:
        raise OptionError(f"{option} {text}: write a number from 1, or auto")
    return int(text)


def _use_data_dir(folder: Path | None) -> Path | None:
    """Set it for the whole process: several modules read data and count test openings."""
    if folder is not None:
        os.environ[DATA_DIR_VARIABLE] = str(folder)
    return folder


def _use_artifacts(place: str | None) -> str | None:
    """Set it for the whole process, and for those that it starts."""
    if place is not None:
        os.environ[ARTIFACTS_VARIABLE] = place
    return place


Storage = Annotated[
    str,
    typer.Option(
        "--storage", envvar=STORAGE_VARIABLE, help="URL of the database that holds the studies."
    ),
]
Artifacts = Annotated[
    str | None,
    typer.Option(
        "--artifacts",
        envvar=ARTIFACTS_VARIABLE,
        help="Folder or URL (such as s3://bucket/folder) of the epoch reports and checkpoints. "
        "[default: next to the database]",
        show_default=False,
        callback=_use_artifacts,
    ),
]
StoragePatience = Annotated[
    str,
    typer.Option(
        "--storage-patience",
        help="How long to wait each time that the storage fails (a lock, a full disk, a server "
        "that restarts).",
    ),
]
StudyName = Annotated[
    str | None,
    typer.Option("--study", help="Name of the study. [default: the only one in the storage]"),
]
Device = Annotated[str, typer.Option("--device", help="Device to use: auto, cpu, cuda or cuda:N.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print the result as one JSON document.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="Do not show progress on stderr.")]
Notify = Annotated[
    list[str] | None,
    typer.Option(
        "--notify",
        help="URL of apprise that messages go to, such as '$DISCORD_URL' (quoted, so that the "
        "shell does not expand it) or json://localhost:8080; may be given several times.",
    ),
]
Trackers = Annotated[
    list[str] | None,
    typer.Option(
        "--tracker",
        help="Record each trial as a run: tensorboard, mlflow or wandb, with its defaults; may be "
        "given several times.",
    ),
]
RunFolder = Annotated[Path, typer.Argument(help="Folder of the run.", show_default=False)]
Dataset = Annotated[
    str | None,
    typer.Option(
        "--dataset",
        help="A name from data list, demo:SIZE (such as demo:1M), or a folder or file of ratings.",
    ),
]
Columns = Annotated[
    str | None,
    typer.Option(
        "--columns",
        help="Columns of the ratings, such as user=a,item=b,rating=c,timestamp=d, or numbers from "
        "1 for a file without a header. [default: MovieLens' and other well-known names]",
        show_default=False,
    ),
]
Duplicates = Annotated[
    DuplicatesChoice | None,
    typer.Option(
        "--duplicates",
        help="Of several ratings of one film by one user keep the newest or the mean; error "
        "refuses them. [default: error]",
        show_default=False,
    ),
]
MovedDataset = Annotated[
    str | None, typer.Option("--dataset", help="New location of the ratings, if they have moved.")
]
DataDir = Annotated[
    Path | None,
    typer.Option(
        "--data-dir",
        envvar=DATA_DIR_VARIABLE,
        help="Folder for datasets and for the ledger of test-split openings. "
        "[default: the user's cache folder]",
        show_default=False,
        callback=_use_data_dir,
    ),
]

__all__ = [
    "DEFAULT_STORAGE",
    "Artifacts",
    "AsJson",
    "Columns",
    "DataDir",
    "Dataset",
    "Device",
    "Duplicates",
    "MovedDataset",
    "Notify",
    "Quiet",
    "RunFolder",
    "SamplerChoice",
    "SplitPart",
    "Storage",
    "StoragePatience",
    "StudyName",
    "Trackers",
    "check_subcommand_options",
    "parse_reading",
    "parse_trials_per_gpu",
    "parse_workers",
]
