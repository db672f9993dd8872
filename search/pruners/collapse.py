"""Posterior collapse: the encoder says the same of all ratings, and the decoder does without."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import Annotated

from pydantic import Field

from ...base.strict import Count, Number, Strict
from ...model.config import VaeConfig
from ...model.training.reports import EpochReport
from .progress import Progress, Stop

FULL_BETA = 0.9  # of its final value, from which on beta has its say
PARTIAL_COST = 0.05  # of the MSE; few units that the decoder makes much of are enough
NEAR_TARGET = 0.1  # of the controller's set point

Share = Annotated[Number, Field(ge=0, le=1)]


class Collapse(Strict):
    """A tower is collapsed if, for some checks in a row, all of this holds:

    - at most a few of its units are active;
    - exchanging its z between ratings hardly raises the MSE, so the decoder ignores it;
    - the validation RMSE does not improve, or is no better than the bias baseline's.

    Checks begin when beta has its say; until then a dead latent is a young one. What is judged is
    the raw KL's picture in eval mode: free bits would hide a collapse.
    """

    checks: Count = 3
    active_share: Share = 0.02  # of the latent's units, at most so many are active; or one unit
    shuffle_cost: Share = 0.005  # of the MSE
    noise: Annotated[Number, Field(ge=0)] = 0.002  # stars that are no improvement
    partial_share: Share = 0.25  # of the units; fewer active ones are worth a warning

    def judge(self, seen: Progress) -> Stop | None:
        for config, checks, tower in self._towers(seen):
            dead = all(self._is_dead(config, report, tower) for report in checks)
            if dead and (why := self._no_better(seen, checks)):
                return Stop("collapse", f"{told(config, checks, tower)}; {why}")
        return None

    def warning(self, seen: Progress) -> str | None:
        """A tower of which a part is dead, or all of it while the model gets better without."""
        for config, checks, tower in self._towers(seen):
            most = max(report.active_units[tower] for report in checks)
            little = all(report.shuffle_cost[tower] < PARTIAL_COST for report in checks)
            if little and most < self.partial_share * config.latent_dim:
                return f"partial collapse: {told(config, checks, tower)}"
        return None

    def _towers(self, seen: Progress) -> Iterator[tuple[VaeConfig, list[EpochReport], str]]:
        """Each tower with the checks it is to be judged by; none before there are enough."""
        if not isinstance(seen.config, VaeConfig):
            return
        checks = settled(seen.config, seen.reports)[-self.checks :]
        if len(checks) == self.checks:
            for tower in seen.last.active_units:
                yield seen.config, checks, tower

    def _most_active(self, config: VaeConfig) -> int:
        return max(1, int(self.active_share * config.latent_dim))

    def _is_dead(self, config: VaeConfig, report: EpochReport, tower: str) -> bool:
        return (
            report.active_units[tower] <= self._most_active(config)
            and report.shuffle_cost[tower] < self.shuffle_cost
        )

    def _no_better(self, seen: Progress, checks: Sequence[EpochReport]) -> str | None:
        """Why the trial is not to be left alone: nothing gained, or nothing to lose."""
        best = seen.best
        if best is None:
            return "no validation RMSE is finite"
        if best.val_rmse >= seen.bias_val_rmse - self.noise:
            return (
                f"validation RMSE {best.val_rmse:.4f} is no better than the biases' "
                f"{seen.bias_val_rmse:.4f}"
            )
        before = [r.val_rmse for r in seen.reports if r.epoch < checks[0].epoch]
        if before and min(report.val_rmse for report in checks) >= min(before) - self.noise:
            return f"validation RMSE does not improve on {min(before):.4f}"
        return None


def told(config: VaeConfig, checks: Sequence[EpochReport], tower: str) -> str:
    """What is dead in a tower, and since when."""
    last = checks[-1]
    dead = f"{last.active_units[tower]} of {config.latent_dim} units of the {tower} "
    dead += "tower" if len(last.active_units) > 1 else "space"
    dead += (
        f" are active in epochs {checks[0].epoch} to {last.epoch}, its KL is "
        f"{last.eval_kl[tower]:.3g} nats, and its z exchanged between ratings costs "
        f"{100 * last.shuffle_cost[tower]:.1f}% of the MSE"
    )
    if last.beta == 0:
        return f"dead encoder, with beta 0 to press on it: {dead}"
    return dead


def settled(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    """The epochs after which a dead latent is a collapse, by the KL schedule.

    constant, linear: beta has reached 0.9 of its final value
    cyclical: a cycle has ended, the first one apart
    controller: the raw KL has been at its set point
    """
    return _SETTLED[config.kl_schedule](config, reports)


def _at_full_beta(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    return [report for report in reports if report.beta >= FULL_BETA * config.kl_weight]


def _at_cycle_ends(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    length = config.max_epochs / config.kl_cycles
    ends = {ceil(cycle * length) for cycle in range(2, config.kl_cycles + 1)}
    return [report for report in reports if report.epoch in ends]


def _from_set_point(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    """From the epoch on that came within a tenth of the set point, or jumped across it."""
    above = [report.kl > config.kl_target for report in reports]
    for at, report in enumerate(reports):
        near = abs(report.kl - config.kl_target) <= NEAR_TARGET * config.kl_target
        if near or above[at] != above[0]:
            return list(reports[at:])
    return []


_SETTLED: dict[str, Callable[[VaeConfig, Sequence[EpochReport]], list[EpochReport]]] = {
    "constant": _at_full_beta,
    "linear": _at_full_beta,
    "cyclical": _at_cycle_ends,
    "controller": _from_set_point,
}
