"""Tables that fit their width."""

from __future__ import annotations

from recsys_search.commands.terminal import columns
from recsys_search.commands.terminal.columns import Column, lines_of
from rich.text import Text

COLUMNS = [
    Column("n", ["1", "22"], right=True),
    Column("kind", ["first", "other"], rank=1),
    Column("value", ["0.5", "10.25"], right=True, rank=2),
    Column("why", ["a reason", ""]),
]


def plain(width):
    return [line.plain for line in lines_of(COLUMNS, width)]


def test_all_columns_are_shown_where_they_fit():
    assert plain(26) == [" n  kind   value  why", " 1  first    0.5  a reason", "22  other  10.25"]


def test_the_least_important_column_goes_first():
    assert plain(25) == [" n  value  why", " 1    0.5  a reason", "22  10.25"]
    assert plain(18) == [" n  why", " 1  a reason", "22"]


def test_what_is_always_there_is_cut_off_in_the_end():
    assert plain(8) == [" n  why", " 1  a r…", "22"]


def test_a_wide_character_counts_as_two():
    lines = lines_of([Column("", ["日本", "ab"]), Column("", ["x", "y"])], 10)
    assert [line.plain for line in lines[1:]] == ["日本  x", "ab    y"]


def test_styles_stay_with_their_cells():
    _, line = lines_of([Column("", ["a"]), Column("", [Text("b", "red")])], 10)
    assert [(line.plain[span.start : span.end], span.style) for span in line.spans] == [
        ("b", "red")
    ]


def test_each_cell_is_measured_as_often_in_a_long_table_as_in_a_short_one(monkeypatch):
    measured = []
    monkeypatch.setattr(columns, "_length", lambda cell: measured.append(cell) or len(cell))

    def times_a_cell(n):
        measured.clear()
        lines_of([Column("n", ["1"] * n), Column("value", ["0.5"] * n)], 80)
        return len(measured) / n

    assert times_a_cell(1000) <= times_a_cell(10)
