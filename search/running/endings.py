"""How a trial ends: its state in Optuna, a word for programs, and a sentence for people.

COMPLETE with the best epoch's value: the last epoch was reached; or a contender, a trial within
noise of the best one, came to a plateau, an overfit gap or the end of its budget. Optuna never
calls a pruned trial its best, and its sampler ranks them below all complete ones.

PRUNED: all else that a rule stops. FAIL: an error, or tried again: interrupted, out of memory.
"""

from __future__ import annotations

from dataclasses import dataclass

from optuna.trial import FrozenTrial, Trial, TrialState

from ...model.config import TrainingConfig, config_to_mapping
from ...model.evaluation.metrics import VAL_RMSE, Metric
from ...model.training.reports import EpochReport
from ...model.training.training import Training
from ..definition.limits import Limit
from ..definition.space import Space
from ..pruners.progress import AT_ITS_END, SPARES_CONTENDERS, Progress, Stop
from ..storage.trials import CONFIG, OUT_OF_MEMORY, best_trials, is_trained_complete
from .second_chances import smaller_batch

KNOWN_LIMIT = "known-limit"


@dataclass(frozen=True)
class Ending:
    """Why a trial ended.

    Attributes:
        stop_reason: one of the design's words; None if the trial ran to its last epoch, repeats an
            earlier one, or failed.
        reason: a sentence with the figures.
    """

    state: TrialState
    stop_reason: str | None
    reason: str


def progress(trial: Trial, run: Training, metric: Metric = VAL_RMSE) -> Progress:
    """The trial so far beside the others of its study."""
    over = [TrialState.COMPLETE, TrialState.PRUNED]
    trials = trial.study.get_trials(deepcopy=False, states=over)
    ahead = best_trials(trials, metric)
    return Progress(
        config=run.config,
        reports=run.reports,
        bias_val_rmse=run.bias_val_rmse,
        incumbent=ahead[0].value if ahead else None,
        ended=[curve(t) for t in trials if is_at_its_end(t) and is_comparable(t, run)],
    )


def is_at_its_end(trial: FrozenTrial) -> bool:
    """Whether nothing better was to come of a trial; be it pruned for being no contender."""
    return is_trained_complete(trial) or (
        trial.state == TrialState.PRUNED and trial.user_attrs.get("stop_reason") in AT_ITS_END
    )


def is_comparable(trial: FrozenTrial, run: Training) -> bool:
    """Whether the curve of a trial says something of this run's: one architecture, one length."""
    config = trial.system_attrs.get(CONFIG, {})
    same = {"architecture": run.config.architecture, "max_epochs": run.config.max_epochs}
    return all(config.get(name) == value for name, value in same.items())


def curve(trial: FrozenTrial) -> list[float]:
    """Validation RMSE by epoch."""
    return [value for _, value in sorted(trial.intermediate_values.items())]


def ending_of(stop: Stop, seen: Progress) -> Ending:
    """Of a trial that a rule stops."""
    if stop.stop_reason not in SPARES_CONTENDERS:
        return Ending(TrialState.PRUNED, stop.stop_reason, stop.reason)
    if is_contender(seen):
        return Ending(TrialState.COMPLETE, stop.stop_reason, stop.reason)
    behind = "" if seen.incumbent is None else f"; the best trial has {seen.incumbent:.4f}"
    return Ending(TrialState.PRUNED, stop.stop_reason, f"{stop.reason}{behind}")


def is_contender(seen: Progress) -> bool:
    """Whether the trial is within noise of the best one so far, or the first to get so far."""
    best = seen.best
    if best is None:
        return False
    return seen.incumbent is None or best.val_rmse <= seen.incumbent + seen.seed_noise


def last_epoch_reached(seen: Progress) -> Ending:
    best = _best(seen)
    return Ending(
        TrialState.COMPLETE,
        None,
        f"ran all {seen.last.epoch} epochs; the best was epoch {best.epoch}"
        if seen.last.epoch > 1
        else "ran its one epoch",
    )


def same_config(earlier: FrozenTrial) -> Ending:
    """Of a trial that is not trained. Args: earlier: the one that was."""
    reason = f"the same config as trial {earlier.number}: not trained again"
    return Ending(TrialState.COMPLETE, None, reason)


def out_of_patience(seen: Progress) -> Stop:
    """Of a training that ended by itself."""
    best = _best(seen)
    return Stop(
        "plateau",
        f"validation RMSE no better than {best.val_rmse:.4f} (epoch {best.epoch}) "
        f"for {seen.config.patience} epochs",
    )


def beyond_limits(limits: list[Limit]) -> Ending:
    """Of a trial that is not trained. Args: limits: those that it violates."""
    which = " and ".join(map(str, limits))
    return Ending(
        TrialState.PRUNED, KNOWN_LIMIT, f"not trained: {which}; start --explore lifts the limits"
    )


def out_of_memory(trial: Trial, config: TrainingConfig, epoch: int, space: Space) -> Ending:
    """FAIL where a smaller batch is tried instead, else PRUNED, its batch size infeasible."""
    at = f"out of memory in epoch {epoch} with batch size {getattr(config, 'batch_size', None)}"
    again = "after_out_of_memory" in trial.user_attrs
    if not again and (chance := smaller_batch(config_to_mapping(config), space)):
        return Ending(TrialState.FAIL, OUT_OF_MEMORY, f"{at}; {chance.change} is tried instead")
    trial.set_constraint(OUT_OF_MEMORY, 1.0)
    why = "for the second time" if again else "and the space has no smaller one"
    return Ending(TrialState.PRUNED, OUT_OF_MEMORY, f"{at}, {why}")


def _best(seen: Progress) -> EpochReport:
    assert seen.best is not None, "a report that is not finite ends a trial at once"
    return seen.best
