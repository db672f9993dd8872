"""What a storage holds, for whoever looks at it: plain values, nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import optuna
from optuna.artifacts import download_artifact, get_all_artifact_meta
from optuna.trial import FrozenTrial

from ...errors import ConfigError, NothingYet, StudyError
from ...model.config import config_from_mapping
from ...model.runs.experiment import Experiment
from ...model.training.reports import EpochReport, read_reports
from ..definition.study_file import StudySpec, spec_from_json
from ..running.objective import REPORTS_FILE
from ..running.study_progress import spending, target_reached
from ..storage.artifacts import artifact_store
from ..storage.engines import readable_storage
from ..storage.studies import FINGERPRINT, stored_specs
from ..storage.trials import CONFIG, ENVIRONMENT, best_trials, counts, record_of
from ..storage.urls import redacted
from .confirmations import Confirmation


class StudyReader:
    """One study, as it is at the moment of each call."""

    def __init__(self, storage_url: str, name: str | None = None) -> None:
        """Args: name: may be left out where the storage holds one study.

        Raises:
            StudyError: no storage, no such study, or several to choose from.
        """
        self._url = storage_url
        self._storage = readable_storage(storage_url)
        specs = stored_specs(self._storage)
        if name is None and len(specs) == 1:
            name = next(iter(specs))
        if name is None or name not in specs:
            there = ", ".join(sorted(specs)) or "none yet"
            asked = f"no study named {name!r}" if name else "there is no telling which study"
            at = redacted(storage_url)
            raise StudyError(f"{asked}; name one with --study; {at} holds: {there}")
        self.spec: StudySpec = spec_from_json(specs[name])
        self._study = optuna.load_study(study_name=name, storage=self._storage)

    @property
    def bias_val_rmse(self) -> float | None:
        """Of the bias baseline; None before the first trial."""
        value: float | None = self._study.user_attrs.get("bias_val_rmse")
        return value

    @property
    def fingerprint(self) -> str:
        """Of the ratings that the study was begun on."""
        value: str = self._attrs()[FINGERPRINT]
        return value

    def status(self) -> dict[str, Any]:
        """What `status --json` prints."""
        trials = self._trials()
        records = [record_of(trial) for trial in trials]
        states = Counter(record["state"] for record in records)
        ahead = best_trials(trials)
        confirmed = self._confirmation().figures
        target, budget, spent = self.spec.objective.target, self.spec.budget, spending(trials)
        return {
            "study": self.spec.name,
            "dataset": self.spec.dataset,
            "total": self.spec.trials,
            "done": sum(map(counts, trials)),
            "complete": states["complete"],
            "pruned": states["pruned"],
            "failed": states["failed"],
            "interrupted": states["interrupted"],
            "running": states["running"],
            "waiting": states["waiting"],
            "best": _keys(record_of(ahead[0]), "number", "val_rmse", "val_mse") if ahead else None,
            "confirmed": next(({"number": n, **told} for n, told in confirmed.items()), None),
            "target": target
            and {
                "metric": target.metric,
                "value": target.below,
                "reached": target_reached(target, trials),
                "note": target.note,
            },
            "bias_val_rmse": self.bias_val_rmse,
            "elapsed_s": spent.seconds,
            "epochs": spent.epochs,
            "cost_usd": budget.cost_usd(spent) if budget else None,
            "budget_spent": budget.exhausted(spent) if budget else None,
            "stops": dict(Counter(r["stop_reason"] for r in records if r["stop_reason"])),
        }

    def trials(self, state: str | None = None) -> list[dict[str, Any]]:
        """What `trials --json` prints: all but the queued ones, or those of one state."""
        records = [record_of(trial) for trial in self._trials()]
        wanted = (
            (lambda r: r["state"] != "waiting")
            if state is None
            else (lambda r: r["state"] == state)
        )
        return [record for record in records if wanted(record)]

    def show(self, number: int) -> dict[str, Any]:
        """One trial: its record, its config, and its epoch reports."""
        trial = self._trial(number)
        return {
            **record_of(trial),
            "config": trial.system_attrs.get(CONFIG),
            "environment": trial.system_attrs.get(ENVIRONMENT),
            "bias_val_rmse": self.bias_val_rmse,
            "reports": self.reports(number),
        }

    def reports(self, number: int) -> list[EpochReport]:
        """A trial's epoch reports; empty while it runs, or where its artifact is elsewhere."""
        for meta in get_all_artifact_meta(self._trial(number), storage=self._storage):
            if meta.filename == REPORTS_FILE:
                with TemporaryDirectory() as folder:
                    path = Path(folder, REPORTS_FILE)
                    try:
                        download_artifact(
                            artifact_store=artifact_store(self._url),
                            artifact_id=meta.artifact_id,
                            file_path=str(path),
                        )
                    except optuna.artifacts.exceptions.ArtifactNotFound:
                        return []
                    return read_reports(path)
        return []

    def best(self, top: int = 1) -> list[dict[str, Any]]:
        """What `best --json` prints: the confirmed trials first, as they rank, then the others.

        Raises:
            NothingYet: no trial is completed.
        """
        confirmation = self._confirmation()
        confirmed = confirmation.figures
        return [
            {
                **record_of(trial),
                "config": trial.system_attrs[CONFIG],
                "confirmed": confirmed.get(trial.number),
                "diverged_with_seed": confirmation.diverged_with(trial.number),
            }
            for trial in self._best(top, confirmed)
        ]

    def unconfirmed_below(self) -> dict[str, Any] | None:
        """The lowest trial that is not confirmed, where the search saw it below the confirmed best.

        None where no trial is confirmed; one that diverged with a seed is not to be.
        """
        confirmation = self._confirmation()
        confirmed = list(confirmation.figures)
        for trial in best_trials(self._trials()):
            if not confirmed or trial.number == confirmed[0]:
                return None
            diverged = confirmation.diverged_with(trial.number) is not None
            if trial.number not in confirmed and not diverged:
                return record_of(trial)
        return None

    def confirmation(self) -> list[dict[str, Any]]:
        """What `confirm --json` prints, leader first, and last the trials that diverged."""
        trials, confirmation = self._trials(), self._confirmation()
        figures = confirmation.figures
        unknown = dict.fromkeys(("mean", "low", "high", "seeds", "cuts", "behind", "tie", "values"))

        def row(number: int, **values: Any) -> dict[str, Any]:
            record = _keys(record_of(trials[number]), "number", "architecture", "val_rmse")
            seed = confirmation.diverged_with(number)
            return {**record, **unknown, **values, "diverged_with_seed": seed}

        ranked = [
            row(
                standing.number,
                **figures[standing.number],
                behind=standing.behind and standing.behind._asdict(),
                tie=standing.tie,
                values=standing.values,
            )
            for standing in confirmation.standings
        ]
        others = sorted(confirmation.results)
        return ranked + [row(n) for n in others if confirmation.diverged_with(n) is not None]

    def experiment(self, number: int | None = None) -> Experiment:
        """A trial's config with all that it takes to train it again; the best trial's by default.

        Raises:
            NothingYet: no trial is completed.
            StudyError: no such trial, or one that was not begun.
        """
        confirmed = self._confirmation().figures
        trial = self._best(1, confirmed)[0] if number is None else self._trial(number)
        if CONFIG not in trial.system_attrs:
            raise StudyError(f"trial {number} of {self.spec.name} was not begun: it has no config")
        record = record_of(trial)
        return Experiment(
            config=config_from_mapping(trial.system_attrs[CONFIG]),
            dataset=self.spec.dataset,
            split=self.spec.split,
            fingerprint=self.fingerprint,
            origin={"study": self.spec.name, "trial": trial.number},
            metrics={
                **_keys(record, "val_rmse", "val_mse"),
                "bias_val_rmse": self.bias_val_rmse,
                **_keys(record, "best_epoch", "epochs", "train_s"),
                "confirmed_val_rmse": confirmed.get(trial.number),
            },
            environment=trial.system_attrs.get(ENVIRONMENT, {}),
        )

    def _attrs(self) -> dict[str, Any]:
        return self._storage.get_study_system_attrs(self._study._study_id)

    def _confirmation(self) -> Confirmation:
        return Confirmation.of(self._attrs(), self.spec.split)

    def _trials(self) -> list[FrozenTrial]:
        return self._study.get_trials(deepcopy=False)

    def _trial(self, number: int) -> FrozenTrial:
        trials = self._trials()
        if not 0 <= number < len(trials):
            raise StudyError(
                f"no trial {number} in {self.spec.name}; it has 0 to {len(trials) - 1}"
                if trials
                else f"{self.spec.name} has no trials yet"
            )
        return trials[number]

    def _best(self, top: int, confirmed: Iterable[int]) -> list[FrozenTrial]:
        ahead = best_trials(self._trials())
        if not ahead:
            raise NothingYet(
                f"{self.spec.name} has no completed trial yet; go on with: "
                f"recsys-search start --study {self.spec.name}"
            )
        place = {number: at for at, number in enumerate(confirmed)}
        return sorted(ahead, key=lambda trial: place.get(trial.number, len(place)))[:top]


def list_studies(storage_url: str) -> list[dict[str, Any]]:
    """What `studies --json` prints."""
    rows = []
    for name in stored_specs(readable_storage(storage_url)):
        try:
            status = StudyReader(storage_url, name).status()
        except ConfigError:
            unknown = dict.fromkeys(("dataset", "trials", "total", "best"))
            rows.append({"study": name, **unknown, "state": "of another version"})
            continue
        rows.append(
            {
                "study": name,
                "dataset": status["dataset"],
                "trials": status["done"],
                "total": status["total"],
                "best": status["best"] and status["best"]["val_rmse"],
                "state": _state(status),
            }
        )
    return rows


def _state(status: dict[str, Any]) -> str:
    if status["running"]:
        return "running"
    if status["target"] and status["target"]["reached"]:
        return "target reached"
    return "done" if status["done"] >= status["total"] else "paused"


def _keys(record: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: record[name] for name in names}
