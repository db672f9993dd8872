"""Reads the files of the Netflix Prize, which group the ratings by film.

combined_data_1.txt, ..., or training_set/mv_0000001.txt, ...:

    1:
    1488844,3,2005-09-06

movie_titles.csv: number, year of release or NULL, title. Commas in a title are not quoted.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from io import BytesIO
from pathlib import Path

import numpy as np
import pandas as pd

from ...errors import DataError
from ..ratings import Int
from ..tables.columns import ITEM, RATING, TIMESTAMP, USER
from ..tables.ids import Labels
from ..tables.sources import Place, Source
from .text_ratings import RawRatings

TITLES = "movie_titles.csv"
COMBINED = re.compile(r"combined_data_[0-9]+\.txt")
FOLDER = "training_set"

_CHUNK_BYTES = 1 << 25
_HEADING = re.compile(rb"^([0-9]+):\r?$", re.MULTILINE)
_LINE = re.compile(rb"([0-9]+:|[0-9]+,[0-9.]+,[0-9]{4}-[0-9]{2}-[0-9]{2})?")


def find_netflix(place: Place) -> list[Source]:
    """The Netflix Prize's files in a folder or zip, in order; empty if it has none."""
    names = [name for name in place.files() if COMBINED.fullmatch(_bare(name))]
    if names:
        found = (place.find(name) for name in sorted(names))
        return [source for source in found if source]
    folder = place.path / FOLDER if place.path.is_dir() else place.path
    if folder.is_dir():
        return [Source(path) for path in sorted(folder.glob("mv_*.txt"))]
    return []


def is_netflix(source: Source) -> bool:
    """Whether a file begins with a film's number and a colon."""
    with source.open() as file:
        return _HEADING.fullmatch(file.readline(64).strip()) is not None


def read_netflix(sources: Sequence[Source]) -> RawRatings:
    """The ratings of the files, in order.

    Raises:
        DataError: names the line that is neither a film's number nor a rating.
    """
    frames: list[pd.DataFrame] = []
    films: list[Int] = []
    starts: list[int] = []  # first row of each block of ratings
    blocks: list[tuple[Source, int]] = []  # its file, and the line of its first rating
    n_rows = 0
    for source in sources:
        film, line = -1, 1
        for chunk in _chunks(source):
            position = 0
            for heading in [*_HEADING.finditer(chunk), None]:
                block = chunk[position : heading.start() if heading else len(chunk)]
                if block.strip():
                    if film < 0:
                        raise _error(source, line, block)
                    frame = _parse(source, line, block)
                    frames.append(frame)
                    films.append(np.full(len(frame), film, np.int64))
                    starts.append(n_rows)
                    blocks.append((source, line + block.startswith(b"\n")))
                    n_rows += len(frame)
                line += block.count(b"\n")
                if heading:
                    film, position = int(heading[1]), heading.end()
    if not frames:
        raise DataError(f"{sources[0]} has no ratings; add a line such as 1488844,3,2005-09-06")

    def place(row: int) -> str:
        block = bisect_right(starts, row) - 1
        source, first_line = blocks[block]
        return f"{source} line {first_line + row - starts[block]}"

    columns = pd.concat(frames, ignore_index=True)
    return RawRatings(
        user=_factorize(columns[0].to_numpy()),
        film=_factorize(np.concatenate(films)),
        rating=columns[1].to_numpy(np.float32),
        timestamp=_dates(columns[2]),
        labels={role.name: role.key for role in (USER, ITEM, RATING, TIMESTAMP)},
        place=place,
    )


def read_titles(source: Source) -> Iterator[tuple[int, int, int, str]]:
    """Line, film, year of release (0 if unknown) and title of each line of `movie_titles.csv`.

    Raises:
        DataError: names the line that has another form.
    """
    with source.open() as file:
        for line, raw in enumerate(file, start=1):
            text = raw.decode("latin-1").strip()
            if not text:
                continue
            match = re.fullmatch(r"([0-9]{1,18}),([0-9]{4}|NULL),(.*)", text)
            if match is None:
                raise DataError(
                    f"{source} line {line}: {text[:60]!r} has another form than 1,2003,Title; "
                    "fix or delete the line"
                )
            year = 0 if match[2] == "NULL" else int(match[2])
            yield line, int(match[1]), year, match[3]


def _chunks(source: Source) -> Iterator[bytes]:
    """The file in pieces of whole lines."""
    rest = b""
    with source.open() as file:
        while chunk := file.read(_CHUNK_BYTES):
            lines, newline, rest = (rest + chunk).rpartition(b"\n")
            yield lines + newline
    if rest:
        yield rest


def _parse(source: Source, line: int, block: bytes) -> pd.DataFrame:
    """Users, ratings and dates of one film's lines."""
    types = {0: np.int64, 1: np.float32, 2: "category"}
    body = block.lstrip(b"\r\n")
    try:
        frame = pd.read_csv(BytesIO(body), header=None, names=[0, 1, 2], dtype=types)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        raise _error(source, line, block) from None
    if frame.isna().to_numpy().any() or len(frame) != body.rstrip().count(b"\n") + 1:
        raise _error(source, line, block)
    return frame


def _error(source: Source, line: int, block: bytes) -> DataError:
    """The error for the first line of a block that is no rating."""
    for number, text in enumerate(block.split(b"\n")):
        if not _LINE.fullmatch(text.strip()):
            line, shown = line + number, text.decode("latin-1").strip()[:60]
            break
    else:
        shown = block.strip().split(b"\n")[0].decode("latin-1")[:60]
    return DataError(
        f"{source} line {line}: {shown!r} is neither a film such as 1: nor a rating such as "
        "1488844,3,2005-09-06; fix or delete the line"
    )


def _factorize(values: Int) -> Labels:
    codes, unique = pd.factorize(values, sort=True)
    return Labels(codes.astype(np.int64, copy=False), np.asarray(unique, np.int64))


def _dates(column: pd.Series) -> Labels:
    codes, unique = pd.factorize(column)
    return Labels(codes.astype(np.int64, copy=False), [str(value) for value in unique])


def _bare(name: str) -> str:
    return Source(Path(name)).name
