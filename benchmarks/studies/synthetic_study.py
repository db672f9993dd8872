"""A study of `breakthrough` with any number of ended trials, none of which was trained."""

from __future__ import annotations

import json
from datetime import datetime, timedelta
from typing import Any

import numpy as np
import optuna
from optuna.storages import RDBStorage
from optuna.storages._rdb import models
from optuna.trial import FrozenTrial, TrialState, create_trial
from recsys_search.model.config import config_to_mapping
from recsys_search.model.evaluation.weighted import find_metric
from recsys_search.model.training.reports import EpochReport
from recsys_search.search.definition.budget import Budget
from recsys_search.search.definition.study_file import StudySpec, load_study, spec_to_json
from recsys_search.search.pruners.hopeless import Hopeless
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.studies import FINGERPRINT, SPEC, create_study
from recsys_search.search.storage.trials import CONFIG, ENVIRONMENT, LAST_EPOCH, WORKER
from recsys_search.search.storage.worker import worker_identity

EPOCHS = 20
IDENTITY = "0" * 64  # fingerprint of ratings that nobody reads
STOPS = (None, None, "plateau", "overfit-gap", "hopeless", "hopeless", "collapse", "diverged")
"""How the trials end, in equal shares; without a stop they ran to their last epoch."""
COMPLETE = (None, "plateau", "overfit-gap")


def study_spec() -> StudySpec:
    """`breakthrough` with `EPOCHS` epochs, a budget to check, and a rule that judges every epoch.

    `hopeless` looks at all ended trials, and stops nothing here, so that every epoch is measured.
    """
    spec = load_study("breakthrough")
    base = {**spec.base, "two_tower.max_epochs": EPOCHS, "hybrid.max_epochs": EPOCHS}
    pruners = tuple(
        Hopeless(chance=1e-300) if isinstance(rule, Hopeless) else rule for rule in spec.pruners
    )
    changes = {"base": base, "pruners": pruners, "budget": Budget(epochs=10**9), "trials": 10**6}
    return spec.model_copy(update=changes)


def store_study(url: str, n_trials: int) -> None:
    """Create the study with its ended trials in an empty storage."""
    spec = study_spec()
    metric = find_metric(spec.objective.metric)
    with writable_storage(url) as storage:
        identity = {SPEC: spec_to_json(spec), FINGERPRINT: IDENTITY}
        create_study(spec.name, metric.direction, identity, storage)
        study = optuna.load_study(study_name=spec.name, storage=storage)
        study.set_user_attr("bias_val_rmse", 0.87)
        insert(storage, study._study_id, ended_trials(spec, n_trials))


def ended_trials(spec: StudySpec, n: int) -> list[FrozenTrial]:
    """Trials with random parameters and the attributes that the objective leaves."""
    draws = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    rng = np.random.default_rng(0)
    known = [each.name for each in spec.known_trials()]
    started_at = datetime.now() - timedelta(hours=n)
    with worker_identity() as worker:
        pass  # of a run that is over
    trials = []
    for number in range(n):
        drawn = draws.ask()
        config = spec.config(spec.space.suggest(drawn), None)
        stop = STOPS[number % len(STOPS)]
        best = float(rng.gamma(4.0, 0.01)) + 0.79
        curve = [report.val_rmse for report in healthy_reports(best, rng)]
        if stop is not None:
            curve = curve[: int(rng.integers(EPOCHS // 2, EPOCHS))]
        if stop == "diverged":
            curve[-1] = float("nan")
        rmse = float(np.nanmin(curve))
        complete = stop in COMPLETE
        attrs = {
            "architecture": config.architecture,
            "params": 1_000_000 + number,
            "warning": None,
            "epochs": len(curve),
            "train_s": 100.0,
            "val_rmse": rmse,
            "val_mse": rmse**2,
            "best_epoch": int(np.nanargmin(curve)) + 1,
            "reason": "a sentence with the figures of the stop, as long as such sentences are",
            **({"stop_reason": stop} if stop else {}),
            **({"contingency_of": number - 1} if stop == "diverged" else {}),  # so no second chance
            **({"known_config": known[number]} if number < len(known) else {}),
        }
        ended_at = started_at + timedelta(minutes=50)
        system_attrs = {
            WORKER: worker,
            CONFIG: config_to_mapping(config),
            ENVIRONMENT: {"torch": "2.9", "device": "cuda:0", "amp": "bf16", "threads": 1},
            LAST_EPOCH: {"at": ended_at.isoformat()},
            "tpe:relative_params:0": "{}",
        }
        trial = create_trial(
            state=TrialState.COMPLETE if complete else TrialState.PRUNED,
            value=rmse if complete else None,
            params=drawn.params,
            distributions=drawn.distributions,
            user_attrs=attrs,
            system_attrs=system_attrs,
            intermediate_values=dict(enumerate(curve, start=1)),
        )
        trial.number = number
        trial.datetime_start, trial.datetime_complete = started_at, ended_at
        started_at += timedelta(hours=1)
        trials.append(trial)
    return trials


def healthy_reports(best: float, rng: np.random.Generator) -> list[EpochReport]:
    """Reports that improve up to the last epoch, which ends near `best`."""
    names = ("user", "film")
    reports = []
    for epoch in range(1, EPOCHS + 1):
        rmse = best + 0.08 * 0.85**epoch + float(rng.normal(0, 0.0003))
        reports.append(
            EpochReport(
                epoch=epoch,
                train_loss=rmse**2,
                train_mse=rmse**2,
                train_rmse=rmse,
                val_loss=rmse**2,
                val_mse=rmse**2,
                val_rmse=rmse,
                kl=30.0,
                kl_clamped=30.0,
                active_units=dict.fromkeys(names, 32),
                eval_kl=dict.fromkeys(names, 15.0),
                shuffle_cost=dict.fromkeys(names, 0.1),
                beta=0.001,
                learning_rate=0.001,
                grad_norm=1.0,
                ratings_per_s=1e6,
                train_s=5.0,
                epoch_s=6.0,
                peak_memory_mib=1000.0,
            )
        )
    return reports


def insert(storage: RDBStorage, study_id: int, trials: list[FrozenTrial]) -> None:
    """Write the trials as rows of Optuna's tables in one transaction; `add_trial` takes a hundred
    times as long.
    """
    rows: dict[type[Any], list[dict[str, Any]]] = {}

    def add(model: type[Any], **values: Any) -> None:
        rows.setdefault(model, []).append(values)

    for key, trial in enumerate(trials, start=1):
        of = {"trial_id": key}
        add(
            models.TrialModel,
            **of,
            number=trial.number,
            study_id=study_id,
            state=trial.state,
            _datetime_start_utc=trial.datetime_start,
            _datetime_complete_utc=trial.datetime_complete,
        )
        for name, param in trial.params.items():
            distribution = trial.distributions[name]
            add(
                models.TrialParamModel,
                **of,
                param_name=name,
                param_value=distribution.to_internal_repr(param),
                distribution_json=optuna.distributions.distribution_to_json(distribution),
            )
        for model, attrs in (
            (models.TrialUserAttributeModel, trial.user_attrs),
            (models.TrialSystemAttributeModel, trial.system_attrs),
        ):
            for name, value in attrs.items():
                add(model, **of, key=name, value_json=json.dumps(value))
        for step, value in trial.intermediate_values.items():
            stored, kind = models.TrialIntermediateValueModel.intermediate_value_to_stored_repr(
                value
            )
            add(
                models.TrialIntermediateValueModel,
                **of,
                step=step,
                intermediate_value=stored,
                intermediate_value_type=kind,
            )
        if trial.value is not None:
            finite = models.TrialValueModel.TrialValueType.FINITE
            add(models.TrialValueModel, **of, objective=0, value=trial.value, value_type=finite)
    with storage.scoped_session() as session, session.begin():
        for model, values in rows.items():
            session.bulk_insert_mappings(model, values)
