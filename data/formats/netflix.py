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
from typing import NamedTuple

import numpy as np
import pandas as pd

from ...errors import DataError
from ..tables.columns import ITEM, RATING, TIMESTAMP, USER
from ..tables.labels import labels_of
from ..tables.sources import Place, Source
from .text_ratings import RawRatings

TITLES = "movie_titles.csv"
COMBINED = re.compile(r"combined_data_[0-9]+\.txt")
FOLDER = "training_set"

_CHUNK_BYTES = 1 << 25
_HEADING = re.compile(rb"^([0-9]{1,18}):\r?\n", re.MULTILINE)
_RATING = re.compile(rb"[0-9]{1,18},[0-9]+(\.[0-9]+)?,[0-9]{4}-[0-9]{2}-[0-9]{2}")
_NO_FILM = -1  # before a file's first number


def find_netflix(place: Place) -> list[Source]:
    """The Netflix Prize's files in a folder or zip, in order; empty if it has none."""
    names = [name for name in place.files() if COMBINED.fullmatch(_uncompressed(name))]
    if names:
        found = (place.find(name) for name in sorted(names))
        return [source for source in found if source]
    folder = place.path / FOLDER if place.path.is_dir() else place.path
    if folder.is_dir():
        return [Source(path) for path in sorted(folder.glob("mv_*.txt"))]
    return []


def is_netflix(source: Source) -> bool:
    """Whether a file has a name of the prize's, or starts with a film's number and a colon."""
    if COMBINED.fullmatch(source.name):
        return True
    with source.open() as file:
        return _HEADING.fullmatch(file.readline(64)) is not None


def read_netflix(sources: Sequence[Source]) -> RawRatings:
    """The ratings of the files, in order.

    Raises:
        DataError: names the line that is neither a film's number nor a rating.
    """
    frames: list[pd.DataFrame] = []
    blocks: list[_Block] = []
    for source in sources:
        film, line = _NO_FILM, 1
        for chunk in _chunks(source):
            found = list(_blocks(source, chunk, film, line))
            frames.append(_parse(found))
            film, line = found[-1].film, line + chunk.count(b"\n")
            blocks += [block._replace(text=b"") for block in found if block.n_ratings]
    if not blocks:
        raise DataError(f"{sources[0]} has no ratings; add a line such as 1488844,3,2005-09-06")
    counts = np.array([block.n_ratings for block in blocks])
    starts = (counts.cumsum() - counts).tolist()

    def place(row: int) -> str:
        at = bisect_right(starts, row) - 1
        return f"{blocks[at].source} line {blocks[at].line + row - starts[at]}"

    columns = pd.concat(frames, ignore_index=True)
    return RawRatings(
        user=labels_of(columns[0]),
        film=labels_of(pd.Series(np.repeat([block.film for block in blocks], counts))),
        rating=columns[1].to_numpy(np.float32),
        timestamp=labels_of(columns[2]),
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


class _Block(NamedTuple):
    """The ratings of one film, or a part of them.

    Attributes:
        line: number of the first rating's line.
    """

    source: Source
    film: int
    line: int
    text: bytes
    n_ratings: int


def _blocks(source: Source, chunk: bytes, film: int, line: int) -> Iterator[_Block]:
    """The parts of a chunk between the films' numbers, including empty ones.

    Args:
        film: the film whose ratings the chunk begins with.
        line: number of the chunk's first line.
    """
    position = 0
    for heading in [*_HEADING.finditer(chunk), None]:
        end = heading.start() if heading else len(chunk)
        lines = chunk[position:end]
        text = lines.rstrip(b"\r\n") + b"\n" if lines.strip() else b""
        n_ratings = text.count(b"\n")
        if film == _NO_FILM and text.strip():
            raise _line_error(source, line, text.split(b"\n")[0])
        yield _Block(source, film, line, text, n_ratings)
        if heading:
            film, position = int(heading[1]), heading.end()
            line += lines.count(b"\n") + 1


def _parse(blocks: Sequence[_Block]) -> pd.DataFrame:
    """Users, ratings and dates of the blocks' ratings.

    Raises:
        DataError: names the first line that is not a rating.
    """
    types = {0: np.int64, 1: np.float32, 2: "category"}
    n_ratings = sum(block.n_ratings for block in blocks)
    if not n_ratings:
        return pd.DataFrame({0: [], 1: [], 2: []})
    body = b"".join(block.text for block in blocks)
    try:
        frame = pd.read_csv(BytesIO(body), header=None, names=[0, 1, 2], dtype=types)  # type: ignore[arg-type]
    except (ValueError, OverflowError):
        frame = None
    if frame is None or len(frame) != n_ratings or frame.isna().to_numpy().any():
        raise next(filter(None, map(_error, blocks)))
    return frame


def _error(block: _Block) -> DataError | None:
    """The error for the first line of a block that is not a rating; None if all are."""
    for number, line in enumerate(block.text.splitlines(), start=block.line):
        if not _RATING.fullmatch(line.strip()):
            return _line_error(block.source, number, line)
    return None


def _line_error(source: Source, line: int, text: bytes) -> DataError:
    shown = text.decode("latin-1").strip()[:60]
    return DataError(
        f"{source} line {line}: {shown!r} is neither a film such as 1: nor a rating such as "
        "1488844,3,2005-09-06; fix or delete the line"
    )


def _uncompressed(name: str) -> str:
    return Source(Path(name)).name
