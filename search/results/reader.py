"""Reads a study, mostly as the plain values that `--json` prints. Nothing is written."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import optuna
from optuna.trial import FrozenTrial

from ...errors import StudyError
from ...model.architectures.configs import config_from_mapping
from ...model.evaluation.metrics import Metric
from ...model.evaluation.weighted import find_metric
from ...model.runs.experiment import Experiment
from ...model.training.reports import EpochReport
from ..definition.study_file import StudySpec, spec_from_json
from ..running.checkpoint_folders import count_kept
from ..running.study_state import StudyState
from ..samplers.grid import study_total
from ..storage.artifacts import artifact_store, checkpoint_folder, download_reports
from ..storage.database import no_studies, readable_storage
from ..storage.studies import (
    FINGERPRINT,
    SPEC,
    check_exists,
    read_stored_specs,
)
from ..storage.trials import (
    CONFIG,
    ENVIRONMENT,
    REMOVED,
    best_trials,
    find_trial,
    is_removed,
    read_trials,
    trial_record,
    trial_records,
)
from ..storage.urls import redact
from .confirmation.standings import Confirmation
from .ranking import Ranking, best_record, confirmation_records, no_completed_trial
from .status import study_status


class StudyReader:
    """One study; each call reads its current state.

    Attributes:
        spec: the study file, with the overrides of the latest start.
        metric: what the study optimises.
        url, storage: where the study is.
    """

    def __init__(self, storage_url: str, name: str | None = None) -> None:
        """Args: name: may be None if the storage holds only one study.

        Raises:
            NothingYet: the storage does not exist yet, or holds no studies.
            StorageError: the storage cannot be read.
            StudyError: no such study, or several to choose from.
        """
        self.url = storage_url
        self.storage = readable_storage(storage_url)
        specs = read_stored_specs(self.storage)
        if not specs:
            raise no_studies(storage_url)
        if name is None and len(specs) == 1:
            name = next(iter(specs))
        if not name:
            raise StudyError(
                f"no study given; name one with --study; {redact(storage_url)} holds: "
                f"{', '.join(sorted(specs))}"
            )
        check_exists(name, specs, storage_url)
        self._stored_spec = specs[name]
        self.spec: StudySpec = spec_from_json(self._stored_spec)
        self.metric: Metric = find_metric(self.spec.objective.metric)
        self._study = optuna.load_study(study_name=name, storage=self.storage)

    @property
    def bias_val_rmse(self) -> float | None:
        """Validation RMSE of the bias baseline; None before the first training."""
        return self._study.user_attrs.get("bias_val_rmse")

    @property
    def fingerprint(self) -> str:
        """Fingerprint of the ratings that the study was created on."""
        return str(self.system_attrs()[FINGERPRINT])

    def frozen_trials(self) -> list[FrozenTrial]:
        """All trials by number, as Optuna reads them; the dead ones as interrupted."""
        return read_trials(self._study, self.storage)

    def system_attrs(self) -> dict[str, Any]:
        return self.storage.get_study_system_attrs(self._study._study_id)

    def status(self) -> dict[str, Any]:
        """How far the study has come, as `status --json` prints it."""
        kept = count_kept(self._study, self.spec, checkpoint_folder(self.url))
        return {**self.progress(), "kept_checkpoints": kept}

    def progress(self, trials: list[FrozenTrial] | None = None) -> dict[str, Any]:
        """The status without what is in the folder of the artifacts.

        Args:
            trials: those of `frozen_trials`, if they have been read.
        """
        trials = trials or self.frozen_trials()
        state = self._state(trials)
        return study_status(self.spec, trials, state, self.system_attrs(), self.metric)

    def trials(self, state: str | None = None) -> list[dict[str, Any]]:
        """The trials as `trials --json` prints them: those in one state.

        Without a state, all but those that are queued or removed.
        """
        records = trial_records(self.frozen_trials(), self.metric)
        if state is None:
            return [record for record in records if record["state"] not in ("waiting", REMOVED)]
        return [record for record in records if record["state"] == state]

    def curves(self) -> dict[int, dict[int, float]]:
        """The curve of each trial that has trained: epoch -> the metric's value."""
        trials = self.frozen_trials()
        return {t.number: t.intermediate_values for t in trials if t.intermediate_values}

    def state(self) -> StudyState:
        """The study, by its current file, as a live view shows it; cheap to ask again and again."""
        if (stored := self.system_attrs()[SPEC]) != self._stored_spec:
            self._stored_spec, self.spec = stored, spec_from_json(stored)
        return self._state(self.frozen_trials())

    def _state(self, trials: Sequence[FrozenTrial]) -> StudyState:
        spec = self.spec.model_copy(update={"trials": study_total(self.spec, trials)})
        return StudyState.stored(spec, trials, self.bias_val_rmse)

    def show(self, number: int) -> dict[str, Any]:
        """One trial: its record, its config, and its epoch reports."""
        trial = self._trial(number)
        return {
            **trial_records(self.frozen_trials(), self.metric)[number],
            "environment": trial.system_attrs.get(ENVIRONMENT),
            "bias_val_rmse": self.bias_val_rmse,
            "reports": self.reports(number),
        }

    def reports(self, number: int) -> list[EpochReport]:
        """As `download_reports` returns them."""
        return download_reports(artifact_store(self.url), self._trial(number), self.storage)

    def ranking(self) -> Ranking:
        """The completed trials, best first.

        Raises:
            NothingYet: no trial has completed.
        """
        ranked = best_trials(self.frozen_trials(), self.metric)
        if not ranked:
            raise no_completed_trial(self.spec.name, self.url)
        return Ranking(ranked, self._confirmation(), self.metric)

    def best(self, top: int = 1) -> list[dict[str, Any]]:
        """The best trials as `best --json` prints them: confirmed ones first.

        Raises:
            NothingYet: no trial has completed.
        """
        return self.ranking().records(top)

    def candidate(self, number: int) -> dict[str, Any]:
        """Any trial that has started, as `best --trial N --json` prints it.

        Raises:
            StudyError: no such trial, or it never started.
        """
        trial = self._started_trial(number)
        return best_record(trial, self._confirmation(), self.metric)

    def confirmation(self) -> list[dict[str, Any]]:
        """What `confirm --json` prints: leader first, and last the trials that diverged."""
        return confirmation_records(self.frozen_trials(), self._confirmation(), self.metric)

    def experiment(self, number: int | None = None) -> Experiment:
        """A trial's config with all it takes to train it again.

        Args:
            number: of the trial. [default: the best one]

        Raises:
            NothingYet: no trial has completed.
            StudyError: no such trial, or it never started.
        """
        trial = self.ranking().top()[0] if number is None else self._started_trial(number)
        record = trial_record(trial, self.metric)
        return Experiment(
            config=config_from_mapping(trial.system_attrs[CONFIG]),
            dataset=self.spec.dataset,
            read_options=self.spec.read_options,
            split=self.spec.split,
            metric=self.metric.name,
            fingerprint=self.fingerprint,
            origin={"study": self.spec.name, "trial": trial.number, **_incomplete(record)},
            metrics={
                **_select(record, "val_rmse", "val_mse"),
                **record["parts"],
                self.metric.name: record["value"],
                "bias_val_rmse": self.bias_val_rmse,
                **_select(record, "best_epoch", "epochs", "train_s"),
                f"confirmed_{self.metric.name}": self._confirmation().figures.get(trial.number),
            },
            environment=trial.system_attrs.get(ENVIRONMENT, {}),
        )

    def _confirmation(self) -> Confirmation:
        return Confirmation.of(self.system_attrs(), self.spec.split, self.metric)

    def _trial(self, number: int) -> FrozenTrial:
        return find_trial(self.frozen_trials(), number, self.spec.name)

    def _started_trial(self, number: int) -> FrozenTrial:
        trial = self._trial(number)
        if CONFIG not in trial.system_attrs:
            why = "was removed" if is_removed(trial) else "never started: it has no config"
            raise StudyError(
                f"trial {number} of {self.spec.name} {why}; choose one that recsys-search trials "
                "lists"
            )
        return trial


def _incomplete(record: dict[str, Any]) -> dict[str, Any]:
    """State and stop reason of a trial that did not complete."""
    if record["state"] == "complete":
        return {}
    return {name: record[name] for name in ("state", "stop_reason") if record[name] is not None}


def _select(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names}
