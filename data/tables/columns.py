"""Which column holds what: the names that people give to users, films, ratings and times."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from typing import Annotated, Literal, NamedTuple, Self

from pydantic import AfterValidator

from ...base.messages import printable, quoted, suggest
from ...errors import OptionError


class Role(NamedTuple):
    """What a column holds.

    Attributes:
        key: its name in `--columns` and in a study file's `columns`.
        name: MovieLens' name of the column.
        others: other well-known names, in lower case and without punctuation.
    """

    key: str
    name: str
    others: tuple[str, ...] = ()

    def matches(self, column: str) -> bool:
        return _normalise(column) in (self.name.lower(), *self.others)

    def also_named(self, column: str | None) -> Self:
        """The role with one more name."""
        return self if column is None else self._replace(others=(*self.others, _normalise(column)))


USER = Role("user", "userId", ("user", "uid", "reviewerid", "customerid", "memberid", "profileid"))
ITEM = Role(
    "item",
    "movieId",
    (
        *("movie", "item", "itemid", "iid", "film", "filmid", "product", "productid", "asin"),
        *("parentasin", "isbn", "book", "bookid", "animeid", "songid", "trackid", "artistid"),
        *("gameid", "businessid"),
    ),
)
RATING = Role(
    "rating", "rating", ("ratings", "stars", "star", "overall", "score", "bookrating", "starrating")
)
TIMESTAMP = Role(
    "timestamp",
    "timestamp",
    (
        *("time", "ts", "unixtime", "unixtimestamp", "unixreviewtime", "date", "datetime"),
        *("createdat", "ratedat", "reviewdate"),
    ),
)
TITLE = Role("title", "title", ("name", "movietitle", "itemname", "booktitle"))
GENRES = Role("genres", "genres", ("genre",))
AGE = Role("age", "age")
GENDER = Role("gender", "gender", ("sex",))
OCCUPATION = Role("occupation", "occupation", ("job", "profession"))
GROUPS = Role("groups", "groups", ("group",))

ROLES = {role.key: role for role in (USER, ITEM, RATING, TIMESTAMP)}
LEFT_OUT = "-"  # in place of an optional column's name
EXAMPLE = "user=user_id,item=item_id,rating=stars,timestamp=time"
REMEDY = "say which columns to read with --columns"
NAMES_EXAMPLE = "user=NAME,item=NAME,rating=NAME"

Duplicates = Literal["error", "newest", "mean"]
"""What to do with several ratings of one film by one user."""


class ReadOptions(NamedTuple):
    """How to read a dataset's files.

    Attributes:
        columns: key of a role -> the column's name, or its number from 1 in a file without a
            header; empty to find the columns by their well-known names.
        duplicates: of one pair keep the newest rating, or their mean; `error` refuses the file.
    """

    columns: Mapping[str, str] = {}
    duplicates: Duplicates = "error"

    def overridden(
        self, columns: Mapping[str, str] | None = None, duplicates: Duplicates | None = None
    ) -> Self:
        """The options with other values; None keeps one."""
        return self._replace(
            columns=self.columns if columns is None else columns,
            duplicates=duplicates or self.duplicates,
        )


def parse_columns(text: str) -> dict[str, str]:
    """The columns of `user=a,item=b,rating=c,timestamp=d`.

    Raises:
        OptionError: the text does not look like that.
    """
    columns: dict[str, str] = {}
    for entry in text.split(","):
        key, equals, name = (part.strip() for part in entry.partition("="))
        if not equals or not name:
            raise OptionError(f"columns must look like {EXAMPLE}, got {quoted(text)}")
        if key in columns:
            raise OptionError(f"columns names {printable(key)} twice; keep one of the two")
        columns[key] = name
    try:
        return check_columns(columns)
    except ValueError as error:
        raise OptionError(f"columns: {error}") from None


def check_columns(columns: dict[str, str]) -> dict[str, str]:
    """The columns, if every key is a role and no two roles share a column.

    Raises:
        ValueError: with the reason.
    """
    for key in columns:
        if key not in ROLES:
            raise ValueError(f"no column key named {quoted(key)}{suggest(key, ROLES)}")
    names = list(columns.values())
    if len(set(names)) < len(names):
        raise ValueError(f"two keys name the same column; name each column once, as in {EXAMPLE}")
    if any(map(_is_number, names)):
        required = {role.key for role in (USER, ITEM, RATING)}
        if not all(map(_is_number, names)) or not required <= columns.keys() or "0" in names:
            raise ValueError(
                "numbers count the columns of a file without a header, from 1, and user, item and "
                "rating must have one, as in user=1,item=2,rating=3"
            )
    return columns


def positions_in(columns: Mapping[str, str]) -> dict[str, int]:
    """MovieLens' name -> position from 0, if the columns are numbers; else empty."""
    if not columns or not all(map(_is_number, columns.values())):
        return {}
    return {ROLES[key].name: int(number) - 1 for key, number in columns.items()}


ColumnNames = Annotated[dict[str, str], AfterValidator(check_columns)]
"""The columns of a study file or a config, for pydantic."""


class ColumnError(ValueError):
    """A column that is missing or ambiguous.

    Attributes:
        n_found: number of columns that were found.
        remedy: what to do; None if that depends on the kind of file.
    """

    def __init__(self, message: str, n_found: int, remedy: str | None = None) -> None:
        super().__init__(message)
        self.n_found = n_found
        self.remedy = remedy


def find_columns(
    names: Sequence[str],
    required: Sequence[Role],
    optional: Sequence[Role] = (),
    chosen: Mapping[str, str] | None = None,
) -> dict[str, int]:
    """The position of each role's column, by MovieLens' name of the role.

    A column that is named by `chosen` or that has MovieLens' own name takes precedence over the
    other well-known names.

    Raises:
        ColumnError: a required column is missing, or several could be meant.
    """
    columns: dict[str, int] = {}
    missing: list[tuple[str | None, str]] = []
    for role in (*required, *optional):
        wanted = (chosen or {}).get(role.key)
        if wanted == LEFT_OUT and role in optional:
            continue
        exact = [i for i, name in enumerate(names) if name == (wanted or role.name)]
        places = exact or (
            [] if wanted else [i for i, name in enumerate(names) if role.matches(name)]
        )
        if len(places) == 1:
            columns[role.name] = places[0]
        elif exact:
            raise ColumnError(f"has {len(exact)} columns named {names[exact[0]]!r}", 0, "keep one")
        elif places:
            which = " and ".join(repr(names[i]) for i in places)
            choice = f"choose one with --columns {role.key}={names[places[0]]}"
            raise ColumnError(
                f"has several columns that could be the {role.key}: {which}",
                len(columns),
                choice if role.key in ROLES else f"rename the one to be read to {role.name}",
            )
        elif wanted or role in required:
            missing.append((wanted, role.name))
    if missing:
        found = ", ".join(quoted_name(name) for name in names)
        [(wanted, name), *_] = missing
        close = get_close_matches(wanted, names, n=1, cutoff=0.7) if wanted else []
        raise ColumnError(
            f"has no column {wanted or name!r}, found {found}",
            len(columns),
            f"did you mean {close[0]}?" if close else None,
        )
    return columns


def quoted_name(text: str) -> str:
    return repr(text if len(text) <= 40 else f"{text[:37]}...")


def _normalise(column: str) -> str:
    """`User-ID` and RecBole's `user_id:token` become `userid`."""
    bare = re.sub(r":(token|float)(_seq)?$", "", column.strip())
    return re.sub(r"[^a-z0-9]", "", bare.lower())


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()
