"""A trial is one line on a terminal, and one line with its whole reason in a pipe."""

from __future__ import annotations

import pytest
from recsys_search.commands.terminal.trials.table import print_table

SENTENCE = "validation RMSE 0.9233 (epoch 6) is flat by epoch 10 of 12, early for a good config"
PLATEAU = {
    "state": "pruned",
    "stop_reason": "plateau",
    "reason": SENTENCE,
    "brief": "plateau at 0.9233",
}
LONGEST = {
    "number": 1234,
    "state": "interrupted",
    "architecture": "two_tower",
    "epochs": 250,
    "train_s": 12345.6,
    "brief": "above the 12.5th percentile",
}
FORMULA = "val_rmse - 0.5 * val_ndcg"
STATES = ("complete", "pruned", "failed", "interrupted", "running", "waiting", "removed")


@pytest.fixture
def lines(capsys):
    def print_and_read(records, **options):
        print_table(records, **options)
        return capsys.readouterr().out.splitlines()

    return print_and_read


def test_a_line_has_the_curve_the_figures_and_the_reason_in_a_few_words(terminal, record, lines):
    terminal(80)
    falling = dict(enumerate((0.90, 0.87, 0.84, 0.83, 0.82), 1))
    records = [record(0), record(1, **PLATEAU, epochs=10, train_s=322.5)]
    curves = {0: {epoch * 5: value for epoch, value in falling.items()}, 1: {1: 0.95, 10: 0.92}}
    assert lines(records, best=0, curves=curves) == [
        "trial  state     curve       val_rmse  epochs  seconds  why it ended",
        "0*     complete   ▇ ▅ ▂ ▁ ▁    0.8242      25     12.1  all 25 epochs",
        "1      pruned    █  █          0.8242      10      322  plateau at 0.9233",
    ]


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize(
    "metric",
    [
        {},
        {"metric": "val_catalogue_precision", "value": 0.1234},
        {"metric": FORMULA, "value": 0.5, "parts": {"val_rmse": 0.9, "val_ndcg": 0.8}},
    ],
)
def test_every_trial_is_one_line_at_80_columns(terminal, record, lines, state, metric):
    terminal(80)
    records = [record(0, **metric), record(**{**LONGEST, "state": state, **metric})]
    curves = {number: dict.fromkeys(range(1, 26), 0.9) for number in (0, 1234)}
    printed = lines(records, best=1234, curves=curves)
    assert len(printed) == 3
    assert all(len(line) <= 80 and line == line.rstrip() for line in printed)
    assert printed[2].startswith(f"1234*  {state}")
    assert "above the" in printed[2]


def test_a_wide_terminal_shows_more(terminal, record, lines):
    terminal(140)
    header, row = lines([record()], curves={0: {1: 0.9}})
    assert " ".join(header.split()) == (
        "trial state architecture curve val_rmse val_mse epochs seconds why it ended"
    )
    assert row.endswith("all 25 epochs")


def test_the_whole_sentence_is_below_its_trial_where_it_is_asked_for(terminal, record, lines):
    terminal(60)
    assert lines([record(**PLATEAU)], reasons=True)[2:] == [
        "       plateau: validation RMSE 0.9233 (epoch 6) is flat by",
        "       epoch 10 of 12, early for a good config",
    ]


def test_a_pipe_gets_the_whole_sentence_on_the_line(record, lines):
    curves = {0: {1: 0.9}}
    assert lines([record(), record(1, **PLATEAU)], best=0, curves=curves) == [
        "trial  state     architecture  val_rmse  val_mse  epochs  train_s  why it ended",
        "0*     complete  two_tower       0.8242   0.6793      25     12.1  "
        "ran all 25 epochs; the best was epoch 23",
        "1      pruned    two_tower       0.8242   0.6793      25     12.1  "
        + f"plateau: {SENTENCE}",
    ]


def test_a_trial_without_figures_leaves_them_blank(terminal, record, lines):
    terminal(80)
    figures = dict.fromkeys(("val_rmse", "val_mse", "value", "train_s", "reason", "brief"))
    row = lines([record(**figures, state="running", epochs=0, config=None)])[1]
    assert row.split() == ["0", "running", "two_tower", "0"]
