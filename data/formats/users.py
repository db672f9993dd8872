"""Reads user files: age, gender, occupation and other groups."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import NamedTuple

import numpy as np

from ...errors import DataError
from ..ratings import Ids, Users
from ..tables.columns import (
    AGE,
    GENDER,
    GROUPS,
    OCCUPATION,
    USER,
    ReadOptions,
    positions_in,
    quoted_name,
)
from ..tables.ids import whole_number
from ..tables.sources import Source
from ..tables.table import Table, companion_table
from .films import flag_table
from .parquet import read_columns

FEATURES = (AGE, GENDER, OCCUPATION, GROUPS)

_UNKNOWN = {"", "na", "nan", "null", "unknown"}  # in any case
_MAX_AGE = 120
_AGE_REMEDY = f"write whole years from 1 to {_MAX_AGE}, or leave it empty if unknown"
# The names and the number of groups come from the file. Values above these bounds come from a stray
# quote, or from a column that tells users apart instead of grouping them.
_MAX_NAME_LENGTH = 100
_MAX_GROUPS = 1_000


class _User(NamedTuple):
    """One row of a file.

    Attributes:
        place: such as `users.csv line 7`.
        fields: MovieLens' name of a column -> the text in it.
        labels: MovieLens' name of a column -> its name in the file.
    """

    place: str
    fields: Mapping[str, str]
    labels: Mapping[str, str]

    def error(self, name: str, problem: str, remedy: str) -> DataError:
        return DataError(f"{self.place}: {self.labels[name]} {problem}; {remedy}")


def read_users(
    source: Source | None, user_ids: Ids, options: ReadOptions
) -> tuple[Users | None, str | None]:
    """Features of the users in `user_ids` (ascending); None if no feature of any is known.

    Args:
        source: users.csv, users.parquet, users.dat or u.user; None if there is none.
        options: its `columns` may name the column of ids.

    Returns:
        The users, and a sentence if the file describes fewer than half of them or has no features.

    Raises:
        DataError: names the file, the line, the value and the remedy.
    """
    if source is None:
        return None, None
    n_users = len(user_ids)
    age = np.zeros(n_users, np.int16)
    groups_of: list[set[str]] = [set() for _ in range(n_users)]
    names: set[str] = set()
    n_found = 0
    for i, user in _rating_users(source, user_ids, options):
        n_found += 1
        age[i] = _age(user)
        groups_of[i] = _groups(user)
        names |= groups_of[i]
        if len(names) > _MAX_GROUPS:
            raise DataError(
                f"{user.place}: the file has over {_MAX_GROUPS} genders, occupations and groups by "
                "this line; keep columns that many users share"
            )
    has_features = bool(names) or age.any()
    note = None
    if n_found < n_users / 2:
        note = f"{source} describes {n_found} of the {n_users} users; check that its ids match"
    elif not has_features:
        wanted = ", ".join(role.name for role in FEATURES)
        note = f"{source} says nothing about the users; write any of the columns {wanted}"
    if not has_features:
        return None, note
    group_names = tuple(sorted(names))
    return Users(age=age, groups=flag_table(groups_of, group_names), group_names=group_names), note


def _rating_users(
    source: Source, user_ids: Ids, options: ReadOptions
) -> Iterator[tuple[int, _User]]:
    """The file's users that are in `user_ids`, each with its index there.

    Raises:
        DataError: an id is invalid or repeated.
    """
    index = {user_id: i for i, user_id in enumerate(user_ids.tolist())}
    are_numbers = user_ids.dtype.kind == "i"
    first_place: dict[int | str, str] = {}
    for user in _READERS[source.name](source, options):
        text, label = user.fields[USER.name], user.labels[USER.name]
        user_id = whole_number(text, user.place, label) if are_numbers else text
        earlier = first_place.setdefault(user_id, user.place)
        if earlier != user.place:
            where = earlier.removeprefix(f"{source} ")
            problem = f"{user_id} is already used on {where}"
            raise user.error(USER.name, problem, "keep one of the two")
        if (i := index.get(user_id)) is not None:
            yield i, user


def _age(user: _User) -> int:
    """Years, or 0 if unknown."""
    text = user.fields.get(AGE.name, "")
    if text.lower() in _UNKNOWN:
        return 0
    age = whole_number(text, user.place, user.labels[AGE.name], _AGE_REMEDY)
    if not 0 <= age <= _MAX_AGE:
        raise user.error(AGE.name, f"{quoted_name(text)} is not in 0 to {_MAX_AGE}", _AGE_REMEDY)
    return age


def _groups(user: _User) -> set[str]:
    """Such as `gender F`, `occupation writer`, and the names in `groups` as they are."""
    names = {
        f"{role.name} {text}"
        for role in (GENDER, OCCUPATION)
        if (text := user.fields.get(role.name, "")).lower() not in _UNKNOWN
    }
    listed = {name.strip() for name in user.fields.get(GROUPS.name, "").split("|")}
    names |= {name for name in listed if name.lower() not in _UNKNOWN}
    for name in names:
        if len(name) > _MAX_NAME_LENGTH:
            raise DataError(
                f"{user.place}: {quoted_name(name)} has {len(name)} characters, the maximum is "
                f"{_MAX_NAME_LENGTH}; shorten it, or close its quotes"
            )
    return names


def _read_csv(source: Source, options: ReadOptions) -> Iterator[_User]:
    return _rows(companion_table(source, (USER,), FEATURES, options))


def _read_dat(source: Source, options: ReadOptions) -> Iterator[_User]:
    """Users of MovieLens 1M, whose age is the youngest of a range, and whose occupation a number.

    The ranges are 1 (under 18), 18, 25, 35, 45, 50 and 56.
    """
    roles = (USER, GENDER, AGE, OCCUPATION)
    return _rows(Table.without_header(source, "::", [*(role.name for role in roles), "zip"]))


def _read_u_user(source: Source, options: ReadOptions) -> Iterator[_User]:
    """Users of MovieLens 100K."""
    roles = (USER, AGE, GENDER, OCCUPATION)
    return _rows(Table.without_header(source, "|", [*(role.name for role in roles), "zip"]))


def _rows(table: Table) -> Iterator[_User]:
    names = [role.name for role in (USER, *FEATURES) if role.name in table.columns]
    labels = {name: table.label(name) for name in names}
    for row in table.rows():
        fields = {name: table.field(row, name) for name in names}
        yield _User(table.location(row.line), fields, labels)


def _read_parquet(source: Source, options: ReadOptions) -> Iterator[_User]:
    chosen = {} if positions_in(options.columns) else options.columns
    user = USER.also_named(chosen.get(USER.key))
    wanted = ", ".join(role.name for role in (USER, *FEATURES))
    columns = read_columns(source, (user,), FEATURES, {}, f"name its columns {wanted}")
    texts = {
        name: [str(value).strip() for value in column.astype(object).where(column.notna(), "")]
        for name, column in columns.series.items()
    }
    for row, values in enumerate(zip(*texts.values(), strict=True)):
        yield _User(columns.place(row), dict(zip(texts, values, strict=True)), columns.labels)


_READERS: dict[str, Callable[[Source, ReadOptions], Iterator[_User]]] = {
    "users.csv": _read_csv,
    "users.parquet": _read_parquet,
    "users.dat": _read_dat,
    "u.user": _read_u_user,
}
