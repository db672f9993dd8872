"""The grid of a study: its points in the order in which they are tried, and how many are left."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from numpy.random import default_rng
from optuna.trial import FrozenTrial

from ..definition.grid import Point, grid_points
from ..definition.study_file import StudySpec
from ..storage.trials import is_removed

_Key = tuple[tuple[str, Any], ...]


class Grid:
    """The points of a study's grid, shuffled by its seed: a part of it covers the space evenly.

    It is not a sampler: a process claims a trial together with its point, in one transaction.
    Optuna's GridSampler has no conditional axes. Its BruteForceSampler has, but draws axis by
    axis, at random: two processes can draw the same point, and no trial knows that it is the last.
    """

    def __init__(self, spec: StudySpec) -> None:
        """Args: spec: a study with the sampler `grid`."""
        settings = spec.sampler.grid
        assert settings is not None
        points = [_key(point) for point in grid_points(spec.space, settings.points)]
        self._points = [points[i] for i in default_rng(settings.seed).permutation(len(points))]

    def __len__(self) -> int:
        return len(self._points)

    def untried(self, tried: Iterable[Mapping[str, Any]]) -> Iterator[Point]:
        """The points that are not among these, in the grid's order.

        Args:
            tried: the parameters of trials, such as known configs; they need not be on the grid.
        """
        keys = set(map(_key, tried))
        return (dict(key) for key in self._points if key not in keys)


def study_total(spec: StudySpec, trials: Iterable[FrozenTrial], grid: Grid | None = None) -> int:
    """The number of trials after which the study ends: a grid may have fewer than its total.

    Args:
        trials: of the study so far, with those that are queued.
        grid: the study's, if the caller has it already.
    """
    if spec.sampler.grid is None:
        return spec.trials
    grid = grid or Grid(spec)
    # Each of these counts once, when its last attempt has ended.
    firsts = [t for t in trials if "retry_of" not in t.user_attrs and not is_removed(t)]
    n_untried = sum(1 for _ in grid.untried(map(_own_params, firsts)))
    return min(spec.trials, len(firsts) + n_untried)


def describe_grid(spec: StudySpec, trials: Iterable[FrozenTrial]) -> Iterator[str]:
    """What a study's grid means for its total, in one sentence; nothing if it has no grid."""
    if spec.sampler.grid is None:
        return
    grid, trials = Grid(spec), list(trials)
    every = spec.model_copy(update={"trials": len(grid) + len(trials) + 1})
    total = study_total(every, trials, grid)
    size = f"the grid has {len(grid):,} points"
    if others := total - len(grid):
        size += f", plus {others} {'trial' if others == 1 else 'trials'} outside it"
    if total > spec.trials:
        yield f"{size}: the study tries {spec.trials:,} of these {total:,}"
    else:
        yield f"{size}: the study ends after {total:,} trials, of {spec.trials:,} asked for"


def _own_params(trial: FrozenTrial) -> dict[str, Any]:
    """The parameters that the trial was claimed with; none if it differs in other fields too."""
    if trial.user_attrs.get("fixed"):
        return {}
    params: dict[str, Any] = trial.system_attrs.get("fixed_params", {})
    return params


def _key(params: Mapping[str, Any]) -> _Key:
    return tuple(sorted(params.items()))
