"""`doctor`: whether this machine can run a study."""

from __future__ import annotations

import typer

from .options import (
    DEFAULT_STORAGE,
    Artifacts,
    AsJson,
    Columns,
    DataDir,
    Dataset,
    Device,
    Storage,
    parse_reading,
)
from .terminal.output import print_json

app = typer.Typer()


@app.command(epilog="recsys-search doctor --dataset ml-32m")
def doctor(
    dataset: Dataset = None,
    columns: Columns = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    device: Device = "auto",
    as_json: AsJson = False,
) -> None:
    """Check whether this machine can run a study."""
    from dataclasses import asdict

    from ..data.tables.columns import ReadOptions
    from ..search.doctor.examination import examine

    checks = examine(
        storage,
        data_dir=data_dir,
        dataset=dataset,
        read_options=ReadOptions().overridden(**parse_reading(columns, None)),
        device=device,
    )
    if as_json:
        print_json([asdict(check) for check in checks])
    else:
        from .terminal.checks import print_checks

        print_checks(checks)
    if any(check.blocking for check in checks):
        raise typer.Exit(1)
