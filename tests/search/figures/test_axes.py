"""Figures of the search space."""

from __future__ import annotations

from dataclasses import replace
from math import log10

import pytest
from recsys_search.errors import NothingYet
from recsys_search.search.definition.space import Space
from recsys_search.search.figures import contours, importance, parallel_coordinates, slices
from recsys_search.search.figures.axes import axis_layout, base_config, drawn
from recsys_search.search.prospects.outcomes import Outcome
from recsys_search.search.results.importance import importance_of
from recsys_search.search.results.study_data import StudyData


def test_importance_is_that_of_the_importance_command(study):
    rows = importance_of(study)["architectures"]["two_tower"]
    near_best, overall = importance(study).data
    assert list(overall.y) == [row["axis"] for row in rows]
    assert list(overall.x) == [row["overall"]["mean"] for row in rows]
    low = [x - error for x, error in zip(overall.x, overall.error_x.arrayminus, strict=True)]
    assert low == pytest.approx([row["overall"]["low"] for row in rows])
    assert near_best.name == "among configs near the best"


def test_each_important_axis_has_a_slice_with_all_outcomes(study):
    figure = slices(study)
    names = [row["axis"] for row in importance_of(study)["architectures"]["two_tower"]]
    titles = [each.text for each in figure.layout.annotations]
    assert titles[:3] == names
    reached = [trace for trace in figure.data if trace.name == "reached by a trial"]
    forecast = [trace for trace in figure.data if trace.name == "forecast for a stopped trial"]
    n_reached = sum(each.sd == 0 for each in study.outcomes)
    assert [len(trace.x) for trace in reached] == [n_reached] * 3
    assert [len(trace.x) for trace in forecast] == [len(study.outcomes) - n_reached] * 3
    stars = [trace for trace in figure.data if (trace.name or "").startswith("best: trial")]
    assert [trace.y for trace in stars] == [(study.best.record["value"],)] * 3


def test_an_edge_is_marked_where_it_is_on_a_log_axis(study):
    edges = [{"axis": "learning_rate", "end": "high", "values": "0.0001 to 0.1"}]
    figure = slices(replace(study, status={**study.status, "edges": edges}))
    (line,) = figure.layout.shapes
    assert (line.x0, line.x1) == (0.1, 0.1)
    (text,) = (each for each in figure.layout.annotations if "the best are" in each.text)
    assert text.text == "the best are at the high end"
    assert text.x == log10(0.1)
    assert (text.xref, text.yref) == (line.xref, line.yref)


def test_a_contour_has_every_pair_of_ordered_axes(study):
    figure = contours(study)
    (grid,) = (trace for trace in figure.data if trace.type == "contour")
    assert {figure.layout.xaxis.title.text, figure.layout.yaxis.title.text} == {
        "learning_rate",
        "latent_dim",
    }
    assert len(grid.z) == len(grid.y) and len(grid.z[0]) == len(grid.x)


def test_parallel_coordinates_have_a_dimension_per_axis_and_the_metric(study):
    (lines,) = parallel_coordinates(study).data
    assert [each.label for each in lines.dimensions] == [*study.spec.space.axes, "val_rmse"]
    rate = lines.dimensions[0]
    learned = [each.params["learning_rate"] for each in study.outcomes]
    assert list(rate["values"]) == pytest.approx([log10(x / 1e-4) / 3 for x in learned], abs=1e-4)
    neighbours = lines.dimensions[2]
    assert list(neighbours.ticktext) == ["off", "auto"]
    assert list(neighbours["values"]) == [
        ["off", "auto"].index(each.params["neighbours"]) for each in study.outcomes
    ]


CONDITIONAL = {
    "base": {"amp": "off", "max_epochs": 1, "batch_size": 1000, "latent_dim": 2},
    "space": {
        "architecture": {"choice": ["two_tower", "mf"]},
        "learning_rate": {"float": [1e-4, 1e-1], "log": True},
    },
}


def test_the_base_is_a_config_to_which_the_axes_apply(study):
    space = Space.model_validate(
        {
            "norm_power": {"float": [0, 1]},
            "rating_dropout": {"float": [0, 0.9]},
            "neighbours": {"choice": ["off", "auto"]},
        }
    )
    study = replace(study, spec=study.spec.model_copy(update={"space": space}))
    best = replace(study.best, params={"norm_power": 0.1, "neighbours": "off"})
    known = [
        Outcome(1, {"norm_power": 0.2, "rating_dropout": 0.3, "neighbours": "auto"}, 0.95, 0.0),
        Outcome(2, {"norm_power": 0.4, "rating_dropout": 0.5, "neighbours": "auto"}, 0.90, 0.0),
        Outcome(
            3,
            {"norm_power": 0.6, "rating_dropout": 0.7, "neighbours": "auto"},
            0.80,
            0.0,
            is_sick=True,
        ),
    ]
    assert base_config(study, best, known, ["norm_power"]) == {
        "norm_power": 0.1,
        "neighbours": "off",
    }
    assert base_config(study, best, known, ["norm_power", "rating_dropout"]) == {
        "norm_power": 0.4,
        "rating_dropout": 0.5,
        "neighbours": "auto",
    }
    assert base_config(study, None, known, ["norm_power"]) == {
        "norm_power": 0.4,
        "rating_dropout": 0.5,
        "neighbours": "auto",
    }


def test_figures_of_another_architecture_are_about_its_own_best_trial(workplace):
    rates = [1e-4 * (place + 1) for place in range(8)]
    known = [
        {"name": f"{name} {rate:g}", "architecture": name, "learning_rate": rate}
        for name, scale in (("two_tower", 10), ("mf", 1))
        for rate in (scale * each for each in rates)
    ]
    workplace.start(workplace.write_study(**CONDITIONAL, known=known, trials=16))
    study = StudyData.read(workplace.storage)
    for architecture in ("two_tower", "mf"):
        of_it = [each for each in study.completed if each.config["architecture"] == architecture]
        best = min(of_it, key=lambda each: each.record["value"])
        figure = slices(study, architecture)
        (star,) = (trace for trace in figure.data if (trace.name or "").startswith("best: trial"))
        assert star.name == f"best: trial {best.number}"
        (line,) = (trace for trace in figure.data if (trace.name or "").startswith("expected"))
        values = [each.record["value"] for each in of_it]
        near = [y for x, y in zip(line.x, line.y, strict=True) if 1e-3 <= x <= 8e-3]
        assert min(values) - 0.05 < sum(near) / len(near) < max(values) + 0.05


def test_one_ordered_axis_has_no_contours(study):
    axes = {name: study.spec.space.axes[name] for name in ("learning_rate", "neighbours")}
    space = Space.model_validate(
        {name: each.model_dump(by_alias=True) for name, each in axes.items()}
    )
    outcomes = [
        replace(each, params={name: each.params[name] for name in axes}) for each in study.outcomes
    ]
    spec = study.spec.model_copy(update={"space": space})
    with pytest.raises(NothingYet, match="fewer than two axes with an order"):
        contours(replace(study, spec=spec, outcomes=outcomes))


def test_axes_are_scaled_as_they_are_searched():
    space = Space.model_validate(
        {
            "learning_rate": {"float": [1e-4, 1e-1], "log": True},
            "rating_dropout": {"float": [0, 0.5]},
            "latent_dim": {"int": [2, 2]},
            "batch_size": {"choice": [256, 512, 1024, 2048, 4096]},
            "hidden_dims": {"choice": [[8, 6], [4]]},
        }
    )
    layouts = {name: axis_layout(axis) for name, axis in space.axes.items()}
    assert {name: each["type"] for name, each in layouts.items()} == {
        **{
            "learning_rate": "log",
            "rating_dropout": "linear",
            "latent_dim": "linear",
            "batch_size": "log",
            "hidden_dims": "category",
        }
    }
    assert layouts["batch_size"]["ticktext"] == ["256", "512", "1024", "2048", "4096"]
    assert drawn(space.axes["hidden_dims"], "8-6") == "8-6"
    assert drawn(space.axes["learning_rate"], 0.00123456789) == 0.0012346
