"""How a trial ends: its state in Optuna, a stop reason for programs, a sentence for people.

COMPLETE, with the best epoch's value: the trial ran to its last epoch or reuses a result; or it is
a contender (within noise of the best trial) and ended on a plateau, an overfit gap or a budget.
Optuna never calls a pruned trial its best, and TPE ranks pruned trials below all complete ones.

PRUNED: anything else that a rule stops, a config beyond the study's limits, or out of memory with
no smaller batch to try. FAIL: an error, or to be run again (interrupted, out of memory).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from optuna.trial import FrozenTrial, Trial, TrialState

from ...base.messages import format_error
from ...model.config import TrainingConfig, config_to_mapping
from ...model.evaluation.metrics import Metric
from ...model.training.reports import EpochReport, best_report
from ..definition.limits import Limit
from ..definition.space import Space
from ..pruners.rule import Kind, Progress, Stop
from ..pruners.table import kind_of
from ..storage.trials import GPU_NEIGHBOURS, INTERRUPTED, OUT_OF_MEMORY
from .second_chances import alone_on_gpu, next_to, smaller_batch

KNOWN_LIMIT = "known-limit"


@dataclass(frozen=True)
class Ending:
    """Why a trial ended.

    Attributes:
        stop_reason: such as `plateau`; None if the trial ran to its last epoch, repeats an earlier
            one, or failed with an error.
        reason: a sentence with the figures.
        brief: the reason in at most four words, for tables; None for the words of `stop_reason`.
    """

    state: TrialState
    stop_reason: str | None
    reason: str
    brief: str | None = None


def stopped(stop: Stop, progress: Progress) -> Ending:
    """The ending of a trial that a rule stops."""
    if stop.kind not in (Kind.EXHAUSTED, Kind.CUT_SHORT):
        return Ending(TrialState.PRUNED, stop.stop_reason, stop.reason, stop.brief)
    if is_contender(progress):
        return Ending(TrialState.COMPLETE, stop.stop_reason, stop.reason, stop.brief)
    reason = stop.reason
    if progress.incumbent is not None:
        reason += f"; the best trial has {progress.format(progress.incumbent)}"
    return Ending(TrialState.PRUNED, stop.stop_reason, reason, stop.brief)


def is_frozen(state: TrialState, stop_reason: str | None) -> bool:
    """Whether a trial was pruned although its training was sound, so that it could go on."""
    return state == TrialState.PRUNED and kind_of(stop_reason) not in (None, Kind.SICK)


def is_contender(progress: Progress) -> bool:
    """Whether the trial is within noise of the best one, or no other has completed yet."""
    level, incumbent = progress.best_level, progress.incumbent_level
    if level is None:
        return False
    return incumbent is None or level <= incumbent + progress.seed_noise


def last_epoch_reached(progress: Progress) -> Ending:
    epochs = progress.last.epoch
    if epochs == 1:
        return Ending(TrialState.COMPLETE, None, "ran its one epoch", "its one epoch")
    reason = f"ran all {epochs} epochs; the best was epoch {_best(progress).epoch}"
    return Ending(TrialState.COMPLETE, None, reason, f"all {epochs} epochs")


def same_config(earlier: FrozenTrial) -> Ending:
    """The ending of a trial that is not trained, because an earlier one had the same config."""
    reason = f"the same config as trial {earlier.number}: not trained again"
    return Ending(TrialState.COMPLETE, None, reason, f"same as trial {earlier.number}")


def out_of_patience(progress: Progress) -> Stop:
    """The stop of a training that ran out of patience."""
    metric, best = progress.metric, _best(progress)
    value = progress.format(metric.of(best))
    reason = (
        f"{metric.label} no better than {value} (epoch {best.epoch}) "
        f"for {progress.config.patience} epochs"
    )
    return Stop("plateau", reason, Kind.EXHAUSTED, brief=f"plateau at {value}")


def beyond_limits(limits: list[Limit]) -> Ending:
    """The ending of a trial that is not trained, because it exceeds these limits."""
    which = " and ".join(map(str, limits))
    reason = f"not trained: {which}; start --explore lifts the limits"
    brief = f"{limits[0].name} too high" if len(limits) == 1 else f"{len(limits)} limits exceeded"
    return Ending(TrialState.PRUNED, KNOWN_LIMIT, reason, brief)


def out_of_memory(
    trial: Trial, config: TrainingConfig, epoch: int, space: Space, neighbours: int = 0
) -> Ending:
    """FAIL if the trial is tried again, alone on its GPU or with a smaller batch; else PRUNED, and
    its config is infeasible.

    Args:
        neighbours: trials that trained on the same GPU.
    """
    batch_size = getattr(config, "batch_size", None)
    what = f"out of memory in epoch {epoch} with batch size {batch_size}"
    if neighbours:
        trial.set_user_attr(GPU_NEIGHBOURS, neighbours)
        what = f"{what} {next_to(neighbours)}; it is tried again {alone_on_gpu(neighbours).change}"
        return Ending(TrialState.FAIL, OUT_OF_MEMORY, what)
    is_second_time = "after_out_of_memory" in trial.user_attrs
    if not is_second_time and (chance := smaller_batch(config_to_mapping(config), space)):
        return Ending(TrialState.FAIL, OUT_OF_MEMORY, f"{what}; {chance.change} is tried instead")
    trial.set_constraint(OUT_OF_MEMORY, 1.0)
    why = "for the second time" if is_second_time else "and the space has no smaller one"
    return Ending(TrialState.PRUNED, OUT_OF_MEMORY, f"{what}, {why}")


def interrupted(why: str, when: str) -> Ending:
    """The ending of a trial that is to be run again.

    Args:
        why: such as `Ctrl-C`.
        when: such as `in epoch 3`, two or three words.
    """
    return Ending(TrialState.FAIL, INTERRUPTED, f"{why} {when}", f"stopped {when}")


def failed(error: Exception) -> Ending:
    """The ending of a trial that an error ended."""
    return Ending(TrialState.FAIL, None, format_error(error), type(error).__name__)


def record_ending(
    trial: Trial, ending: Ending, reports: Sequence[EpochReport], metric: Metric, lost: str
) -> None:
    """Store how a trial ended; its reason is last, so that a trial with a reason is complete.

    Args:
        lost: what of the trial could not be stored, to be added to the reason.
    """
    trial.set_user_attr("epochs", len(reports))
    trial.set_user_attr("train_s", round(sum(report.train_s for report in reports), 3))
    if best := best_report(reports, metric):
        for name in metric.recorded:
            trial.set_user_attr(name, best.metric(name))
        trial.set_user_attr("best_epoch", best.epoch)
    for name in ("stop_reason", "brief"):
        if (value := getattr(ending, name)) is not None:
            trial.set_user_attr(name, value)
    trial.set_user_attr("reason", f"{ending.reason}{lost}")


def _best(progress: Progress) -> EpochReport:
    assert progress.best is not None, "a report that is not finite ends a trial at once"
    return progress.best


class InterruptedTrial(Exception):  # noqa: N818 - not an error
    """The trial was interrupted or ran out of memory, and is to be run again."""


class FailedTrial(Exception):  # noqa: N818 - its cause is the error
    """The trial failed with an error of its own: the study goes on."""
