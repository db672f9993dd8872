"""`data list`, `data download` and `data info`: the datasets."""

from __future__ import annotations

from typing import Annotated

import typer

from .options import AsJson, Columns, DataDir, Duplicates, parse_reading
from .terminal.output import notify, print_json

app = typer.Typer(name="data", no_args_is_help=True, rich_markup_mode=None)


@app.callback(epilog="recsys-search data info demo")
def data() -> None:
    """Show and download datasets."""


@app.command("list", epilog="recsys-search data list")
def list_(data_dir: DataDir = None, as_json: AsJson = False) -> None:
    """List the named datasets.

    demo:SIZE, such as demo:1M, is generated ratings of that size.
    """
    from ..data.sets.summaries import list_datasets

    rows = list_datasets(data_dir)
    if as_json:
        print_json(rows)
        return
    from .terminal.columns import Column, lines_of
    from .terminal.consoles import out
    from .terminal.values import format_any

    ranks = {"name": None, "downloaded": None, "licence": 1}
    columns = [
        Column(
            name,
            [format_any(row[name]) for row in rows],
            right=isinstance(rows[0][name], int) and not isinstance(rows[0][name], bool),
            rank=ranks.get(name, 2),
        )
        for name in rows[0]
        if name not in ("readme", "folder")
    ]
    for line in lines_of(columns, out.width):
        out.print(line)


@app.command("download", epilog="recsys-search data download ml-1m")
def download(
    name: Annotated[str, typer.Argument(help="A name from data list.", show_default=False)],
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Download a dataset, unless the data folder already has it."""
    from ..data.data_folder import data_folder
    from ..data.sets.download import published_source
    from ..data.sets.progress_bar import download_with_progress

    folder = download_with_progress(name, data_folder(data_dir))
    source = published_source(name)
    if as_json:
        licence = {"licence": source.licence, "readme": source.readme}
        print_json({"name": name, "folder": str(folder), **licence})
        return
    notify(f"{name} is in {folder}; licence: {source.licence} ({source.readme})")


@app.command("info", epilog="recsys-search data info demo")
def info(
    dataset: Annotated[
        str,
        typer.Argument(
            help="A name from data list, demo:SIZE such as demo:1M, or a folder or file of "
            "ratings.",
            show_default=False,
        ),
    ],
    columns: Columns = None,
    duplicates: Duplicates = None,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Describe a dataset: its ratings, users and films."""
    from ..data.sets.loading import load_ratings
    from ..data.sets.summaries import summarise
    from ..data.tables.columns import ReadOptions

    options = ReadOptions().overridden(**parse_reading(columns, duplicates))
    values = summarise(load_ratings(dataset, data_dir, options=options, fetch=None))
    if as_json:
        print_json(values)
        return
    from .terminal.consoles import out
    from .terminal.values import key_values

    for note in values.pop("notes"):
        notify(note)
    low, high = values["scale"]
    values["scale"] = f"{low:g} to {high:g}"
    for names in ("genres", "user_groups"):
        values[names] = values[names] or None
    out.print(key_values(values))
