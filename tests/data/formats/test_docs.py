"""The examples of docs/formats.md are read as the page says."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import recsys_search
from recsys_search.data.formats.pairs import read_pairs
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.formats.users import FEATURES
from recsys_search.data.tables.columns import (
    ITEM,
    RATING,
    TIMESTAMP,
    USER,
    ReadOptions,
    parse_columns,
)

PAGE = Path(recsys_search.__file__).parent / "docs" / "formats.md"
BLOCK = re.compile(
    r"^```(\w+) (\w+)=(\S+)(?: columns=(\S+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL
)
BLOCKS = [match.groups()[1:] for match in BLOCK.finditer(PAGE.read_text(encoding="utf-8"))]
EXAMPLES = [block[1:] for block in BLOCKS if block[0] == "name"]
OTHER = {"combined_data_1.txt", "reviews.csv"}  # with ratings of their own


def test_the_page_has_an_example_of_each_kind():
    assert len(EXAMPLES) >= 10
    assert {kind for kind, *_ in BLOCKS} == {"name", "films", "users", "pairs"}


@pytest.mark.parametrize(("name", "columns", "text"), EXAMPLES, ids=[name for name, *_ in EXAMPLES])
def test_an_example_is_read(tmp_path, name, columns, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    ratings = read_ratings(tmp_path / name, ReadOptions(parse_columns(columns) if columns else {}))
    assert len(ratings) == 3
    if name not in OTHER:
        assert ratings.user_ids[ratings.user].tolist() == [1, 1, 2]
        assert ratings.films.ids[ratings.film].tolist() == [10, 20, 10]
        assert ratings.rating.tolist() == [3.5, 4, 0.5]
        assert ratings.timestamp.tolist() == [964982703, 964981247, 964982224]


def test_films_users_and_pairs_are_read(tmp_path):
    for _, name, _, text in BLOCKS:
        (tmp_path / name).write_text(text, encoding="utf-8")
    ratings = read_ratings(tmp_path)
    assert ratings.films.titles.tolist() == ["Heat (1995)", "Toy Story (1995)"]
    assert ratings.films.genre_names == ("Action", "Crime")
    assert ratings.users.age.tolist() == [34, 0]
    assert ratings.users.group_names == (
        "DE",
        "gender F",
        "gender M",
        "occupation writer",
        "subscriber",
    )
    assert read_pairs(tmp_path / "pairs.csv").indices(ratings)[0].tolist() == [0, 1]


@pytest.mark.parametrize(
    "role", [USER, ITEM, RATING, TIMESTAMP, *FEATURES], ids=lambda role: role.key
)
def test_the_page_lists_every_well_known_name(role):
    [row] = re.findall(
        rf"^\| {role.key} \| ([^|]*) \|", PAGE.read_text(encoding="utf-8"), re.MULTILINE
    )
    names = row.split(", ")
    assert all(map(role.matches, names))
    assert {re.sub("[^a-z0-9]", "", name.lower()) for name in names} == {
        role.name.lower(),
        *role.others,
    }
