"""Two studies side by side."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import OptionError
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.search.report.comparison import (
    comparison_facts,
    html_comparison,
    markdown_comparison,
)
from recsys_search.search.report.write import write_report


@pytest.fixture
def other(study):
    """Makes a second study, of another name, whose best has this RMSE."""

    def make(val_rmse=0.5, spec=None, **changes):
        best = {**study.status["best"], "val_rmse": val_rmse}
        spec = study.spec.model_copy(update={"name": "other", **(spec or {})})
        status = {**study.status, "best": best, **changes.pop("status", {})}
        return replace(study, spec=spec, status=status, **changes)

    return make


def difference(one, two):
    return comparison_facts(one, two)["difference"]


def test_the_better_study_is_named_with_its_lead(study, other):
    best = study.status["best"]["val_rmse"]
    assert difference(study, other(best - 0.02)) == (
        "other has found the better config, by 0.0200 of validation RMSE in the search; confirm "
        "both before you rely on it: this is one seed each."
    )
    assert difference(study, other(best + 0.02)).startswith("small has found the better config")


def test_studies_with_the_same_value_are_equal(study, other):
    best = study.status["best"]["val_rmse"]
    text = f"Both have found validation RMSE {best:.4f}."
    assert difference(study, other(best + 1e-7)) == text


def test_confirmed_studies_point_to_the_table(study, other):
    confirmed = {"number": 0, "mean": 0.9, "low": 0.8, "high": 1.0, "seeds": 5, "splits": 5}
    confirmed["against"] = None
    one = replace(study, status={**study.status, "confirmed": confirmed})
    facts = comparison_facts(one, other(status={"confirmed": confirmed}))
    assert facts["difference"].endswith("what both reach with other seeds is in the table.")
    rows = {name: values for name, *values in facts["figures"]}
    assert rows["with other seeds"] == ["0.9000 [0.8000, 1.0000] (trial 0)"] * 2


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        (
            {"metric": METRICS["val_mse"]},
            "The studies optimise val_rmse and val_mse: their values cannot be compared.",
        ),
        (
            {"fingerprint": "0" * 16},
            "The studies have different ratings: their values cannot be compared.",
        ),
        (
            {"spec": {"split": SplitSpec(seed=7)}},
            "The studies have different splits: their values cannot be compared.",
        ),
    ],
)
def test_studies_whose_values_mean_different_things_are_not_compared(changes, text, study, other):
    two = other(**changes)
    assert difference(study, two) == text
    assert "data-figure" not in html_comparison(study, two).split("</main>")[0]


def test_a_study_without_a_winner_is_not_compared(study, other):
    assert difference(study, other(status={"best": None})) == (
        "At least one of the studies has no completed trial yet."
    )


def test_settings_that_differ_are_listed_by_their_path(study, other):
    facts = comparison_facts(study, other(spec={"trials": 99}))
    assert facts["settings"] == [("trials", "12", "99")]


def test_studies_of_one_name_differ_by_their_storage(study):
    assert comparison_facts(study, study)["names"] == ["small", "small (other storage)"]


def test_a_study_is_not_compared_with_itself(explored, tmp_path):
    out = tmp_path / "report.html"
    with pytest.raises(OptionError, match="--compare small names the study itself"):
        write_report(explored.storage, "small", out, compare="small")
    assert not out.exists()


def test_both_formats_have_both_studies(study, other):
    two = other(spec={"dataset": "a|b<img src=x>"})
    page, text = html_comparison(study, two), markdown_comparison(study, two)
    assert "<img src=x>" not in page + text
    assert page.count("<script") == 3  # the figure, plotly and the page's own
    rows = [line for line in text.splitlines() if line.startswith("|")]
    assert {line.count("|") for line in rows} == {4}
