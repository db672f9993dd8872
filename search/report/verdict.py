"""What a study has found, how certain that is, and what it cost, in two sentences."""

from __future__ import annotations

from ...base.messages import format_seconds
from ..results.sentences import describe_confirmed
from ..results.study_data import StudyData, TrialData
from ..running.study_progress import has_ended
from .audit import stopped_trials


def verdict(study: StudyData) -> tuple[str, str]:
    """Which config won, by how much and how sure that is; and what the search cost."""
    return _describe_winner(study), _describe_search(study)


def describe_end(study: StudyData) -> str:
    """How many trials the study ran, and why it has ended; or that it has not."""
    status = study.status
    done, total, state = status["done"], status["total"], status["state"]
    if state == "done":
        return "ran its one trial" if total == 1 else f"ran all {total} trials"
    ran = f"ran {done} of {total} trials and"
    if state == "finished":
        return f"{ran} ended by itself, because the others were unlikely to improve the best"
    if state == "target reached":
        return f"{ran} ended when the target was reached"
    if status["budget_spent"]:
        return f"{ran} ended because {status['budget_spent']}"
    return f"{ran} is {state}"


def first_known(study: StudyData) -> TrialData | None:
    """The completed trial of the study's first known config: what a person would have trained."""
    names = [entry["name"] for entry in study.spec.known]
    tried = [each for each in study.completed if each.record["known_config"] in names]
    return min(tried, key=lambda each: names.index(each.record["known_config"]), default=None)


def _describe_winner(study: StudyData) -> str:
    best, metric = study.best, study.metric
    if best is None:
        return f"No trial of {study.spec.name} has completed, so it has no winner yet."
    value = metric.format(best.record["value"])
    verb = "won" if has_ended(study.status) else "leads"
    who = f"Trial {best.number} ({best.config['architecture']})"
    text = f"{who} {verb} with {metric.label} {value}"
    bias = study.status["bias_val_rmse"]
    if bias is not None:
        ahead = bias - best.record["val_rmse"]
        side = "below" if ahead > 0 else "above"
        rmse, mse = best.record["val_rmse"], best.record["val_mse"]
        figures = f"MSE {mse:.4f}" if metric.name == "val_rmse" else f"RMSE {rmse:.4f}"
        text += f" ({figures}), {abs(ahead):.4f} {side} the RMSE {bias:.4f} of the bias baseline"
    confirmed = study.status["confirmed"]
    if confirmed and confirmed["number"] == best.number:
        return f"{text}; {describe_confirmed(confirmed, metric)}{_describe_ties(study)}."
    return f"{text}{_describe_unconfirmed(study, best)}."


def _describe_ties(study: StudyData) -> str:
    """The trials whose distance from the leader may be chance."""
    ties = [str(row["number"]) for row in study.confirmation if row["tie"]]
    return f"; a tie with trial {', '.join(ties)}" if ties else ""


def _describe_unconfirmed(study: StudyData, best: TrialData) -> str:
    known, metric = first_known(study), study.metric
    text = ""
    if known and known.number != best.number:
        ahead = metric.cost(known.record["value"]) - metric.cost(best.record["value"])
        name = known.record["known_config"]
        text = f", and better than the known config {name} by {metric.format(ahead)}"
    elif known:
        text = f", and is the known config {known.record['known_config']}"
    return f"{text}; this is one training on one split: confirm it before you rely on it"


def _describe_search(study: StudyData) -> str:
    status = study.status
    n_stopped = len(stopped_trials(study))
    cost = [f"{status['epochs']:,} epochs", format_seconds(status["elapsed_s"])]
    if status["cost_usd"] is not None:
        cost.append(f"{status['cost_usd']:.2f} USD")
    failed = f", {status['failed']} failed" if status["failed"] else ""
    trials = "trial" if n_stopped == 1 else "trials"
    share = status["epochs_saved"]
    saved = f", which saved {share:.0%} of the epochs" if share else ""
    return (
        f"The search {describe_end(study)}; it cost {', '.join(cost)}, and stopped "
        f"{n_stopped} {trials} early{failed}{saved}."
    )
