"""Posterior collapse: the encoder gives all ratings the same latent; the decoder ignores it."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from math import ceil
from typing import ClassVar

from ...base.strict import Count, NonNegative, Share
from ...model.config import VaeConfig
from ...model.training.reports import EpochReport
from .rule import Kind, Progress, Rule, Stop

FULL_KL_WEIGHT = 0.9  # share of its final value at which the KL weight counts as in effect
# Relative rise of the MSE; from here on the decoder relies on its few active units: no warning.
PARTIAL_COST = 0.05
LATE = 0.75  # of a cycle
NEAR_TARGET = 0.1  # distance from the controller's set point, relative to it


class Collapse(Rule):
    """A tower has collapsed if all of this holds for several checks in a row:

    - at most a few of its units are active;
    - exchanging its z between ratings hardly raises the MSE, so the decoder ignores it;
    - validation RMSE does not improve, or is no better than the bias baseline's.

    Checks start once the KL weight is in effect; before that, inactive latents are merely early in
    training. Figures are measured in eval mode on the raw KL: free bits would hide a collapse.
    """

    stop_reason: ClassVar[str] = "collapse"
    kind: ClassVar[Kind] = Kind.SICK

    checks: Count = 3
    active_share: Share = 0.02  # share of its units that a dead tower may have active, at least one
    shuffle_cost: Share = 0.005  # relative rise of the MSE; below it, the decoder ignores z
    noise: NonNegative = 0.002  # stars that do not count as an improvement
    partial_share: Share = 0.25  # share of the units; fewer active ones give a warning

    def judge(self, progress: Progress) -> Stop | None:
        for config, checks, tower in self._towers(progress):
            dead = all(self._is_dead(config, report, tower) for report in checks)
            if dead and (why := self._no_better(progress, checks)):
                of_several = f"{tower} " if len(progress.last.active_units) > 1 else ""
                return self.stop(
                    f"{describe_tower(config, checks, tower)}; {why}",
                    brief=f"{of_several}latents collapsed",
                )
        return None

    def warning(self, progress: Progress) -> str | None:
        """A tower that is partly dead, or dead while the model improves without it."""
        for config, checks, tower in self._towers(progress):
            max_active = max(report.active_units[tower] for report in checks)
            unused = all(report.shuffle_cost[tower] < PARTIAL_COST for report in checks)
            if unused and max_active < self.partial_share * config.latent_dim:
                return f"partial collapse: {describe_tower(config, checks, tower)}"
        return None

    def _towers(self, progress: Progress) -> Iterator[tuple[VaeConfig, list[EpochReport], str]]:
        """Each tower with the checks to judge it by; none until there are enough checks."""
        if not isinstance(progress.config, VaeConfig):
            return
        checks = settled_epochs(progress.config, progress.reports)[-self.checks :]
        if len(checks) == self.checks:
            for tower in progress.last.active_units:
                yield progress.config, checks, tower

    def _is_dead(self, config: VaeConfig, report: EpochReport, tower: str) -> bool:
        max_active = max(1, int(self.active_share * config.latent_dim))
        return (
            report.active_units[tower] <= max_active
            and report.shuffle_cost[tower] < self.shuffle_cost
        )

    def _no_better(self, progress: Progress, checks: Sequence[EpochReport]) -> str | None:
        """Why a trial with a dead tower should end; None if it improves and beats the baseline."""
        best, noise = progress.best_by_rmse, self.noise * progress.star
        if best is None:
            return "no validation RMSE is finite"
        if best.val_rmse >= progress.bias_val_rmse - noise:
            return (
                f"validation RMSE {best.val_rmse:.4f} is no better than the bias baseline's "
                f"{progress.bias_val_rmse:.4f}"
            )
        before = [r.val_rmse for r in progress.reports if r.epoch < checks[0].epoch]
        if before and min(report.val_rmse for report in checks) >= min(before) - noise:
            return f"validation RMSE does not improve on {min(before):.4f}"
        return None


def describe_tower(config: VaeConfig, checks: Sequence[EpochReport], tower: str) -> str:
    """The figures of a collapse in one tower over these checks, for a message."""
    last = checks[-1]
    place = "tower" if len(last.active_units) > 1 else "space"
    figures = (
        f"{last.active_units[tower]} of {config.latent_dim} units of the {tower} {place} are "
        f"active in epochs {checks[0].epoch} to {last.epoch}, its KL is "
        f"{last.eval_kl[tower]:.3g} nats, and exchanging its z between ratings costs "
        f"{100 * last.shuffle_cost[tower]:.1f}% of the MSE"
    )
    return f"dead encoder, at a KL weight of 0: {figures}" if last.beta == 0 else figures


def settled_epochs(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    """The epochs in which a dead latent means a collapse, by the KL schedule.

    constant, linear: the KL weight has reached 0.9 of its final value
    cyclical: the epoch ends in the last quarter of a cycle, but not of the first of several
    controller: the raw KL has come near its set point, or crossed it
    """
    return _SETTLED[config.kl_schedule](config, reports)


def _at_full_kl_weight(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    return [report for report in reports if report.beta >= FULL_KL_WEIGHT * config.kl_weight]


def _late_in_cycles(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    """The KL weight rises in the first half of a cycle, and latents may need the third quarter."""
    first = min(1, config.kl_cycles - 1)
    settled = []
    for report in reports:
        cycles = round(report.epoch * config.kl_cycles / config.max_epochs, 9)
        before = ceil(cycles) - 1  # complete when this one began
        if before >= first and cycles - before > LATE:
            settled.append(report)
    return settled


def _from_set_point(config: VaeConfig, reports: Sequence[EpochReport]) -> list[EpochReport]:
    """From the first epoch within a tenth of the set point, or on the other side of it."""
    above = [report.kl > config.kl_target for report in reports]
    for at, report in enumerate(reports):
        is_near = abs(report.kl - config.kl_target) <= NEAR_TARGET * config.kl_target
        if is_near or above[at] != above[0]:
            return list(reports[at:])
    return []


_SETTLED: dict[str, Callable[[VaeConfig, Sequence[EpochReport]], list[EpochReport]]] = {
    "constant": _at_full_kl_weight,
    "linear": _at_full_kl_weight,
    "cyclical": _late_in_cycles,
    "controller": _from_set_point,
}
