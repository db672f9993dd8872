"""What a study keeps of its winners' retrainings, and the ranking that follows from it.

Each result is a system attribute of the study, written as it comes: `recsys_search:confirm:7:1000`
is the validation RMSE of trial 7 with seed 1000, or null where that training diverged. Once all
that a call asked for are there, `recsys_search:confirmed` holds the seeds that it asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

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


def confirmed_in(attrs: Mapping[str, Any], overlap: float) -> list[Standing]:
    """The ranking as the last finished call left it, leader first; empty before the first."""
    return ranking(results_in(attrs), attrs.get(SEEDS, ()), overlap)


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


def figures(standing: Standing, *, recut: bool) -> dict[str, Any]:
    """A trial's `confirmed` in JSON. Args: recut: whether each seed had a cut of its own."""
    seeds = len(standing.values)
    return {**standing.rmse._asdict(), "seeds": seeds, "cuts": seeds if recut else 1}


def diverged_with(results: Results, number: int) -> int | None:
    """The first seed with which the trial diverged."""
    failed = [seed for seed, value in results.get(number, {}).items() if value is None]
    return min(failed, default=None)
