"""`presets`: the machines that `start --preset` knows."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import typer

from .options import AsJson
from .terminal.output import print_json

if TYPE_CHECKING:
    from ..search.presets.table import Preset

app = typer.Typer()

NOTE = """
start --preset leaves out batch sizes that the GPU's memory cannot hold. auto is
this machine's preset. The price is a default, which --usd-per-hour replaces."""


@app.command(epilog="recsys-search presets")
def presets(as_json: AsJson = False) -> None:
    """Show what each preset sets for a study: start --preset NAME."""
    from ..search.presets.table import read_presets

    known = read_presets().values()
    if as_json:
        print_json([preset.model_dump() for preset in known])
        return
    _print_table(known)


def complete_preset(incomplete: str) -> list[str]:
    """Names of presets for the shell's completion."""
    from ..search.presets.table import AUTO, read_presets

    return [name for name in (*read_presets(), AUTO) if name.startswith(incomplete)]


def _print_table(known: Iterable[Preset]) -> None:
    from rich.table import Table
    from rich.text import Text

    from .terminal.consoles import out

    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("preset", no_wrap=True)
    table.add_column("GPU", no_wrap=True)
    for title in ("memory", "precision", "hybrid's batch", "trials per GPU", "USD/h"):
        table.add_column(title, justify="right", no_wrap=True)
    for preset in known:
        largest = preset.batch_sizes.get("hybrid")
        table.add_row(
            preset.name,
            preset.gpu or "-",
            "-" if preset.memory_gb is None else f"{preset.memory_gb:g} GB",
            preset.amp,
            f"at most {largest}" if largest else "-",
            "-" if preset.gpu is None else str(preset.trials_per_gpu),
            "-" if preset.usd_per_hour is None else f"{preset.usd_per_hour:.2f}",
        )
    out.print(table)
    out.print(Text(NOTE))
