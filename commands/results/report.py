"""`report`: a study as one page to read or to send."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from ...base.files import check_writable, is_stdout, is_stream
from ...errors import OptionError
from ..options import (
    DEFAULT_STORAGE,
    Artifacts,
    DataDir,
    Device,
    MovedDataset,
    Quiet,
    Storage,
    StudyName,
)
from ..terminal.output import interruptible, notify

app = typer.Typer()


class Format(StrEnum):
    """The formats of `search/report/write.py`, which `--help` must not import."""

    HTML = "html"
    MD = "md"


SUFFIXES = {"": Format.HTML, ".html": Format.HTML, ".htm": Format.HTML, ".md": Format.MD}


@app.command(epilog="recsys-search report --study demo --out report.html")
def report(
    study: StudyName = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--out",
            readable=False,
            help="Write the report to this file; - is stdout. [default: report.html or report.md]",
        ),
    ] = None,
    format: Annotated[
        Format | None,
        typer.Option(
            "--format",
            help="A page for browsers, or Markdown for a pull request. [default: by the name of "
            "--out, otherwise html]",
        ),
    ] = None,
    compare: Annotated[
        str | None,
        typer.Option("--compare", help="Set this other study of the storage side by side with it."),
    ] = None,
    audit: Annotated[
        int | None,
        typer.Option(
            "--audit",
            min=1,
            help="First train this many stopped trials, drawn at random, to their end: would one "
            "have won?",
        ),
    ] = None,
    dataset: MovedDataset = None,
    data_dir: DataDir = None,
    storage: Storage = DEFAULT_STORAGE,
    artifacts: Artifacts = None,
    device: Device = "auto",
    quiet: Quiet = False,
) -> None:
    """Write a report: what won, how sure that is, what it cost."""
    from ...search.report.audit import audit as run_audit
    from ...search.report.write import write_report
    from ...search.storage.examples import example, storage_and_artifacts
    from ..terminal.live.view import study_view

    if audit is not None and compare is not None:
        raise OptionError("--audit trains trials of one study; run it without --compare first")
    if audit is None and dataset is not None:
        raise OptionError("--dataset has no effect without --audit, which trains; leave it out")
    kind = format or _format_of(out)
    path = out or Path(f"report.{kind.value}")
    if audit is not None:
        if not is_stream(path):
            check_writable(path.parent)  # before hours of training, not after them
        named = ["--study", study] if study else []
        moved = ["--dataset", dataset] if dataset else []
        places = storage_and_artifacts(storage)
        again = example("report", "--audit", audit, "--out", path, *moved, *named, *places)
        with (
            interruptible(lambda: f"interrupted; continue with: {again}"),
            study_view(quiet=quiet) as view,
        ):
            run_audit(study, storage, audit, dataset=dataset, device=device, listener=view)
    write_report(storage, study, path, kind=kind.value, compare=compare)
    if not is_stdout(path):
        notify(f"wrote {path}")


def _format_of(out: Path | None) -> Format:
    """The format that a file's name asks for.

    Raises:
        OptionError: it is none of ours.
    """
    suffix = out.suffix.lower() if out else ""
    if suffix not in SUFFIXES:
        raise OptionError(
            f"--out {out}: a report is HTML or Markdown; name a file that ends in .html or .md, or "
            "add --format (a browser prints the page to PDF)"
        )
    return SUFFIXES[suffix]
