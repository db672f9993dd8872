"""What the console of stdout adds to a line, and what it leaves out."""

from __future__ import annotations

import pytest
from recsys_search.commands.terminal.consoles import out
from recsys_search.commands.terminal.trials.table import print_trials
from recsys_search.commands.terminal.values import key_values, rows_table
from rich.text import Text


def test_no_line_of_a_table_ends_with_blanks(capsys):
    out.print(rows_table([{"name": "a", "why": "short"}, {"name": "b", "why": "much longer"}]))
    out.print(key_values({"a": "", "b": "long"}))
    assert capsys.readouterr().out.splitlines() == [
        "name  why",
        "a     short",
        "b     much longer",
        "a",
        "b  long",
    ]


def test_no_line_of_a_paragraph_ends_with_blanks(capsys):
    out.print(Text("one two three"), width=8)
    assert capsys.readouterr().out == "one two\nthree\n"


def test_empty_lines_and_long_lines_stay(capsys):
    out.print("\nfirst")
    out.print()
    out.print(Text("x" * 5000), soft_wrap=True)
    assert capsys.readouterr().out == f"\nfirst\n\n{'x' * 5000}\n"


@pytest.mark.parametrize(
    ("state", "sentence"),
    [(None, "demo has no trials yet"), ("failed", "demo has no failed trials")],
)
def test_no_trials_are_a_sentence_instead_of_a_header(capsys, state, sentence):
    print_trials([], None, "demo", state)
    assert capsys.readouterr().out == f"{sentence}\n"
