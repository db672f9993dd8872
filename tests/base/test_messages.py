"""How messages show durations."""

from __future__ import annotations

import pytest
from recsys_search.base.messages import format_seconds


@pytest.mark.parametrize(
    ("seconds", "text"), [(99.4, "99 s"), (100, "2 min"), (5990, "100 min"), (6000, "1.7 h")]
)
def test_a_duration_is_in_the_largest_unit_that_shows_two_digits(seconds, text):
    assert format_seconds(seconds) == text
