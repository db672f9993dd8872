"""Reads film files: titles, years and genres."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Films, Ids
from ..tables.columns import GENRES, ITEM, TITLE, ReadOptions
from ..tables.ids import whole_number
from ..tables.sources import Place, Source
from ..tables.table import Table, companion_table
from . import netflix

_YEAR = re.compile(r"\(([0-9]{4})\)$")
_RELEASED = re.compile(r"-([0-9]{4})$")
_NO_GENRE = {"", "(no genres listed)", "unknown"}
# The longest title and the number of genres set the width of arrays. Values above these bounds come
# from a stray quote or separator, and could exhaust memory.
_MAX_TITLE_LENGTH = 1_000
_MAX_GENRES = 1_000

# MovieLens 100K's genre flags, in order, as in its u.genre.
# fmt: off
_GENRES_100K = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
]
# fmt: on


class _Film(NamedTuple):
    line: int
    film_id: str
    title: str
    year: int  # 0 if unknown
    genres: set[str]


def read_films(
    source: Source | None, film_ids: Ids, options: ReadOptions
) -> tuple[Films, str | None]:
    """Features of the films in `film_ids` (ascending), all unknown without a file.

    Args:
        source: movies.csv, movies.dat, movie_titles.csv, or u.item, which may have a u.genre in the
            same place.
        options: its `columns` may name the column of ids.

    Returns:
        The films, and a sentence if the file describes fewer than half of them.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    n_films = len(film_ids)
    if source is None:
        unknown = Films(
            ids=film_ids,
            titles=None,
            year=np.zeros(n_films, np.int16),
            genres=np.zeros((n_films, 0), bool),
            genre_names=(),
        )
        return unknown, None
    titles = [""] * n_films
    year = np.zeros(n_films, np.int16)
    genres_of: list[set[str]] = [set() for _ in range(n_films)]
    genre_names: set[str] = set()
    n_found = 0
    for i, film in _rated_films(source, film_ids, options):
        n_found += 1
        titles[i], year[i] = film.title, film.year
        genres_of[i] = film.genres - _NO_GENRE
        genre_names |= genres_of[i]
        if len(genre_names) > _MAX_GENRES:
            raise DataError(
                f"{source} line {film.line}: the file has over {_MAX_GENRES} genres by this line; "
                "keep only genres in that column, separated by |"
            )
    names = tuple(sorted(genre_names))
    films = Films(
        ids=film_ids,
        titles=np.array(titles, dtype=np.str_),
        year=year,
        genres=flag_table(genres_of, names),
        genre_names=names,
    )
    note = f"{source} describes {n_found} of the {n_films} rated films; check that its ids match"
    return films, note if n_found < n_films / 2 else None


def _rated_films(
    source: Source, film_ids: Ids, options: ReadOptions
) -> Iterator[tuple[int, _Film]]:
    """The file's films that are in `film_ids`, each with its index there.

    Raises:
        DataError: an id is invalid or repeated, or a title is too long.
    """
    index = {film_id: i for i, film_id in enumerate(film_ids.tolist())}
    are_numbers = film_ids.dtype.kind == "i"
    first_line: dict[int | str, int] = {}
    for film in _READERS[source.name](source, options):
        location = f"{source} line {film.line}"
        film_id = whole_number(film.film_id, location, ITEM.name) if are_numbers else film.film_id
        earlier = first_line.setdefault(film_id, film.line)
        if earlier != film.line:
            raise DataError(
                f"{location}: movieId {film_id} is already used on line {earlier}; "
                "keep one of the two"
            )
        if (i := index.get(film_id)) is None:
            continue
        if len(film.title) > _MAX_TITLE_LENGTH:
            raise DataError(
                f"{location}: the title has {len(film.title)} characters, the maximum is "
                f"{_MAX_TITLE_LENGTH}; shorten it, or close its quotes"
            )
        yield i, film


def _read_csv(source: Source, options: ReadOptions) -> Iterator[_Film]:
    """Films of a movies.csv, in which title and genres may be missing."""
    return _genre_lists(companion_table(source, (ITEM,), (TITLE, GENRES), options))


def _read_dat(source: Source, options: ReadOptions) -> Iterator[_Film]:
    names = (ITEM.name, TITLE.name, GENRES.name)
    return _genre_lists(Table.without_header(source, "::", names))


def _genre_lists(table: Table) -> Iterator[_Film]:
    """Films whose genres are names separated by |."""
    for row in table.rows():
        title = table.field(row, TITLE.name) if TITLE.name in table.columns else ""
        genres = table.field(row, GENRES.name) if GENRES.name in table.columns else ""
        yield _Film(
            line=row.line,
            film_id=table.field(row, ITEM.name),
            title=title,
            year=_year(title),
            genres={genre.strip() for genre in genres.split("|")},
        )


def _read_netflix(source: Source, options: ReadOptions) -> Iterator[_Film]:
    for line, film_id, year, title in netflix.read_titles(source):
        yield _Film(line=line, film_id=str(film_id), title=title, year=year, genres=set())


def _read_genre_flags(source: Source, options: ReadOptions) -> Iterator[_Film]:
    """Films of MovieLens 100K's u.item, whose genres are 0/1 flags."""
    genres = _flag_names(Place(source.path if source.member else source.path.parent))
    flags = {genre: f"flag {genre}" for genre in genres}
    leading = ("movieId", "title", "released", "released on video", "address")
    table = Table.without_header(source, "|", (*leading, *flags.values()))
    for row in table.rows():
        for flag in flags.values():
            if table.field(row, flag) not in ("0", "1"):
                raise table.value_error(
                    row, flag, "is not 0 or 1", "write 1 if the film has the genre, else 0"
                )
        title = table.field(row, "title")
        yield _Film(
            line=row.line,
            film_id=table.field(row, "movieId"),
            title=title,
            year=_year(title) or _year(table.field(row, "released"), _RELEASED),
            genres={genre for genre, flag in flags.items() if table.field(row, flag) == "1"},
        )


def _flag_names(place: Place) -> list[str]:
    """Genre names of u.item's flags in order, from u.genre if it exists."""
    source = place.find("u.genre")
    if source is None:
        return _GENRES_100K
    table = Table.without_header(source, "|", ("genre", "number"))
    names: list[str] = []
    for row in table.rows():
        name = table.field(row, "genre")
        if name in names:
            first = names.index(name)
            remedy = f"number {first} has the same name; rename one of the two"
            raise table.value_error(row, "genre", "is repeated", remedy)
        location, text = table.location(row.line), table.field(row, "number")
        if whole_number(text, location, "number", f"write {len(names)}") != len(names):
            remedy = f"number the genres 0, 1, 2 and so on; this one is {len(names)}"
            raise table.value_error(row, "number", "is out of order", remedy)
        names.append(name)
    return names


_READERS: dict[str, Callable[[Source, ReadOptions], Iterator[_Film]]] = {
    "movies.csv": _read_csv,
    "movies.dat": _read_dat,
    "u.item": _read_genre_flags,
    netflix.TITLES: _read_netflix,
}


def _year(text: str, pattern: re.Pattern[str] = _YEAR) -> int:
    """The year at the end of a title or date, or 0."""
    match = pattern.search(text)
    return int(match[1]) if match else 0


def flag_table(names_of: list[set[str]], names: tuple[str, ...]) -> NDArray[np.bool_]:
    """(len(names_of), len(names)) whether each set has each name."""
    column = {name: i for i, name in enumerate(names)}
    table = np.zeros((len(names_of), len(names)), bool)
    for i, present in enumerate(names_of):
        table[i, [column[name] for name in present]] = True
    return table
