"""All figures of studies that lack something."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
from recsys_search.errors import NothingYet
from recsys_search.search import figures
from recsys_search.search.figures.comparison import compared_progress

ANY = ["best_so_far", "curves", "latents", "kl_weight", "timeline"]
OF_THE_SPACE = ["slices", "contours", "parallel_coordinates"]


def drawn(name, *args):
    return json.loads(getattr(figures, name)(*args).to_json())


@pytest.mark.parametrize("name", ANY)
def test_needs_no_number_of_trials(name, unusual_study):
    assert drawn(name, unusual_study)["layout"]["height"] > 0


@pytest.mark.parametrize("name", [*OF_THE_SPACE, "importance"])
def test_is_drawn_or_says_what_is_missing(name, unusual_study):
    architectures = unusual_study.spec.architectures if name in OF_THE_SPACE else [None]
    for architecture in architectures:
        try:
            drawn(name, unusual_study, *([architecture] if architecture else []))
        except NothingYet as error:
            assert unusual_study.spec.name in str(error)


@pytest.mark.parametrize("name", ANY)
def test_a_study_without_trials_has_an_empty_figure(name, study):
    status = {**study.status, "best": None}
    empty = replace(study, trials=[], outcomes=[], status=status)
    assert not any(trace.get("x") for trace in drawn(name, empty)["data"])


def test_two_studies_have_a_line_each_for_every_cost(study):
    figure = compared_progress([study, study])
    assert len(figure.data) == 2 * 3
    best = study.status["best"]["val_rmse"]
    assert {trace.y[-1] for trace in figure.data} == {best}
