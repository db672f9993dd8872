"""The stored results of retraining a study's best trials, and the standings computed from them.

Each result is a system attribute of the study, written as soon as it is known:
`recsys_search:confirm:7:1000` is the metric's value of trial 7 with seed 1000, or null if that
training diverged. Once a call has all its results, `recsys_search:confirmed` holds its seeds, and
`recsys_search:confirmed_against` the trial and the name of the known config among them.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Self

from ....data.splits.spec import SplitSpec
from ....model.evaluation.metrics import VAL_RMSE, Metric
from .intervals import Interval, mean_interval, paired_interval

RESULT = "recsys_search:confirm"
SEEDS = "recsys_search:confirmed"
AGAINST = "recsys_search:confirmed_against"

Results = Mapping[int, Mapping[int, float | None]]
"""trial -> seed -> the metric's value, None if the training diverged."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A confirmed trial's place among the others.

    Attributes:
        values: seed -> the metric's value.
        mean: of these values.
        behind: mean of the differences to the leader's value with the same seed, positive where
            the leader is better; None for the leader itself.
        ahead: of the known config, likewise, positive where this trial is better; None for the
            known config itself, or if there is none.
    """

    number: int
    values: dict[int, float]
    mean: Interval
    behind: Interval | None
    ahead: Interval | None = None

    @property
    def tie(self) -> bool:
        """Whether the leader's advantage over this trial may be chance."""
        return self.behind is not None and self.behind.low <= 0 <= self.behind.high


@dataclass(frozen=True)
class Confirmation:
    """The outcome of a study's retrainings.

    Attributes:
        standings: the ranking after the last finished call, leader first; empty before it.
        against: trial and name of the known config that all are compared to; None if there is none.
        recut: whether each seed had its own cut of train and validation.
    """

    results: Results
    standings: list[Standing]
    against: Mapping[str, Any] | None
    recut: bool

    @classmethod
    def of(cls, attrs: Mapping[str, Any], split: SplitSpec, metric: Metric = VAL_RMSE) -> Self:
        """The confirmation that a study stores.

        Args:
            attrs: the study's system attributes.
            split: the study's split.
        """
        results = read_results(attrs)
        against = attrs.get(AGAINST)
        known = against and against["trial"]
        standings = rank(results, attrs.get(SEEDS, ()), cut_overlap(split), metric, known)
        return cls(results, standings, against, split.is_random)

    @cached_property
    def figures(self) -> dict[int, dict[str, Any]]:
        """Trial -> its entry `confirmed` in the JSON output, leader first."""
        figures = {}
        for standing in self.standings:
            seeds = len(standing.values)
            splits = seeds if self.recut else 1
            figures[standing.number] = {
                **standing.mean._asdict(),
                "seeds": seeds,
                "splits": splits,
                "against": self.against and {**self.against, **_distance(standing.ahead)},
            }
        return figures

    def diverged_with(self, number: int) -> int | None:
        """The lowest seed with which the trial diverged; None if there is none."""
        return diverged_with(self.results, number)


def _distance(ahead: Interval | None) -> dict[str, float | None]:
    return dict.fromkeys(Interval._fields) if ahead is None else ahead._asdict()


def cut_overlap(split: SplitSpec) -> float:
    """Validation rows over train rows of the seeds' splits; 0 if all seeds share one split."""
    if not split.is_random or split.validation is None:
        return 0.0
    return split.validation / (split.train or 1 - split.validation)


def result_key(number: int, seed: int) -> str:
    return f"{RESULT}:{number}:{seed}"


def read_results(attrs: Mapping[str, Any]) -> dict[int, dict[int, float | None]]:
    """All results among a study's system attributes."""
    results: dict[int, dict[int, float | None]] = {}
    for key, value in attrs.items():
        if key.startswith(f"{RESULT}:"):
            number, seed = map(int, key.removeprefix(f"{RESULT}:").split(":"))
            results.setdefault(number, {})[seed] = value
    return results


def rank(
    results: Results,
    seeds: Iterable[int],
    overlap: float = 0.0,
    metric: Metric = VAL_RMSE,
    known: int | None = None,
) -> list[Standing]:
    """The trials that have a value for each of the seeds, best mean first.

    They are compared over all seeds that they share, which may be more than `seeds`. A trial that
    diverged with any seed is left out.

    Args:
        overlap: of the seeds' splits, as `mean_interval` takes it.
        known: trial of the known config that the others are compared to.
    """
    wanted = set(seeds)
    complete: dict[int, dict[int, float]] = {}
    for number, values in results.items():
        finite = {seed: value for seed, value in values.items() if value is not None}
        if wanted and wanted <= finite.keys() and len(finite) == len(values):
            complete[number] = finite
    if not complete:
        return []
    shared = sorted(set.intersection(*map(set, complete.values())))
    columns = {number: [values[seed] for seed in shared] for number, values in complete.items()}
    means = {number: mean_interval(column, overlap) for number, column in columns.items()}
    ranked = sorted(means, key=lambda number: (metric.cost(means[number].mean), number))
    costs = {number: [metric.cost(value) for value in columns[number]] for number in ranked}
    leader = ranked[0]

    def difference(worse: int, better: int) -> Interval | None:
        if worse == better:
            return None
        return paired_interval(costs[worse], costs[better], overlap)

    return [
        Standing(
            number=number,
            values=dict(zip(shared, columns[number], strict=True)),
            mean=means[number],
            behind=difference(number, leader),
            ahead=difference(known, number) if known in costs else None,
        )
        for number in ranked
    ]


def diverged_with(results: Results, number: int) -> int | None:
    """The lowest seed with which the trial diverged; None if there is none."""
    failed = [seed for seed, value in results.get(number, {}).items() if value is None]
    return min(failed, default=None)
