"""Reads the films' files: titles, years and genres."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from ...errors import DataError
from ..ratings import Films, Int
from .tables import ID_REMEDY, Table

_YEAR = re.compile(r"\(([0-9]{4})\)$")
_RELEASED = re.compile(r"-([0-9]{4})$")
_NO_GENRE = {"", "(no genres listed)", "unknown"}
# Titles and genres become arrays as wide as the longest, and as there are genres. What is beyond
# these bounds is a quote or a separator gone astray, and could take all memory.
_LONGEST_TITLE = 1_000
_MOST_GENRES = 1_000

# MovieLens 100K's flags, in their order; its u.genre lists them too.
# fmt: off
_GENRES_100K = [
    "unknown", "Action", "Adventure", "Animation", "Children's", "Comedy", "Crime", "Documentary",
    "Drama", "Fantasy", "Film-Noir", "Horror", "Musical", "Mystery", "Romance", "Sci-Fi",
    "Thriller", "War", "Western",
]
# fmt: on


class _Film(NamedTuple):
    line: int
    film_id: int
    title: str
    year: int  # 0 where unknown
    genres: set[str]


def read_films(path: Path, film_ids: Int) -> Films:
    """Features of the films in `film_ids` (ascending); none are known where `path` is missing.

    Args:
        path: movies.csv, movies.dat, or u.item beside its u.genre, if there is one.

    Raises:
        DataError: names file, line, value and remedy.
    """
    n_films = len(film_ids)
    if not path.exists():
        return Films(
            ids=film_ids,
            titles=None,
            year=np.zeros(n_films, np.int16),
            genres=np.zeros((n_films, 0), bool),
            genre_names=(),
        )
    titles = [""] * n_films
    year = np.zeros(n_films, np.int16)
    genres_of: list[set[str]] = [set() for _ in range(n_films)]
    index = {film_id: at for at, film_id in enumerate(film_ids.tolist())}
    first_line: dict[int, int] = {}
    genre_names: set[str] = set()
    for film in _READERS[path.name](path):
        where = f"{path} line {film.line}"
        earlier = first_line.setdefault(film.film_id, film.line)
        if earlier != film.line:
            raise DataError(
                f"{where}: movieId {film.film_id} is taken by line {earlier}; keep one of the two"
            )
        if (at := index.get(film.film_id)) is None:
            continue
        if len(film.title) > _LONGEST_TITLE:
            raise DataError(
                f"{where}: the title has {len(film.title)} characters, which are over "
                f"{_LONGEST_TITLE}; shorten it, or close its quotes"
            )
        titles[at], year[at] = film.title, film.year
        genres_of[at] = film.genres - _NO_GENRE
        genre_names |= genres_of[at]
        if len(genre_names) > _MOST_GENRES:
            raise DataError(
                f"{where} brings the genres to over {_MOST_GENRES}; keep genres in that column, "
                "separated by |"
            )
    names = tuple(sorted(genre_names))
    return Films(
        ids=film_ids,
        titles=np.array(titles, dtype=np.str_),
        year=year,
        genres=_genre_table(genres_of, names),
        genre_names=names,
    )


def _read_listed(path: Path, separator: str) -> Iterator[_Film]:
    """Films whose genres are listed by name, with | between them."""
    table = Table(path, ("movieId", "title", "genres"), separator=separator)
    for row in table.rows():
        title = table.field(row, "title")
        yield _Film(
            line=row.line,
            film_id=table.whole_number(row, "movieId", ID_REMEDY),
            title=title,
            year=_year(title),
            genres={genre.strip() for genre in table.field(row, "genres").split("|")},
        )


def _read_flagged(path: Path) -> Iterator[_Film]:
    """Films of MovieLens 100K's u.item, whose genres are flags."""
    genres = _flag_names(path.with_name("u.genre"))
    flags = {genre: f"flag {genre}" for genre in genres}
    leading = ("movieId", "title", "released", "released on video", "address")
    table = Table(path, (*leading, *flags.values()), separator="|")
    for row in table.rows():
        for flag in flags.values():
            if table.field(row, flag) not in ("0", "1"):
                raise table.complaint(row, flag, "is not 0 or 1", "write 1 where the genre fits")
        title = table.field(row, "title")
        yield _Film(
            line=row.line,
            film_id=table.whole_number(row, "movieId", ID_REMEDY),
            title=title,
            year=_year(title) or _year(table.field(row, "released"), _RELEASED),
            genres={genre for genre, flag in flags.items() if table.field(row, flag) == "1"},
        )


def _flag_names(path: Path) -> list[str]:
    """The genres of u.item's flags in their order, from u.genre where it is there."""
    if not path.exists():
        return _GENRES_100K
    table = Table(path, ("genre", "number"), separator="|")
    names: list[str] = []
    for row in table.rows():
        name = table.field(row, "genre")
        if name in names:
            first = names.index(name)
            remedy = f"number {first} is called the same; rename one of the two"
            raise table.complaint(row, "genre", "comes again", remedy)
        if table.whole_number(row, "number", f"write {len(names)}") != len(names):
            remedy = f"number the genres 0, 1, 2 and so on; here {len(names)}"
            raise table.complaint(row, "number", "is out of turn", remedy)
        names.append(name)
    return names


_READERS: dict[str, Callable[[Path], Iterator[_Film]]] = {
    "movies.csv": lambda path: _read_listed(path, ","),
    "movies.dat": lambda path: _read_listed(path, "::"),
    "u.item": _read_flagged,
}


def _year(text: str, pattern: re.Pattern[str] = _YEAR) -> int:
    """The year at the end of a title or date, 0 without one."""
    found = pattern.search(text)
    return int(found[1]) if found else 0


def _genre_table(genres_of: list[set[str]], genre_names: tuple[str, ...]) -> NDArray[np.bool_]:
    place = {name: at for at, name in enumerate(genre_names)}
    table = np.zeros((len(genres_of), len(genre_names)), bool)
    for at, genres in enumerate(genres_of):
        table[at, [place[genre] for genre in genres]] = True
    return table
