"""A removed trial leaves nothing but its number, its reason and what it has cost."""

from __future__ import annotations

import signal

import optuna
import pytest
from optuna.trial import TrialState
from recsys_search.errors import NothingYet, StudyError
from recsys_search.model.training.descent.descent import Descent
from recsys_search.search.results.confirmation.standings import SEEDS, result_key
from recsys_search.search.results.removal import find_removal, remove_trials
from recsys_search.search.storage.artifacts import artifact_folder, checkpoint_folder
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.trials import WORKER
from recsys_search.search.storage.worker import GRACE_S, worker_identity


@pytest.fixture
def small(workplace):
    """A workplace whose one study has completed trials 0 and 1."""
    workplace.start(workplace.write_study())
    return workplace


@pytest.fixture
def interrupt(workplace, monkeypatch):
    """Starts a study whose trial is interrupted in its first batch."""

    def start(study):
        original = Descent.step

        def step(self, *args):
            original(self, *args)
            signal.raise_signal(signal.SIGINT)

        with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
            patch.setattr(Descent, "step", step)
            workplace.start(study)

    return start


def optuna_trials(workplace):
    storage = readable_storage(workplace.storage)
    return optuna.load_study(study_name="small", storage=storage).get_trials()


def reports(workplace):
    return [path for path in artifact_folder(workplace.storage).glob("*-*") if path.is_file()]


def checkpoints(workplace):
    return list(checkpoint_folder(workplace.storage).sizes())


def numbers(records):
    return [record["number"] for record in records]


def test_a_removed_trial_is_listed_only_as_removed(small):
    before = small.read().trials()
    assert remove_trials(small.storage, "small", [1]) == [1]
    reader = small.read()
    assert reader.trials() == before[:1]
    (removed,) = reader.trials("removed")
    value = before[1]["val_rmse"]
    assert (removed["number"], removed["stop_reason"]) == (1, "removed")
    assert removed["reason"] == (
        f"removed by recsys-search trials rm; was complete with val_rmse {value:.4f}"
    )
    assert removed["val_rmse"] is removed["val_mse"] is removed["value"] is None
    assert reader.show(1)["config"] is None
    assert len(reports(small)) == 1


def test_a_removed_trial_counts_only_among_the_stops(small):
    remove_trials(small.storage, "small", [0, 1])
    status = small.read().status()
    assert status["stops"] == {"removed": 2}
    assert status["done"] == status["complete"] == status["failed"] == status["interrupted"] == 0
    assert (status["best"], status["state"], status["note"]) == (None, "paused", None)


def test_the_best_trial_gives_way_to_the_next(small):
    best, second = numbers(small.read().best(2))
    remove_trials(small.storage, "small", [best])
    assert numbers(small.read().best(2)) == [second]
    assert small.read().status()["best"]["number"] == second
    with pytest.raises(StudyError, match=f"trial {best} of small was removed; choose one"):
        small.read().candidate(best)


def test_optuna_sees_a_failed_trial_without_parameters_and_values(small):
    remove_trials(small.storage, "small", [1])
    first, trial = optuna_trials(small)
    assert (first.number, first.state) == (0, TrialState.COMPLETE)
    assert (trial.number, trial.state) == (1, TrialState.FAIL)
    assert trial.values is None
    assert trial.params == trial.intermediate_values == trial.system_attrs == {}
    assert set(trial.user_attrs) == {"epochs", "stop_reason", "reason"}


def test_the_next_start_runs_one_other_in_its_place(small):
    remove_trials(small.storage, "small", [0])
    reader = small.start("small")
    assert numbers(reader.trials()) == [1, 2]
    assert reader.status()["done"] == 2
    assert reader.trials()[1]["retry_of"] is None
    assert numbers(small.start("small").trials()) == [1, 2]


def test_what_it_has_cost_stays_spent(small):
    before = small.read().status()
    remove_trials(small.storage, "small", [1])
    after = small.read().status()
    assert (after["epochs"], after["elapsed_s"]) == (4, before["elapsed_s"])


def test_a_removed_known_config_is_not_tried_again(workplace):
    known = [{"name": "slow", "learning_rate": 1e-3}]
    path = workplace.write_study(known=known)
    workplace.start(path)
    remove_trials(workplace.storage, None, [0])
    trials = workplace.start(path).trials()
    assert [trial["known_config"] for trial in trials] == [None, None]


def test_all_attempts_at_a_trial_are_removed_with_any_of_them(workplace, interrupt):
    path = workplace.write_study(trials=1)
    interrupt(path)
    workplace.start(path)
    assert [trial["retry_of"] for trial in workplace.read().trials()] == [None, 0]
    assert numbers(find_removal(workplace.storage, "small", [0])) == [0, 1]
    assert remove_trials(workplace.storage, "small", [1]) == [0, 1]
    assert reports(workplace) == []
    assert numbers(workplace.start(path).trials()) == [2]


def test_an_interrupted_trial_is_removed_with_its_checkpoint_and_its_place_in_the_queue(
    workplace, interrupt
):
    path = workplace.write_study()
    interrupt(path)
    assert len(checkpoints(workplace)) == 1
    assert remove_trials(workplace.storage, "small", [0]) == [0, 1]
    assert checkpoints(workplace) == []
    trials = workplace.start(path).trials()
    assert numbers(trials) == [2, 3]
    assert [trial["retry_of"] for trial in trials] == [None, None]


def test_the_checkpoints_of_other_trials_stay(workplace, interrupt):
    path = workplace.write_study()
    workplace.start(path, trials=1)
    interrupt(path)
    remove_trials(workplace.storage, "small", [0])
    [folder] = checkpoints(workplace)
    assert folder.endswith("-1")


def test_a_trial_that_reuses_the_result_is_removed_too(workplace):
    known = [{"name": "a"}, {"name": "b", "seed": 7}, {"name": "again"}]
    base = {**workplace.base, "learning_rate": 1e-2}
    workplace.start(workplace.write_study(base=base, space={}, known=known, trials=3))
    assert numbers(find_removal(workplace.storage, None, [2])) == [2]
    assert remove_trials(workplace.storage, None, [0]) == [0, 2]
    assert numbers(workplace.read().trials()) == [1]


def test_a_removed_second_chance_is_not_given_again(workplace):
    workplace.start(workplace.write_study(trials=1))
    with writable_storage(workplace.storage) as storage:
        study = optuna.load_study(study_name="small", storage=storage)
        study.enqueue_trial({"learning_rate": 1e-3}, user_attrs={"contingency_of": 0})
    assert remove_trials(workplace.storage, None, [1]) == [1]
    assert [trial.user_attrs.get("contingency_of") for trial in optuna_trials(workplace)] == [
        None,
        0,
    ]
    assert numbers(workplace.start("small", trials=2).trials()) == [0, 2]


def test_retrainings_are_removed_with_their_trial(workplace):
    workplace.start(workplace.write_study(trials=12))
    with writable_storage(workplace.storage) as storage:
        for number, value in ((1, 0.7), (11, 0.8)):
            for seed in (1000, 1001):
                storage.set_study_system_attr(1, result_key(number, seed), value)
        storage.set_study_system_attr(1, SEEDS, [1000, 1001])
    assert numbers(workplace.read().confirmation()) == [1, 11]
    remove_trials(workplace.storage, None, [1])
    assert numbers(workplace.read().confirmation()) == [11]
    assert workplace.read().best()[0]["number"] == 11


def test_a_trial_that_runs_is_left_alone(small):
    with writable_storage(small.storage) as storage, worker_identity() as worker:
        study = optuna.load_study(study_name="small", storage=storage)
        trial = study.ask()
        storage.set_trial_system_attr(trial._trial_id, WORKER, worker)
        with pytest.raises(StudyError, match="small is being run; stop it first: recsys-search"):
            remove_trials(small.storage, "small", [0, 2])
    assert numbers(small.read().trials()) == [0, 1, 2]


def test_a_trial_whose_process_died_is_removed(small):
    with writable_storage(small.storage) as storage, worker_identity() as worker:
        study = optuna.load_study(study_name="small", storage=storage)
        trial = study.ask()
        dead = {**worker, "began": 0.0}
        storage.set_trial_system_attr(trial._trial_id, WORKER, dead)
    assert remove_trials(small.storage, "small", [2]) == [2]
    assert small.read().trials("removed")[0]["reason"].endswith("; was interrupted")
    assert small.start("small").status()["done"] == 2


def test_a_trial_on_another_machine_is_removed_once_it_is_silent(small):
    silent = small.claim_elsewhere(silent_s=GRACE_S + 30)
    assert numbers(find_removal(small.storage, "small", [silent])) == [silent]
    assert remove_trials(small.storage, "small", [silent]) == [silent]
    assert small.read().trials("removed")[0]["reason"].endswith("; was interrupted")
    alive = small.claim_elsewhere(silent_s=GRACE_S - 30)
    with pytest.raises(StudyError, match=f"trial {alive} of small is running; stop the study"):
        find_removal(small.storage, "small", [alive])
    with pytest.raises(StudyError, match="small is being run; stop it first"):
        remove_trials(small.storage, "small", [alive])


def test_nothing_is_removed_if_one_number_is_wrong(small):
    with pytest.raises(StudyError, match="no trial 2 in small; it has trials 0 to 1"):
        remove_trials(small.storage, "small", [0, 2])
    assert numbers(small.read().trials()) == [0, 1]


def test_a_trial_is_removed_once(small):
    remove_trials(small.storage, "small", [1])
    with pytest.raises(StudyError, match="trial 1 of small has been removed already"):
        remove_trials(small.storage, "small", [1])


def test_without_a_storage_nothing_is_created(workplace):
    with pytest.raises(NothingYet):
        remove_trials(workplace.storage, None, [0])
    assert not (workplace.folder / "studies.db").exists()


def test_a_trial_in_postgresql_is_removed(postgres, workplace, monkeypatch):
    monkeypatch.chdir(workplace.folder)
    workplace.storage = postgres
    study = workplace.write_study("thinned")
    workplace.start(study)
    assert remove_trials(postgres, "thinned", [0]) == [0]
    assert numbers(workplace.read("thinned").trials()) == [1]
    assert numbers(workplace.start(study).trials()) == [1, 2]
