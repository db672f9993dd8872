"""A study without a space searches the default axes of its architecture."""

from __future__ import annotations

import pytest
import yaml
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.table import architecture_names, find_architecture
from recsys_search.model.config import config_to_mapping
from recsys_search.search.definition.space import Space
from recsys_search.search.definition.study_file import load_study


@pytest.fixture
def load(tmp_path):
    def load(**changes):
        path = tmp_path / "mine.yaml"
        path.write_text(yaml.safe_dump({"dataset": "demo", "trials": 1, **changes}))
        return load_study(str(path))

    return load


@pytest.mark.parametrize("architecture", architecture_names())
def test_every_default_axis_is_accepted_by_its_config(load, architecture):
    spec = load(base={"architecture": architecture})
    assert list(spec.space.axes) == list(find_architecture(architecture).default_space) != []
    assert list(spec.space.problems([architecture])) == []


@pytest.mark.parametrize("architecture", architecture_names())
def test_every_default_config_is_on_the_default_axes(load, architecture):
    """So a study can try the defaults as a known config."""
    space = load(base={"architecture": architecture}).space
    assert space.off_axis(config_to_mapping(build_config(architecture))) == {}


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_the_default_axes_are_those_of_breakthrough(architecture):
    prefix = f"{architecture}."
    axes = load_study("breakthrough").space.axes
    searched = {n.removeprefix(prefix): axis for n, axis in axes.items() if n.startswith(prefix)}
    default = find_architecture(architecture).default_space
    assert Space.model_validate(default).axes == searched


def test_the_base_fixes_a_field_in_place_of_its_default_axis(load):
    spec = load(base={"architecture": "biases", "user_shrinkage": 4})
    assert list(spec.space.axes) == ["film_shrinkage"]
    spec = load(base={"architecture": "biases", "biases.film_shrinkage": 4})
    assert list(spec.space.axes) == ["user_shrinkage"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({}, "mine.yaml: space is missing; add it, or name the architecture in base"),
        (
            {"base": {"patience": 3}},
            "mine.yaml: space is missing; add it, or name the architecture in base",
        ),
        (
            {"base": {"architecture": "hybird"}},
            "mine.yaml line 2: base architecture: no architecture named 'hybird'; "
            "choose from two_tower, hybrid, mf, biases",
        ),
        ({"spaec": {}}, "mine.yaml line 2: spaec: unknown key; did you mean space?"),
        ({"base": [1]}, "mine.yaml line 1: base must be a table, got [1]"),
    ],
)
def test_without_an_architecture_in_base_the_space_is_required(load, tmp_path, changes, message):
    with pytest.raises(ConfigError) as caught:
        load(**changes)
    assert str(caught.value).removeprefix(f"{tmp_path}/") == message
