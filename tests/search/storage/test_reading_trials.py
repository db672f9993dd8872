"""All trials of a study, read at once."""

from __future__ import annotations

import math

import optuna
import pytest
from optuna.storages import RDBStorage
from optuna.trial import TrialState, create_trial
from recsys_search.search.storage.database import readable_storage, writable_storage

AXES = {
    "rate": optuna.distributions.FloatDistribution(1e-4, 1e-2, log=True),
    "dim": optuna.distributions.IntDistribution(16, 64, step=16),
    "layers": optuna.distributions.CategoricalDistribution(("[2, 1]", "[1]", None)),
}
PARAMS = {"rate": 0.003, "dim": 32, "layers": None}


@pytest.fixture
def url(tmp_path):
    return f"sqlite:///{tmp_path}/studies.db"


@pytest.fixture
def written(url):
    """A storage with a trial in each state, in the second of two studies."""
    with writable_storage(url) as storage:
        optuna.create_study(study_name="other", storage=storage).add_trial(
            create_trial(value=1.0, params=PARAMS, distributions=AXES, user_attrs={"of": "other"})
        )
        study = optuna.create_study(study_name="small", storage=storage)
        curve = {1: math.nan, 2: math.inf, 3: -math.inf, 4: 0.5}
        for state, value in ((TrialState.COMPLETE, math.inf), (TrialState.PRUNED, None)):
            study.add_trial(
                create_trial(
                    state=state,
                    value=value,
                    params=PARAMS,
                    distributions=AXES,
                    user_attrs={"reason": "a plateau", "none": None},
                    system_attrs={"config": {"hidden": [2, 1]}},
                    intermediate_values=curve,
                )
            )
        study.tell(study.ask(), state=TrialState.FAIL)
        study.enqueue_trial({"rate": 0.002})
        running = study.ask()
        running.suggest_float("rate", 1e-4, 1e-2, log=True)
        running.report(0.7, 1)
        study.enqueue_trial({"rate": 0.001})
        yield storage, study


def plain(trial):
    """A trial as text: NaN equals itself, and the order of attributes does not matter."""
    attrs = [sorted(each.items()) for each in (trial.user_attrs, trial.system_attrs)]
    rest = (trial.params, trial.distributions, trial.intermediate_values)
    times = (trial.datetime_start, trial.datetime_complete)
    return repr([trial._trial_id, trial.number, trial.state, trial.values, *times, *rest, *attrs])


def test_trials_are_read_as_optuna_reads_them(written):
    storage, study = written
    ours = storage.get_all_trials(study._study_id)
    theirs = RDBStorage._get_trials(storage, study._study_id, None, set(), -1)
    assert [trial.number for trial in ours] == [0, 1, 2, 3, 4]
    assert [plain(trial) for trial in ours] == [plain(trial) for trial in theirs]


def test_no_trials_are_read_of_a_study_without_any(url):
    with writable_storage(url) as storage:
        study = optuna.create_study(storage=storage)
        assert study.get_trials() == []


def test_a_trial_that_moves_on_is_seen_at_once(written, url):
    _, study = written
    reader = optuna.load_study(study_name="small", storage=readable_storage(url))

    def states():
        return [trial.state for trial in reader.get_trials(deepcopy=False)]

    assert states()[3:] == [TrialState.RUNNING, TrialState.WAITING]
    waiting = study.ask()
    assert states()[3:] == [TrialState.RUNNING, TrialState.RUNNING]
    waiting.report(0.4, 1)
    assert reader.get_trials(deepcopy=False)[4].intermediate_values == {1: 0.4}
    study.tell(waiting, 0.4)
    assert states()[3:] == [TrialState.RUNNING, TrialState.COMPLETE]
