"""Writes the report of a study, or of two."""

from __future__ import annotations

from pathlib import Path

from ...base.files import write_output
from ...errors import OptionError
from ..results.study_data import StudyData
from .comparison import html_comparison, markdown_comparison
from .markdown import markdown_report
from .page import html_report

FORMATS = {
    "html": (html_report, html_comparison),
    "md": (markdown_report, markdown_comparison),
}


def write_report(
    storage_url: str,
    study: str | None,
    out: Path,
    *,
    kind: str = "html",
    compare: str | None = None,
) -> None:
    """Write the report of a study.

    Args:
        study: its name; may be None if the storage holds only one.
        out: where to, as for `write_output`.
        kind: a key of `FORMATS`.
        compare: another study in the same storage, to set side by side with the first.

    Raises:
        NothingYet, StorageError, StudyError: as for `StudyData.read`.
        OptionError: a study is compared with itself.
        OutputError: the file cannot be written.
    """
    one_study, two_studies = FORMATS[kind]
    data = StudyData.read(storage_url, study)
    if compare == data.spec.name:
        raise OptionError(f"--compare {compare} names the study itself; name another one")
    if compare is None:
        text = one_study(data)
    else:
        text = two_studies(data, StudyData.read(storage_url, compare))
    write_output(out, text)
