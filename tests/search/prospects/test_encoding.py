"""Configs as points: back and forth, drawn, and moved a little."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.search.definition.space import Space
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.prospects.encoding import ABSENT, FAR, Encoding


@pytest.fixture
def rng():
    return np.random.default_rng(0)


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_drawn_configs_are_on_their_axes_and_come_back(architecture, rng):
    space = load_study("breakthrough").space
    encoding = Encoding(space)
    points = encoding.draw(50, architecture, rng)
    configs = [encoding.decode(point) for point in points]
    for config in configs:
        assert config["architecture"] == architecture
        assert all(space.axes[name].holds(value) for name, value in config.items())
        assert set(config) == set(space.choose(lambda name, axis, its=config: its[name]))
    np.testing.assert_allclose(encoding.encode(configs), points, atol=1e-12)


def test_draws_cover_every_axis_evenly(spec, rng):
    points = Encoding(spec.space).draw(2000, "two_tower", rng)
    columns = Encoding(spec.space).columns
    assert points[:, columns["two_tower.learning_rate"]].mean() == pytest.approx(0.5, abs=0.03)
    batch = points[:, columns["two_tower.batch_size"]][:, 0]
    assert sorted(set(batch)) == [0.0, 0.5, 1.0]
    assert np.mean(batch == 0.5) == pytest.approx(1 / 3, abs=0.04)


def test_an_axis_with_a_condition_is_drawn_where_the_condition_holds(spec, rng):
    encoding = Encoding(spec.space)
    points = encoding.draw(200, "hybrid", rng)
    dropout = points[:, encoding.columns["hybrid.dropout"]][:, 0]
    configs = [encoding.decode(point) for point in points]
    assert [value != ABSENT for value in dropout] == [config["hybrid.bias"] for config in configs]
    assert 60 < sum(config["hybrid.bias"] for config in configs) < 140


def test_architectures_are_far_apart_and_choices_one_apart(spec):
    encoding = Encoding(spec.space)
    tower = {"architecture": "two_tower"}
    plain, biased = ({"architecture": "hybrid", "hybrid.bias": bias} for bias in (False, True))
    points = encoding.encode([tower, plain, biased])
    assert np.linalg.norm(points[0] - points[1]) >= FAR
    assert np.linalg.norm(points[1] - points[2]) == pytest.approx(1.0)


def test_ranges_are_encoded_on_their_own_scale(spec):
    encoding = Encoding(spec.space)
    configs = [{"two_tower.learning_rate": rate} for rate in (1e-4, 1e-3, 1e-2)]
    points = encoding.encode(configs)[:, encoding.columns["two_tower.learning_rate"]]
    np.testing.assert_allclose(points[:, 0], [0, 0.5, 1])


def test_a_small_move_keeps_the_architecture_and_the_axes(spec, rng):
    encoding = Encoding(spec.space)
    points = encoding.draw(300, "hybrid", rng)
    moved = encoding.near(points, 0.1, rng)
    columns = encoding.columns
    architecture = columns["architecture"]
    np.testing.assert_array_equal(moved[:, architecture], points[:, architecture])
    dropout = columns["hybrid.dropout"]
    absent = points[:, dropout] == ABSENT
    np.testing.assert_array_equal(moved[:, dropout] == ABSENT, absent)
    steps = (moved - points)[:, dropout][~absent]
    assert 0.05 < steps.std() < 0.12
    changed = (moved[:, columns["hybrid.bias"]] != points[:, columns["hybrid.bias"]]).any(axis=1)
    assert 0.01 < changed.mean() < 0.12  # a tenth are drawn again, half of them as they were


def test_a_space_without_an_architecture_has_that_of_its_base(rng):
    space = Space.model_validate({"learning_rate": {"float": [1e-4, 1e-2], "log": True}})
    encoding = Encoding(space)
    config = encoding.decode(encoding.draw(1, "two_tower", rng)[0])
    assert list(config) == ["learning_rate"]
