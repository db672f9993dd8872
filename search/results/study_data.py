"""A study at one moment, with all that its figures and its report are made from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from math import isfinite
from typing import Any, Self

import numpy as np
from optuna.trial import FrozenTrial

from ...model.evaluation.metrics import Metric
from ...model.training.reports import EpochReport
from ..definition.study_file import StudySpec
from ..prospects.outcomes import Outcome, outcomes
from ..prospects.surrogate import MIN_OUTCOMES, Surrogate, fit_surrogate
from ..running.ended_trials import ended_at, trained_epochs
from ..running.study_progress import disjoint
from ..storage.artifacts import artifact_store, download_reports
from ..storage.studies import star_of
from ..storage.trials import CONFIG, ENVIRONMENT, REMOVED, WORKER, is_counted, trial_records
from .reader import StudyReader


@dataclass(frozen=True)
class TrialData:
    """A trial that has started.

    Attributes:
        record: as `trials --json` prints it.
        params: Optuna's parameters.
        config: by field.
        curve: epoch -> the metric's value, where it is finite.
        reports: one for each epoch; empty while the trial runs, or if they are elsewhere.
        started_at, ended_at: seconds since 1970; a running trial ends now.
        trained_epochs: without those that it takes over from an earlier attempt.
        is_counted: whether it has ended and counts towards the study's total.
        worker: host and process that ran it; None for a trial of an earlier version.
        environment: versions, commit, device.
    """

    record: Mapping[str, Any]
    params: Mapping[str, Any]
    config: Mapping[str, Any]
    curve: Mapping[int, float]
    reports: Sequence[EpochReport]
    started_at: float
    ended_at: float
    trained_epochs: int
    is_counted: bool
    worker: tuple[str, int] | None
    environment: Mapping[str, Any]

    @property
    def number(self) -> int:
        number: int = self.record["number"]
        return number

    @property
    def ending(self) -> str:
        """The stop reason of a pruned trial, otherwise the state."""
        if self.record["state"] == "pruned":
            return str(self.record["stop_reason"] or "pruned")
        return str(self.record["state"])


@dataclass(frozen=True, eq=False)
class StudyData:
    """A study at one moment.

    Attributes:
        status: as `status --json` prints it.
        trials: by number, without those that are queued or removed.
        outcomes: where each trial ended or would have, in stars; see `prospects.outcomes`.
        star: what a star is worth in the ratings' units.
        fingerprint: of the ratings.
        url: of the storage.
        confirmation: as `confirm --json` prints it; empty before it.
        attrs: the study's system attributes.
    """

    spec: StudySpec
    metric: Metric
    status: Mapping[str, Any]
    trials: Sequence[TrialData]
    outcomes: Sequence[Outcome]
    star: float
    fingerprint: str
    url: str
    confirmation: Sequence[Mapping[str, Any]]
    attrs: Mapping[str, Any]

    @classmethod
    def read(cls, storage_url: str, name: str | None = None, *, with_reports: bool = True) -> Self:
        """Read a study.

        Args:
            name: may be None if the storage holds only one study.
            with_reports: read the trials' epoch reports, which are a file each.

        Raises:
            NothingYet: the storage does not exist yet, or holds no studies.
            StorageError: the storage cannot be read.
            StudyError: no such study, or several to choose from.
        """
        return cls.of(StudyReader(storage_url, name), with_reports=with_reports)

    @classmethod
    def of(cls, reader: StudyReader, *, with_reports: bool = True) -> Self:
        """What a reader reads. Args: with_reports: as for `read`."""
        frozen, attrs = reader.frozen_trials(), reader.system_attrs()
        star = star_of(attrs)
        store = artifact_store(reader.url) if with_reports else None
        records = trial_records(frozen, reader.metric)
        return cls(
            spec=reader.spec,
            metric=reader.metric,
            # Of these trials: one that has started since may be the best by now.
            status=reader.progress(frozen),
            trials=[
                _trial_data(
                    trial,
                    record,
                    download_reports(store, trial, reader.storage) if store else [],
                )
                for trial, record in zip(frozen, records, strict=True)
                if trial.datetime_start and record["state"] != REMOVED
            ],
            outcomes=outcomes(frozen, reader.metric, star),
            star=star,
            fingerprint=reader.fingerprint,
            url=reader.url,
            confirmation=reader.confirmation(),
            attrs=attrs,
        )

    @cached_property
    def attempts(self) -> list[TrialData]:
        """The trials without those that a later one goes on from, which has their epochs too."""
        replaced = {each.record[name] for each in self.trials for name in ("retry_of", "continues")}
        return [each for each in self.trials if each.number not in replaced]

    @cached_property
    def completed(self) -> list[TrialData]:
        """The trials that completed by their own training, in the order in which they ended."""
        found = [
            each
            for each in self.trials
            if each.record["state"] == "complete" and each.record["same_as"] is None
        ]
        return sorted(found, key=lambda each: each.ended_at)

    @cached_property
    def ranked(self) -> list[TrialData]:
        """The completed trials, best value first."""

        def rank(trial: TrialData) -> tuple[float, int]:
            return self.metric.cost(trial.record["value"]), trial.number

        return sorted(self.completed, key=rank)

    @cached_property
    def best(self) -> TrialData | None:
        """The trial that `best` shows: the confirmed leader, otherwise the best completed one."""
        if self.confirmation and self.confirmation[0]["mean"] is not None:
            return self.trial(self.confirmation[0]["number"])
        summary = self.status["best"]
        return self.trial(summary["number"]) if summary else None

    @cached_property
    def surrogate(self) -> Surrogate | None:
        """What any config would reach, learned from all trials; None if there are too few."""
        if len(self.outcomes) < MIN_OUTCOMES:
            return None
        return fit_surrogate(self.spec.space, self.outcomes)

    def outcomes_of(self, architecture: str) -> list[Outcome]:
        """The outcomes of one architecture's trials."""
        only = self.spec.architectures[0]  # where no axis sets it
        return [
            each for each in self.outcomes if each.params.get("architecture", only) == architecture
        ]

    def trial(self, number: int) -> TrialData:
        return next(each for each in self.trials if each.number == number)

    def busy_s(self, times: Sequence[float]) -> np.ndarray[Any, np.dtype[np.float64]]:
        """Seconds in which at least one trial ran until each of these times.

        Args:
            times: seconds since 1970.
        """
        ends, total = [(0.0, 0.0)], 0.0
        for start, end in disjoint((each.started_at, each.ended_at) for each in self.trials):
            ends += [(start, total), (end, total := total + end - start)]
        at, seconds = zip(*ends, strict=True)
        return np.interp(times, at, seconds)


def _trial_data(
    trial: FrozenTrial, record: Mapping[str, Any], reports: Sequence[EpochReport]
) -> TrialData:
    assert trial.datetime_start is not None
    worker = trial.system_attrs.get(WORKER)
    return TrialData(
        record=record,
        params=trial.params,
        config=trial.system_attrs.get(CONFIG, {}),
        curve={
            epoch: value
            for epoch, value in sorted(trial.intermediate_values.items())
            if isfinite(value)
        },
        reports=reports,
        started_at=trial.datetime_start.timestamp(),
        ended_at=ended_at(trial, trial.datetime_start).timestamp(),
        trained_epochs=trained_epochs(trial),
        is_counted=is_counted(trial),
        worker=worker and (worker["host"], worker["pid"]),
        environment=trial.system_attrs.get(ENVIRONMENT, {}),
    )
