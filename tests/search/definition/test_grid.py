"""The values of an axis on a grid, and the combinations of a conditional space."""

from __future__ import annotations

import pytest
from recsys_search.errors import ConfigError
from recsys_search.search.definition.axes import read_axis
from recsys_search.search.definition.grid import grid_points, grid_size
from recsys_search.search.definition.space import Space
from recsys_search.search.definition.study_file import load_study

CONDITIONAL = Space.model_validate(
    {
        "architecture": {"choice": ["two_tower", "hybrid"]},
        "free_bits": {"float": [0, 4]},
        "two_tower.latent_dim": {"int": [16, 64], "step": 16},
        "hybrid.bias": {"choice": [False, True]},
        "hybrid.hidden_dims": {"choice": [[64, 32], [128]]},
        "hybrid.dropout": {"float": [0.2, 0.5], "when": {"hybrid.bias": True}},
    }
)


@pytest.mark.parametrize(
    ("axis", "points", "values"),
    [
        ({"float": [0, 4]}, 3, (0, 2, 4)),
        ({"float": [0, 4]}, 1, (2,)),
        ({"float": [1e-4, 1e-2], "log": True}, 3, (1e-4, 1e-3, 1e-2)),
        ({"float": [0.1, 0.1]}, 3, (0.1,)),
        ({"int": [16, 80], "step": 16}, 3, (16, 48, 80)),
        ({"int": [16, 64], "step": 16}, 9, (16, 32, 48, 64)),
        ({"int": [1, 2]}, 3, (1, 2)),
        ({"int": [1, 100], "log": True}, 3, (1, 10, 100)),
        ({"choice": [8, 4, 2, 1]}, 3, (8, 4, 2, 1)),
    ],
)
def test_a_range_has_evenly_spaced_values_and_a_choice_its_own(axis, points, values):
    assert read_axis(axis).grid(points) == values


def test_a_grid_has_each_combination_that_applies_once():
    points = list(grid_points(CONDITIONAL, 3))
    # two_tower: 3 free_bits x 3 latent_dims; hybrid: 3 free_bits x 2 hidden_dims, without a bias
    # once and with it for each of 3 dropouts.
    assert len(points) == 3 * 3 + 3 * 2 * (1 + 3)
    assert len({tuple(sorted(point.items())) for point in points}) == len(points)
    for point in points:
        assert CONDITIONAL.values_of(point)
        assert ("hybrid.dropout" in point) == point.get("hybrid.bias", False)
    assert points[-1]["hybrid.hidden_dims"] == "128"  # as Optuna stores it


@pytest.mark.parametrize("per_range", [1, 2, 3, 5])
def test_the_size_is_that_of_the_enumeration(per_range):
    n_points = sum(1 for _ in grid_points(CONDITIONAL, per_range))
    assert grid_size(CONDITIONAL, per_range) == n_points


def test_a_grid_that_is_too_large_is_refused_with_its_size(tmp_path):
    path = tmp_path / "large.yaml"
    path.write_text(
        "dataset: demo\n"
        "base: {architecture: two_tower}\n"
        "space:\n"
        "  learning_rate: {float: [1e-4, 1e-2]}\n"
        "  kl_weight: {float: [1e-4, 1e-2]}\n"
        "  free_bits: {float: [0, 4]}\n"
        "  weight_decay: {float: [0.01, 1]}\n"
        "  norm_power: {float: [0.3, 0.7]}\n"
        "sampler: {grid: {points: 100}}\n"  # 10^10: not even counted one by one
        "trials: 5\n"
    )
    with pytest.raises(ConfigError) as caught:
        load_study(str(path))
    assert str(caught.value) == (
        f"{path} line 9: sampler grid: the grid has 10,000,000,000 points, more than 100,000; "
        "lower points, shorten choices or remove axes, or use another sampler"
    )
