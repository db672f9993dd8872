"""Reads a dataset's ratings, films and users from a folder, a zip or a single file.

docs/formats.md lists what is read, with an example of each.
"""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from ...base.files import is_file, is_folder
from ...errors import DataError
from ..ratings import Ratings, Scale
from ..tables.columns import ITEM, RATING, TIMESTAMP, USER, ReadOptions, positions_in
from ..tables.ids import Column, resolve_ids
from ..tables.sources import Place, Source, is_zip, with_compressions
from ..tables.table import Table
from ..tables.times import resolve_times
from . import netflix
from .duplicates import without_duplicates
from .films import read_films
from .oddities import odd_ratings, odd_times
from .parquet import SUFFIXES as PARQUET
from .parquet import read_parquet
from .text_ratings import RawRatings, read_text
from .users import read_users


class Format(NamedTuple):
    """How a ratings file of MovieLens is written, and which files describe its films and users.

    Attributes:
        separator: None for a file with a header, which shows its separator.
        users: the first of these that exists is read.
    """

    separator: str | None
    films: str
    users: tuple[str, ...]
    example: str  # of a line


_USERS = ("users.csv", "users.parquet")
FORMATS = {
    "ratings.csv": Format(None, "movies.csv", _USERS, "1,296,4.5"),
    "ratings.parquet": Format(None, "movies.csv", _USERS, "userId 1, movieId 296, rating 4.5"),
    "ratings.dat": Format("::", "movies.dat", ("users.dat",), "1::296::4.5::964982703"),
    "u.data": Format("\t", "u.item", ("u.user",), "1<tab>296<tab>4<tab>964982703"),
}
_OTHER = Format(None, "movies.csv", _USERS, "1,296,4.5")

NAMES = "ratings.csv, ratings.parquet, ratings.dat or u.data"


class Found(NamedTuple):
    """The files of a dataset.

    Attributes:
        ratings: one file, or those of the Netflix Prize in order.
        films, users: the films' and the users' file; None if there is none.
        folder: the dataset's folder with all its files; None for a zip or a single file.
    """

    ratings: tuple[Source, ...]
    films: Source | None
    users: Source | None
    folder: Path | None

    @property
    def format(self) -> Format:
        return FORMATS.get(self.ratings[0].name, _OTHER)


def read_ratings(path: Path, options: ReadOptions | None = None) -> Ratings:
    """The ratings at a path, named after its folder, zip or file.

    Only rated films are kept; one that is missing from the films' file has the title "" and no
    genre. Likewise only users with ratings are kept; one that is missing from the users' file has
    no age and no group.

    Args:
        path: a folder or zip with one of the files in `NAMES`, as it is or compressed, or with the
            Netflix Prize's; or a ratings file by any name. The files of films and users belong to a
            folder or zip, or to a ratings file with one of these names.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    options = options or ReadOptions()
    found = find_ratings(path)
    raw = _read(found, options)
    if not len(raw.rating):
        source = found.ratings[0]
        below = " below its header" if found.format.separator is None else ""
        raise DataError(
            f"{source} has no ratings{below}; add a line such as {found.format.example}"
        )
    user = resolve_ids(raw.user, Column(raw.labels[USER.name], raw.place))
    film = resolve_ids(raw.film, Column(raw.labels[ITEM.name], raw.place))
    timestamp = None
    if raw.timestamp is not None:
        timestamp = resolve_times(raw.timestamp, Column(raw.labels[TIMESTAMP.name], raw.place))
    films, films_note = read_films(found.films, film.ids, options)
    users, users_note = read_users(found.users, user.ids, options)
    notes = [note for note in (user.note, film.note, films_note, users_note) if note]
    ratings = Ratings(
        name=_dataset_name(path, found),
        user_ids=user.ids,
        films=films,
        users=users,
        user=user.codes,
        film=film.codes,
        rating=raw.rating,
        timestamp=timestamp,
        scale=Scale(float(raw.rating.min()), float(raw.rating.max())),
        folder=found.folder,
        notes=(*notes, *odd_ratings(raw.rating, raw.place), *odd_times(timestamp)),
    )
    return without_duplicates(ratings, options.duplicates, raw.place)


def find_ratings(path: Path) -> Found:
    """The files of the dataset at a path; none is read beyond its first line.

    Raises:
        DataError: there is no such path, or no ratings in it.
    """
    if is_folder(path) or is_zip(path):
        return _find_in(Place(path))
    if not is_file(path):
        raise DataError(f"no folder or file {str(path)!r}; name one with ratings, such as {NAMES}")
    source = Source(path)
    if source.name not in FORMATS:
        return Found((source,), None, None, None)
    place = Place(path.parent)
    named = FORMATS[source.name]
    return Found((source,), place.find(named.films), place.find(*named.users), place.path)


def source_files(path: Path) -> list[Path]:
    """The files on disk that `read_ratings` may read, whether they exist or not."""
    formats = FORMATS.values()
    companions = sorted({name for each in formats for name in (each.films, *each.users)})
    if not is_folder(path):
        names = with_compressions([*companions, "u.genre"])
        return [path, *(path.parent / name for name in names)]
    names = with_compressions([*FORMATS, *companions, "u.genre", netflix.TITLES])
    prize = netflix.find_netflix(Place(path))
    return [*(path / name for name in names), *(source.path for source in prize)]


def check_ratings(path: Path, options: ReadOptions | None = None) -> str:
    """The ratings file at a path, whose first line is valid.

    Raises:
        DataError: there is none, or its first line is invalid.
    """
    found = find_ratings(path)
    source = found.ratings[0]
    if not (source.name.endswith(PARQUET) or netflix.is_netflix(source)):
        _table(source, options or ReadOptions())
    return str(source)


def _find_in(place: Place) -> Found:
    folder = place.path if is_folder(place.path) else None
    source = place.find(*FORMATS)
    if source is not None:
        named = FORMATS.get(source.name, _OTHER)
        return Found((source,), place.find(named.films), place.find(*named.users), folder)
    if prize := netflix.find_netflix(place):
        return Found(tuple(prize), place.find(netflix.TITLES), None, folder)
    if folder is None and len(members := place.members()) == 1:
        return Found((Source(place.path, members[0]),), None, None, None)
    raise DataError(
        f"{place.path} has no {NAMES}; add a ratings.csv with the columns "
        "userId,movieId,rating,timestamp, and optionally a movies.csv with movieId,title,genres, "
        "or name the file of ratings itself"
    )


def _read(found: Found, options: ReadOptions) -> RawRatings:
    source = found.ratings[0]
    if source.name.endswith(PARQUET):
        return read_parquet(source, options.columns)
    if len(found.ratings) > 1 or netflix.is_netflix(source):
        return netflix.read_netflix(found.ratings)
    return read_text(_table(source, options))


def _table(source: Source, options: ReadOptions) -> Table:
    """The source's table, by its name or else by its first line."""
    if positions_in(options.columns):
        return Table.with_positions(source, options.columns)
    named = FORMATS.get(source.name)
    separator = named.separator if named else _headerless_separator(source)
    if separator is None or options.columns:
        return Table.with_header(source, (USER, ITEM, RATING), (TIMESTAMP,), options.columns)
    required = tuple(role.name for role in (USER, ITEM, RATING))
    return Table.without_header(source, separator, required, (TIMESTAMP.name,))


def _headerless_separator(source: Source) -> str | None:
    """`::` or a tab, if the first line has numbers with one between them; else None."""
    with source.open() as file:
        first = file.readline(1 << 16).removeprefix(b"\xef\xbb\xbf").decode("latin-1").strip()
    for separator in ("::", "\t"):
        fields = first.split(separator)
        if len(fields) in (3, 4) and all(map(_is_number, fields[2:])):
            return separator
    return None


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _dataset_name(path: Path, found: Found) -> str:
    if found.folder is not None:
        return found.folder.resolve().name
    return Source(path.absolute()).name.partition(".")[0] or path.name
