"""Reads movies.csv: titles, years and genres."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..errors import DataError
from .ratings import Films, Int
from .tables import ID_REMEDY, Table

_YEAR = re.compile(r"\(([0-9]{4})\)$")
_NO_GENRES = "(no genres listed)"


def read_films(path: Path, film_ids: Int) -> Films:
    """Features of the films in `film_ids` (ascending); none are known where `path` is missing."""
    n_films = len(film_ids)
    titles = [""] * n_films
    year = np.zeros(n_films, np.int16)
    genres_of: list[set[str]] = [set() for _ in range(n_films)]
    if not path.exists():
        return Films(
            ids=film_ids,
            titles=None,
            year=year,
            genres=np.zeros((n_films, 0), bool),
            genre_names=(),
        )
    index = {film_id: at for at, film_id in enumerate(film_ids.tolist())}
    first_line: dict[int, int] = {}
    table = Table(path, ("movieId", "title", "genres"))
    for row in table.rows():
        film_id = table.whole_number(row, "movieId", ID_REMEDY)
        earlier = first_line.setdefault(film_id, row.line)
        if earlier != row.line:
            raise DataError(
                f"{table.at(row.line)}: movieId {film_id} is taken by line {earlier}; "
                "keep one of the two"
            )
        if (at := index.get(film_id)) is None:
            continue
        titles[at] = table.field(row, "title")
        if found := _YEAR.search(titles[at]):
            year[at] = int(found[1])
        listed = {genre.strip() for genre in table.field(row, "genres").split("|")}
        genres_of[at] = listed - {"", _NO_GENRES}
    genre_names = tuple(sorted(set().union(*genres_of)))
    return Films(
        ids=film_ids,
        titles=np.array(titles, dtype=np.str_),
        year=year,
        genres=_genre_table(genres_of, genre_names),
        genre_names=genre_names,
    )


def _genre_table(genres_of: list[set[str]], genre_names: tuple[str, ...]) -> NDArray[np.bool_]:
    table = np.zeros((len(genres_of), len(genre_names)), bool)
    for at, genres in enumerate(genres_of):
        table[at, [genre_names.index(genre) for genre in genres]] = True
    return table
