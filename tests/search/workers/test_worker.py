"""One worker next to others: joining, `stop`, being taken for dead, and its threads."""

from __future__ import annotations

from datetime import timedelta

import optuna
import pytest
from optuna.storages._rdb.models import TrialModel
from recsys_search.errors import NothingYet, StudyError
from recsys_search.search.dashboard.enrichment import Enrichment
from recsys_search.search.running.ended_trials import EndedTrials
from recsys_search.search.running.events import EpochEnded, Notice
from recsys_search.search.storage.claims import study_transaction
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.trials import WORKER_DIED
from recsys_search.search.workers import heartbeat, join
from recsys_search.search.workers.queue import recover
from recsys_search.search.workers.run_worker import run_worker
from recsys_search.search.workers.stop import stop_study
from sqlalchemy.orm import Session

LONG = {"max_epochs": 2000, "patience": 2000}


@pytest.fixture
def quick(monkeypatch):
    """Heartbeats that listen several times a second."""
    monkeypatch.setattr(heartbeat, "POLL_S", 0.05)


# Joining.


def test_a_detached_study_is_run_by_a_worker_that_knows_its_name_alone(workplace, detach):
    detach(known=[{"name": "a"}])
    status = workplace.read().status()
    assert (status["done"], status["total"], status["waiting"]) == (0, 2, 1)
    (workplace.folder / "small.yaml").unlink()
    notices = []
    run_worker("small", workplace.storage, device="cpu", listener=notices.append)
    assert workplace.read().status()["complete"] == 2
    assert notices[-1] == Notice("all trials of small are done")


def test_a_worker_needs_a_study_that_exists(workplace, detach):
    with pytest.raises(NothingYet):
        run_worker("small", workplace.storage, device="cpu")
    detach()
    with pytest.raises(StudyError, match="no study named 'smal' in"):
        run_worker("smal", workplace.storage, device="cpu")


def test_a_worker_finds_ratings_that_are_elsewhere_and_refuses_others(workplace, detach):
    detach()
    (workplace.folder / "ratings").rename(workplace.folder / "moved")
    moved = str(workplace.folder / "moved")
    run_worker("small", workplace.storage, dataset=moved, device="cpu")
    assert workplace.read().status()["complete"] == 2
    with pytest.raises(StudyError, match="was created on ratings with the fingerprint"):
        run_worker("small", workplace.storage, dataset="demo:1k", device="cpu")


def test_a_study_that_is_deleted_while_its_ratings_are_read_is_a_message(
    workplace, detach, monkeypatch
):
    detach(trials=1)
    load = join.load_ratings

    def load_ratings(*args, **options):
        optuna.delete_study(study_name="small", storage=workplace.storage)
        return load(*args, **options)

    monkeypatch.setattr(join, "load_ratings", load_ratings)
    with pytest.raises(StudyError, match="the study has been deleted or renamed"):
        run_worker("small", workplace.storage, device="cpu")


def test_a_trial_whose_machine_went_down_overnight_does_not_spend_the_budget(workplace, detach):
    detach(budget={"seconds": 3600}, trials=1)
    workplace.claim_elsewhere(silent_s=86_400)
    with (
        writable_storage(workplace.storage) as storage,
        Session(storage.engine) as session,
        session.begin(),
    ):
        session.query(TrialModel).one().datetime_start -= timedelta(days=1)
    run_worker("small", workplace.storage, device="cpu")
    status = workplace.read().status()
    assert (status["complete"], status["interrupted"]) == (1, 1)
    assert status["elapsed_s"] < 3600


def test_a_worker_with_a_budget_reads_each_ended_trial_once(workplace, monkeypatch):
    add, read = EndedTrials._add, []

    def add_and_note(self, trial):
        read.append(trial.number)
        add(self, trial)

    monkeypatch.setattr(EndedTrials, "_add", add_and_note)
    monkeypatch.setattr(Enrichment, "update", lambda self, **options: None)  # reads all trials
    workplace.start(workplace.write_study(budget={"epochs": 99}, trials=3))
    assert read == [0, 1, 2]


# Stopping.


def test_stop_ends_the_running_trial_and_keeps_others_from_starting(workplace, detach, quick):
    detach(base={**workplace.base, **LONG})
    notices = []

    def listen(event):
        if isinstance(event, EpochEnded) and event.report.epoch == 1:
            stop_study(workplace.storage, "small", wait=False, notify=notices.append)
        if isinstance(event, Notice):
            notices.append(event.message)

    run_worker("small", workplace.storage, device="cpu", listener=listen)
    assert notices[-1] == "study small is stopped"
    [trial] = workplace.read().trials()
    assert trial["reason"].startswith("recsys-search stop ")
    assert workplace.read().status()["waiting"] == 1
    run_worker("small", workplace.storage, device="cpu", listener=listen)
    assert len(workplace.read().trials()) == 1


def test_a_start_lets_a_stopped_study_go_on(workplace, detach):
    detach()
    assert stop_study(workplace.storage, "small", wait=True, notify=print) == 0
    assert workplace.start("small").status()["complete"] == 2


# Being taken for dead.


def test_a_worker_that_was_taken_for_dead_leaves_its_trial_to_the_other(workplace, detach, quick):
    detach(base={**workplace.base, "max_epochs": 300, "patience": 300}, trials=1)
    notices, taken = [], []

    def listen(event):
        if isinstance(event, Notice):
            notices.append(event.message)
        if isinstance(event, EpochEnded) and event.report.epoch == 2 and not taken:
            taken.append(event.number)
            with writable_storage(workplace.storage) as storage:
                study_id = storage.get_study_id_from_name("small")
                with study_transaction(storage, study_id) as transaction:
                    [running] = transaction.trials(optuna.trial.TrialState.RUNNING)
                    transaction.fail(running, {"stop_reason": "interrupted", "reason": WORKER_DIED})
                recover(storage, study_id)

    run_worker("small", workplace.storage, device="cpu", listener=listen)
    assert "trial 0 is left to another process: this one had sent no heartbeat for 10 min" in str(
        notices
    )
    first, second = workplace.read().trials()
    assert (first["state"], first["epochs"]) == ("interrupted", 2)
    assert (second["state"], second["retry_of"], second["epochs"]) == ("complete", 0, 300)
