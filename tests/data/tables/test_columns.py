"""The text of `--columns`."""

from __future__ import annotations

import pytest
from recsys_search.data.tables.columns import EXAMPLE, parse_columns
from recsys_search.errors import OptionError


def test_columns_are_read_with_blanks_around_them():
    assert parse_columns("user = a b, item=c") == {"user": "a b", "item": "c"}
    assert parse_columns("user=1,item=2,rating=3") == {"user": "1", "item": "2", "rating": "3"}


NUMBERS = (
    "columns: numbers count the columns of a file without a header, from 1, and user, item and "
    "rating must have one, as in user=1,item=2,rating=3"
)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", f"columns must look like {EXAMPLE}, got ''"),
        ("user", f"columns must look like {EXAMPLE}, got 'user'"),
        ("user=a,item=", f"columns must look like {EXAMPLE}, got 'user=a,item='"),
        ("user=a,user=b", "columns names user twice; keep one of the two"),
        ("users=a", "columns: no column key named 'users'; did you mean user?"),
        (
            "user=a,item=a",
            f"columns: two keys name the same column; name each column once, as in {EXAMPLE}",
        ),
        ("user=1,item=2", NUMBERS),
        ("user=0,item=1,rating=2", NUMBERS),
        ("user=1,item=2,rating=stars", NUMBERS),
    ],
)
def test_other_text_is_an_error(text, message):
    with pytest.raises(OptionError) as caught:
        parse_columns(text)
    assert str(caught.value) == message
