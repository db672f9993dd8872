"""Sizes such as 2GB."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError
from recsys_search.errors import OptionError
from recsys_search.search.definition.sizes import Size, parse_size


@pytest.mark.parametrize(
    ("text", "n_bytes"),
    [
        ("0", 0),
        ("1kB", 1000),
        ("500MB", 500 * 10**6),
        ("2GB", 2 * 10**9),
        ("1.5TB", 15 * 10**11),
        (" 2GB ", 2 * 10**9),
    ],
)
def test_a_size_in_bytes(text, n_bytes):
    assert parse_size(text) == n_bytes


@pytest.mark.parametrize(
    "text", ["", "2", "2G", "2 GB", "2gb", "-1GB", "0GB", "GB", "1e3MB", "nan", "٢GB", "2GB3MB"]
)
def test_anything_else_is_refused(text):
    with pytest.raises(OptionError, match=r"is not a size; write 500MB, 2GB, 1\.5TB or 0"):
        parse_size(text)


def test_a_study_file_may_have_the_number_zero():
    assert TypeAdapter(Size).validate_python(0) == "0"


@pytest.mark.parametrize("value", [False, 0.0, 5, "2G", ["2GB"]])
def test_other_values_of_a_study_file_are_refused(value):
    with pytest.raises(ValidationError, match="is not a size"):
        TypeAdapter(Size).validate_python(value)
