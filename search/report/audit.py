"""The audit of the pruners: what a sample of the stopped trials would have reached.

Each result is a system attribute of the study, `recsys_search:audit:7` for trial 7, written as soon
as it is known. Trials are drawn in an order that depends on nothing but the study's name and their
numbers: a larger audit contains a smaller one.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from hashlib import sha256
from typing import Any, NamedTuple, Self

from scipy.stats import binomtest

from ...base.interrupts import Interrupts
from ...data.sets.loading import load_ratings
from ...data.sets.prepared_splits import open_split
from ...errors import NothingYet, OptionError
from ...model.architectures.configs import config_from_mapping
from ...model.evaluation.metrics import Metric
from ...model.training.device import resolve_device
from ..results.confirmation.retraining import Retrainer
from ..results.study_data import StudyData, TrialData
from ..running.events import Listener, Notice, StudyStarted, broadcast, ignore, notifier
from ..running.opening import check_same_ratings
from ..storage.access import check_can_write
from ..storage.database import writable_storage
from ..storage.locks import study_lock
from ..storage.studies import read_study_id

AUDIT = "recsys_search:audit"


@dataclass(frozen=True, kw_only=True)
class Audited:
    """A stopped trial that was trained to its end.

    Attributes:
        value: the metric's best value; None if the training diverged.
        epochs: that the training took.
    """

    value: float | None
    epochs: int

    @classmethod
    def of(cls, attrs: Mapping[str, Any]) -> dict[int, Self]:
        """The results among a study's system attributes, by the trials' numbers."""
        return {
            int(key.rsplit(":", 1)[1]): cls(**value)
            for key, value in attrs.items()
            if key.startswith(f"{AUDIT}:")
        }


@dataclass(frozen=True)
class Saving:
    """What one rule has stopped.

    Attributes:
        completed: those of its trials that were contenders and count as completed.
        epochs: that its trials trained.
        saved: epochs that they would have trained until `max_epochs`; at most, because patience
            might have ended them before.
    """

    rule: str
    trials: int
    completed: int
    epochs: int
    saved: int


def stopped_trials(study: StudyData) -> list[TrialData]:
    """The trials that a rule has stopped after at least one epoch, by number."""
    return [
        each for each in study.attempts if each.record["state"] == "pruned" and each.trained_epochs
    ]


def savings(study: StudyData) -> list[Saving]:
    """What each rule has saved, the most first."""
    groups: dict[str, list[TrialData]] = {}
    for trial in study.attempts:
        rule = trial.record["stop_reason"]
        if rule and trial.record["state"] in ("pruned", "complete") and trial.trained_epochs:
            groups.setdefault(rule, []).append(trial)
    found = [
        Saving(
            rule,
            len(group),
            sum(each.record["state"] == "complete" for each in group),
            sum(each.record["epochs"] for each in group),
            sum(max(0, _max_epochs(each) - each.record["epochs"]) for each in group),
        )
        for rule, group in groups.items()
    ]
    return sorted(found, key=lambda saving: -saving.saved)


def changed_outcome(study: StudyData, results: Mapping[int, Audited]) -> list[int]:
    """The audited trials that would have been better than the study's best, by number."""
    best = study.status["best"]
    return sorted(
        number
        for number, each in results.items()
        if each.value is not None
        and (best is None or study.metric.is_better(each.value, best[study.metric.name]))
    )


def share_interval(n_changed: int, n: int) -> tuple[float, float]:
    """The exact 95% interval of a share, after Clopper and Pearson 1934."""
    interval = binomtest(n_changed, n).proportion_ci(method="exact")
    return float(interval.low), float(interval.high)


def audit(
    name: str | None,
    storage_url: str,
    trials: int,
    *,
    dataset: str | None = None,
    device: str = "auto",
    listener: Listener = ignore,
) -> dict[int, Audited]:
    """Train stopped trials, drawn at random, to their end; those of earlier audits count.

    Each is trained from the start with its own seed on the study's split, as it would have been
    trained had no rule stopped it. Signals work as in `run_study`: what was trained stays.

    Args:
        name: of the study; may be None if the storage holds only one.
        trials: how many; fewer if fewer were stopped.
        dataset: where the study's ratings are now, if they have moved.

    Returns:
        The results of all audits.

    Raises:
        OptionError: `trials` is below 1.
        NothingYet: no trial was stopped.
        StudyError: no such study, or its ratings have changed.
        KeyboardInterrupt, SystemExit: as in `run_study`.
    """
    if trials < 1:
        raise OptionError(f"the number of trials to audit must be at least 1, got {trials}")
    resolve_device(device)
    listener = broadcast(listener)
    interrupts = Interrupts(notifier(listener))
    study = StudyData.read(storage_url, name, with_reports=False)
    check_can_write(storage_url)
    chosen = draw(study.spec.name, stopped_trials(study), trials)
    if not chosen:
        raise NothingYet(f"no rule has stopped a trial of {study.spec.name}: nothing to audit")
    results = Audited.of(study.attrs)
    missing = [each for each in chosen if each.number not in results]
    spec = study.spec.model_copy(update={"dataset": dataset or study.spec.dataset})
    ratings = load_ratings(spec.dataset, options=spec.read_options)
    check_same_ratings(spec, study.fingerprint, ratings.fingerprint)
    split = open_split(ratings, spec.split)
    with study_lock(storage_url, spec.name), writable_storage(storage_url) as storage:
        study_id = read_study_id(spec.name, storage)
        listener(StudyStarted(spec, study.status["done"]))
        listener(Notice(_describe_plan(chosen, missing, len(stopped_trials(study)))))
        with interrupts.caught():
            retrainer = Retrainer(study.metric, device, listener, interrupts)
            for trial in missing:
                config = config_from_mapping(trial.config)
                report, epochs = retrainer.train(trial.number, "audit", config, split)
                value = None if report is None else study.metric.of(report)
                result = results[trial.number] = Audited(value=value, epochs=epochs)
                key = f"{AUDIT}:{trial.number}"
                storage.set_study_system_attr(study_id, key, asdict(result))
                listener(Notice(describe_result(trial, result, study.metric)))
    interrupts.leave()
    return results


def draw(study: str, stopped: Iterable[TrialData], n: int) -> list[TrialData]:
    """`n` of the stopped trials, drawn at random and without their values; all if there are fewer.

    Args:
        study: its name.
    """

    def place(trial: TrialData) -> bytes:
        return sha256(f"{study}:{trial.number}".encode()).digest()

    return sorted(stopped, key=place)[:n]


class Forecast(NamedTuple):
    """What a stopped trial was expected to reach, in units of the metric."""

    value: float
    sd: float


def forecasts(study: StudyData) -> dict[int, Forecast]:
    """The forecasts that importance and the surrogate learn from, by the trials' numbers."""
    metric, star = study.metric, study.star
    return {
        each.number: Forecast(
            metric.value_of(each.level, star), abs(metric.value_of(each.sd, star))
        )
        for each in study.outcomes
        if each.sd > 0 and not each.is_sick
    }


def n_within(results: Mapping[int, Audited], expected: Mapping[int, Forecast]) -> tuple[int, int]:
    """How many audited trials ended within two standard deviations of their forecast; of how many.

    Trials without a forecast, and those that diverged, do not count.
    """
    distances = [
        abs(each.value - expected[number].value) / expected[number].sd
        for number, each in results.items()
        if each.value is not None and number in expected
    ]
    return sum(distance <= 2 for distance in distances), len(distances)


def describe_result(
    trial: TrialData, result: Audited, metric: Metric, forecast: Forecast | None = None
) -> str:
    """What the trial reaches, and what it had reached and was expected to when it was stopped."""
    end = "diverged" if result.value is None else f"ends at {metric.format(result.value)}"
    value, epochs = trial.record["value"], "epoch" if result.epochs == 1 else "epochs"
    expected = ""
    if forecast:
        mean, sd = (metric.format(each) for each in forecast)
        expected = f", with a forecast of {mean} ± {sd}"
    stopped_at = "" if value is None else f" at {metric.format(value)}"  # None: it diverged
    return (
        f"trial {trial.number} {end} after {result.epochs} {epochs}; {trial.ending} stopped it"
        f"{stopped_at} after {trial.record['epochs']}{expected}"
    )


def _describe_plan(
    chosen: Sequence[TrialData], missing: Sequence[TrialData], n_stopped: int
) -> str:
    at_most = sum(map(_max_epochs, missing))
    return (
        f"training {len(chosen)} of {n_stopped} stopped trials to their end: "
        f"{len(chosen) - len(missing)} are done, the others take at most {at_most} epochs"
    )


def _max_epochs(trial: TrialData) -> int:
    epochs: int = trial.config.get("max_epochs", 1)
    return epochs
