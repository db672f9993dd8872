"""What a study's remaining trials are expected to bring, as the study stores it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any, Self

from ...model.evaluation.metrics import Metric
from ...model.evaluation.weighted import find_metric
from ..definition.budget import Spending
from ..definition.finish import Finish
from ..definition.study_file import StudySpec

OUTLOOK = "recsys_search:outlook"
MIN_OUTCOMES = 15  # before there is an outlook: fewer say little about a space of ten axes
VERDICT = "recsys_search:prior_verdict"  # whether the ranking of earlier studies holds


@dataclass(frozen=True, kw_only=True)
class Outlook:
    """The expected gain of the trials left, after the latest one that ended.

    Attributes:
        done, left: trials that count towards the total, and those that are left.
        mean, sd: by how much the best value would improve, in units of the metric.
        high: improvement that is exceeded with a chance of 5%.
        wanted: the gain that is worth going on for, likewise.
        chance: that the gain is more than that.
        limit: of the chance, as the study's file has it.
        below: for how many trials in a row the chance has been below the limit.
    """

    done: int
    left: int
    mean: float
    sd: float
    high: float
    wanted: float
    chance: float
    limit: float
    below: int = 0

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> Self | None:
        """The stored one; None if there is none, or another version stored it differently.

        Args:
            attrs: the study's system attributes.
        """
        try:
            return cls(**attrs[OUTLOOK])
        except (KeyError, TypeError):
            return None

    def following(self, before: Self | None) -> Self:
        """The same with `below` counted on from the outlook after an earlier trial.

        A trial that goes on from a stopped one adds none to those that are done, and is no
        further check; with another limit or another gain, the count starts again.
        """
        below = int(self.chance < self.limit)
        if below and before and (before.limit, before.wanted) == (self.limit, self.wanted):
            below = max(1, before.below + (self.done > before.done))
        return replace(self, below=below)

    def to_json(self) -> dict[str, Any]:
        """For the storage."""
        return asdict(self)

    def ends(self, finish: Finish | None, total: int) -> bool:
        """Whether the study ends now; not if its total or the limit has changed since."""
        if finish is None or self.done + self.left != total or not self.left:
            return False
        return self.limit == finish.chance and self.below >= finish.checks

    def describe_end(self, finish: Finish, metric: Metric, star: float) -> str:
        """Why the study ends, with the figures."""

        def show(value: float) -> str:
            return metric.format(value, star)

        return (
            f"{self.done} trials are enough: the remaining {self.left} are expected to improve "
            f"{metric.label} by {show(self.mean)} ± {show(self.sd)}, and the chance that they "
            f"improve it by more than {show(self.wanted)} is {100 * self.chance:.1f}% (limit "
            f"{100 * finish.chance:g}%, {finish.checks} trials in a row)"
        )


def describe_finish(spec: StudySpec, n_done: int, star: float) -> list[str]:
    """A sentence on how the study may end before its total; none if it cannot."""
    finish = spec.finish
    if finish is None or spec.sampler.grid or max(n_done, MIN_OUTCOMES) >= spec.trials:
        return []
    gain = "the seed noise"
    if finish.gain != "auto":
        metric = find_metric(spec.objective.metric)
        gain = metric.format(finish.gain * metric.moves_per_star(star), star)
    return [
        f"the study may end before its {spec.trials} trials, once the remaining ones are unlikely "
        f"to improve the best by more than {gain}; --no-finish runs them all"
    ]


def outlook_figures(
    attrs: Mapping[str, Any],
    spec: StudySpec,
    spent: Spending,
    *,
    running: bool,
    star: float = 1.0,
) -> dict[str, Any] | None:
    """What the trials left would bring and cost, as `status --json` prints it.

    None before there are enough trials to say, after the last trial, or if the total has changed
    since the latest one.

    Args:
        attrs: the study's system attributes.
        spent: by its trials so far, which say what one costs.
        running: whether any of its trials is running or waiting.
        star: what a star is worth in the ratings' units: `Scale.star`.
    """
    outlook = Outlook.of(attrs)
    if outlook is None or not outlook.left or outlook.done + outlook.left != spec.trials:
        return None
    share = outlook.left / max(outlook.done, 1)
    left = Spending(round(share * spent.epochs), round(share * spent.seconds, 1))
    return {
        "trials": outlook.left,
        "star": star,
        **{name: getattr(outlook, name) for name in ("mean", "sd", "wanted", "chance")},
        "epochs": left.epochs,
        "seconds": left.seconds,
        "usd": spec.budget.cost_usd(left) if spec.budget else None,
        "finished": not running and outlook.ends(spec.finish, spec.trials),
    }
