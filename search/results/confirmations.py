"""What a study keeps of its winners' retrainings, and the ranking that follows from it.

Each result is a system attribute of the study, written as it comes: `recsys_search:confirm:7:1000`
is the validation RMSE of trial 7 with seed 1000, or null where that training diverged. Once all
that a call asked for are there, `recsys_search:confirmed` holds the seeds that it asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Self

from ...data.splits.spec import SplitSpec
from .intervals import Interval, mean_interval, paired_interval

RESULT = "recsys_search:confirm"
SEEDS = "recsys_search:confirmed"

Results = Mapping[int, Mapping[int, float | None]]
"""trial -> seed -> validation RMSE in stars, None if the training diverged."""


@dataclass(frozen=True, kw_only=True)
class Standing:
    """A confirmed trial among the others.

    Attributes:
        values: seed -> validation RMSE in stars.
        rmse: mean of these.
        behind: mean of the differences to the leader's value with the same seed; None for the
            leader itself.
    """

    number: int
    values: dict[int, float]
    rmse: Interval
    behind: Interval | None

    @property
    def tie(self) -> bool:
        """Whether the leader's lead over this trial may be chance."""
        return self.behind is not None and self.behind.low <= 0 <= self.behind.high


@dataclass(frozen=True)
class Confirmation:
    """What a study's retrainings have come to.

    Attributes:
        standings: the ranking as the last finished call left it, leader first; empty before the
            first.
        recut: whether each seed had a cut of train and validation of its own.
    """

    results: Results
    standings: list[Standing]
    recut: bool

    @classmethod
    def of(cls, attrs: Mapping[str, Any], split: SplitSpec) -> Self:
        """Args: attrs: the study's system attributes; split: the one that it searched on."""
        results = results_in(attrs)
        standings = ranking(results, attrs.get(SEEDS, ()), overlap_of(split))
        return cls(results, standings, split.is_random)

    @property
    def figures(self) -> dict[int, dict[str, Any]]:
        """Trial -> its `confirmed` in JSON, leader first."""
        told = {}
        for standing in self.standings:
            seeds = len(standing.values)
            cuts = seeds if self.recut else 1
            told[standing.number] = {**standing.rmse._asdict(), "seeds": seeds, "cuts": cuts}
        return told

    def diverged_with(self, number: int) -> int | None:
        """The first seed with which the trial diverged."""
        return diverged_with(self.results, number)


def overlap_of(split: SplitSpec) -> float:
    """Validation rows over train rows of the seeds' cuts; 0 where all share the one cut."""
    if not split.is_random or split.validation is None:
        return 0.0
    return split.validation / (split.train or 1 - split.validation)


def result_key(number: int, seed: int) -> str:
    return f"{RESULT}:{number}:{seed}"


def results_in(attrs: Mapping[str, Any]) -> dict[int, dict[int, float | None]]:
    """All results among a study's system attributes."""
    results: dict[int, dict[int, float | None]] = {}
    for key, value in attrs.items():
        if key.startswith(f"{RESULT}:"):
            number, seed = map(int, key.removeprefix(f"{RESULT}:").split(":"))
            results.setdefault(number, {})[seed] = value
    return results


def ranking(results: Results, seeds: Iterable[int], overlap: float = 0.0) -> list[Standing]:
    """The trials that have a value for each of the seeds, lowest mean first.

    They are compared over all seeds that they have in common, which may be more. A trial of which
    any training diverged is not among them.

    Args:
        overlap: of the seeds' cuts, as `mean_interval` takes it.
    """
    wanted = set(seeds)
    whole: dict[int, dict[int, float]] = {}
    for number, values in results.items():
        finite = {seed: value for seed, value in values.items() if value is not None}
        if wanted and wanted <= finite.keys() and len(finite) == len(values):
            whole[number] = finite
    if not whole:
        return []
    common = sorted(set.intersection(*map(set, whole.values())))
    columns = {number: [values[seed] for seed in common] for number, values in whole.items()}
    rmse = {number: mean_interval(column, overlap) for number, column in columns.items()}
    ahead = sorted(rmse, key=lambda number: (rmse[number].mean, number))
    leader = ahead[0]
    return [
        Standing(
            number=number,
            values=dict(zip(common, columns[number], strict=True)),
            rmse=rmse[number],
            behind=None
            if number == leader
            else paired_interval(columns[number], columns[leader], overlap),
        )
        for number in ahead
    ]


def diverged_with(results: Results, number: int) -> int | None:
    """The first seed with which the trial diverged."""
    failed = [seed for seed, value in results.get(number, {}).items() if value is None]
    return min(failed, default=None)
