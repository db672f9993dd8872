"""Hands what earlier studies found to a new one: configs to try first, and a prior."""

from __future__ import annotations

from typing import Any

import optuna
from optuna.storages import RDBStorage

from ...model.evaluation.weighted import find_metric
from ..definition.study_file import StudySpec, spec_from_json
from ..prospects.outcomes import outcomes
from ..prospects.prior import MIN_EARLIER, PRIOR, earlier_configs, most_different
from ..storage.claims import study_transaction
from ..storage.studies import read_stored_specs, star_of
from ..storage.trials import read_trials


def learn_from_earlier(spec: StudySpec, study: optuna.Study, storage: RDBStorage) -> list[str]:
    """Store what the earlier studies say, and queue their best configs, once for each of them.

    The study keeps a copy: later changes of the earlier study change nothing here.

    Returns:
        A sentence for each study that was read.
    """
    if spec.warm_start is None:
        return []
    stored = read_stored_specs(storage)
    notes = []
    for name in spec.warm_start.studies:
        key = f"{PRIOR}:{name}"
        if key in storage.get_study_system_attrs(study._study_id):
            continue
        if name not in stored:
            notes.append(f"study {name} no longer exists: nothing is learned from it")
            continue
        other = optuna.load_study(study_name=name, storage=storage)
        metric = find_metric(spec_from_json(stored[name]).objective.metric)
        star = star_of(storage.get_study_system_attrs(other._study_id))
        trials = read_trials(other, storage)
        if not outcomes(trials, metric, star):
            notes.append(
                f"study {name} has no trial with a result yet: nothing is learned from it before "
                "the next start"
            )
            continue
        earlier = earlier_configs(spec, trials, metric, star)
        with study_transaction(storage, study._study_id) as transaction:
            if transaction.study_attr(key) is not None:
                continue  # another process has been faster
            queued = list(transaction.fixed_params().values())
            new = [each for each in earlier if each.params not in queued]
            first = most_different(spec.space, new, spec.warm_start.first)
            for each in first:
                attrs: dict[str, Any] = {"known_config": f"{name}, trial {each.number}"}
                transaction.queue(each.params, attrs)
            transaction.set_study_attr(key, [each.to_json() for each in earlier])
        notes.append(_describe(name, len(earlier), len(first), spec))
        if metric.name != spec.objective.metric:
            notes.append(f"study {name} optimised {metric.name}, not {spec.objective.metric}")
    return notes


def _describe(name: str, n_earlier: int, n_first: int, spec: StudySpec) -> str:
    if not n_earlier:
        return f"no config of study {name} is in this study's space: it starts without it"
    first = f"{n_earlier} configs of study {name} are in this space; the best {n_first} come first"
    if spec.sampler.auto is None:
        return f"{first}, and the sampler {spec.sampler.name} uses no prior"
    if n_earlier < MIN_EARLIER:
        return f"{first}; fewer than {MIN_EARLIER} make no prior"
    return f"{first}, and their ranking is the prior"
