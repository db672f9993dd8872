"""Pieces of Markdown."""

from __future__ import annotations

import pytest
from recsys_search.base.markdown import sentence, two_columns


def test_a_cell_is_one_line_and_ends_no_column():
    table = "| | |\n|---|---|\n| reason | a \\| b |\n| epochs | 3 |"
    assert two_columns({"reason": "a |\n  b", "epochs": 3}) == table


@pytest.mark.parametrize(
    ("text", "shown"),
    [("ran 3 epochs", "Ran 3 epochs."), ("really?", "Really?"), ("", ""), (None, "")],
)
def test_a_sentence_has_a_capital_letter_and_one_stop(text, shown):
    assert sentence(text) == shown
