"""How far a study has come, as `status --json` prints it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from optuna.trial import FrozenTrial

from ...model.evaluation.metrics import Metric
from ..definition.objective import Target
from ..definition.study_file import StudySpec
from ..prospects.outlook import VERDICT, outlook_figures
from ..running.study_progress import spending, study_state, target_reached
from ..running.study_state import StudyState
from ..storage.studies import STOPPED, star_of
from ..storage.trials import (
    best_trials,
    continued_by,
    count_trials,
    describe_lost,
    trial_record,
    trial_records,
)
from .confirmation.standings import Confirmation
from .edges import edges


def study_status(
    spec: StudySpec,
    trials: Sequence[FrozenTrial],
    state: StudyState,
    attrs: Mapping[str, Any],
    metric: Metric,
) -> dict[str, Any]:
    """The status, but for the checkpoints that are kept.

    Args:
        spec: the study's current file.
        trials: by number, as `read_trials` returns them.
        state: of the same trials.
        attrs: the study's system attributes.
    """
    records = trial_records(trials, metric)
    ranked = best_trials(trials, metric)
    states = Counter(record["state"] for record in records)
    is_stopped = attrs.get(STOPPED) is not None
    notes = ("stopped until the next start" if is_stopped else None, describe_lost(trials))
    confirmed = Confirmation.of(attrs, spec.split, metric).figures
    budget, spent = spec.budget, spending(trials)
    status = {
        "dataset": spec.dataset,
        "total": state.total,
        "done": count_trials(trials),
        "complete": states["complete"],
        "pruned": states["pruned"] - len(continued_by(trials)),  # they count as what followed
        "failed": states["failed"],
        "interrupted": states["interrupted"],
        "running": states["running"],
        "waiting": states["waiting"],
        "stopped": is_stopped,
        "note": "; ".join(filter(None, notes)) or None,
        "metric": metric.name,
        "best": _summary(ranked[0], metric) if ranked else None,
        "confirmed": next(({"number": n, **mean} for n, mean in confirmed.items()), None),
        "warm_start": attrs.get(VERDICT),
        "edges": edges(spec.space, ranked),
        "outlook": outlook_figures(
            attrs,
            spec,
            spent,
            running=states["running"] + states["waiting"] > 0,
            star=star_of(attrs),
        ),
        "target": _target(spec.objective.target, trials),
        "bias_val_rmse": state.progress and state.progress.bias_val_rmse,
        "elapsed_s": spent.seconds,
        "time_left_s": state.seconds_left,
        "epochs": spent.epochs,
        "epochs_saved": state.epochs_saved,
        "cost_usd": budget.cost_usd(spent) if budget else None,
        "budget_spent": budget.exhausted(spent) if budget else None,
        "stops": dict(Counter(r["stop_reason"] for r in records if r["stop_reason"])),
    }
    return {"study": spec.name, "state": study_state(status), **status}


def _summary(trial: FrozenTrial, metric: Metric) -> dict[str, Any]:
    """A trial's number and figures."""
    record = trial_record(trial, metric)
    return {
        **{name: record[name] for name in ("number", "val_rmse", "val_mse")},
        **record["parts"],
        metric.name: record["value"],
    }


def _target(target: Target | None, trials: Sequence[FrozenTrial]) -> dict[str, Any] | None:
    """The target, and whether a trial has reached it."""
    if target is None:
        return None
    return {
        "metric": target.metric,
        "value": target.value,
        "condition": target.condition,
        "reached": target_reached(target, trials),
        "note": target.note,
    }
