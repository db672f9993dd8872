"""How far a study has come: what its trials have cost, and whether its target is reached."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from optuna.trial import FrozenTrial, TrialState

from ..definition.budget import Spending
from ..definition.objective import Target
from .ended_trials import EndedTrials, Span, spans, trained_epochs


def study_state(status: dict[str, Any]) -> str:
    """The study's state in a word or two.

    Args:
        status: as `status --json` prints it, but for this.
    """
    if status["running"]:
        return "running"
    if status["target"] and status["target"]["reached"]:
        return "target reached"
    if status["done"] >= status["total"]:
        return "done"
    if status["outlook"] and status["outlook"]["finished"]:
        return "finished"
    return "stopped" if status["stopped"] else "paused"


def target_reached(target: Target | None, trials: Iterable[FrozenTrial]) -> bool:
    """Whether a completed trial is better than the target."""
    return target is not None and any(
        trial.state == TrialState.COMPLETE
        and target.is_reached(trial.user_attrs.get(target.metric))
        for trial in trials
    )


def spending(trials: Iterable[FrozenTrial], ended: EndedTrials | None = None) -> Spending:
    """What all trials have cost, including those that are running, failed, or were retried.

    Epochs that a resumed trial takes over from an earlier attempt count once.

    Args:
        ended: of the same study, if the caller asks repeatedly; the trials are added to it.
    """
    trials, ended = list(trials), ended or EndedTrials()
    ended.add(trials)
    running = [trial for trial in trials if not trial.state.is_finished()]
    epochs = ended.epochs + sum(map(trained_epochs, running))
    return Spending(epochs, elapsed_s([*ended.spans, *spans(running)]))


def elapsed_s(spans: Iterable[Span]) -> float:
    """Wall-clock seconds in which at least one trial ran; time between starts does not count."""
    total_s, until = 0.0, 0.0
    for start, end in sorted(spans):
        if end > until:
            total_s += end - max(start, until)
            until = end
    return round(total_s, 1)
