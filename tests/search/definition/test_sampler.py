"""The key `sampler` of a study file."""

from __future__ import annotations

import json

import pytest
from pydantic import ValidationError
from recsys_search.commands.options import SamplerChoice
from recsys_search.search.definition.sampler import Sampler
from recsys_search.search.definition.study_file import load_study, spec_from_json, spec_to_json
from recsys_search.search.running.changes import find_changes


def test_a_name_stands_for_the_sampler_with_its_defaults():
    for name in Sampler.model_fields:
        assert Sampler.model_validate(name) == Sampler.model_validate({name: {}})
    assert Sampler.model_validate("gp").name == "gp"
    assert Sampler.model_validate("grid").grid.points == 3


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("cma", "no sampler named 'cma'; did you mean cmaes?"),
        ("annealing", "no sampler named 'annealing'; choose from tpe, gp, cmaes, random, grid, "),
        ({"gp": {}, "tpe": {}}, "must name one of tpe, gp, cmaes, random, grid and auto, such as "),
        ({"gp": {"points": 3}}, "unknown key"),
        ({"grid": {"points": 0}}, "greater than or equal to 1"),
    ],
)
def test_an_error_names_the_value_and_the_remedy(entry, message):
    with pytest.raises(ValidationError) as caught:
        Sampler.model_validate(entry)
    assert message in str(caught.value)


def test_a_study_that_an_earlier_version_stored_is_unchanged():
    tpe = Sampler.model_validate({"tpe": {"seed": 42, "startup_trials": 4}})
    spec = load_study("demo").model_copy(update={"sampler": tpe})
    earlier = json.loads(spec_to_json(spec))
    earlier["sampler"] = {"tpe": {"seed": 42, "startup_trials": 4}, "random": None}
    stored = spec_from_json(json.dumps(earlier))
    assert stored == spec
    assert find_changes(stored, spec) == []


def test_another_sampler_takes_over_the_seed_and_the_same_one_all_settings():
    tpe = Sampler.model_validate({"tpe": {"seed": 7, "startup_trials": 3}})
    assert tpe.replaced_by("gp") == {"gp": {"seed": 7}}
    assert tpe.replaced_by("tpe") == {"tpe": {"seed": 7, "startup_trials": 3}}


def test_the_command_line_has_the_same_names():
    assert [choice.value for choice in SamplerChoice] == list(Sampler.model_fields)
