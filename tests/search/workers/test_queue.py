"""Which trial a process runs next, and what becomes of the trials of processes that have died."""

from __future__ import annotations

from datetime import datetime

import optuna
import pytest
import sqlalchemy
from optuna.trial import TrialState
from recsys_search.errors import StudyError
from recsys_search.search.definition.study_file import load_study, spec_to_json
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.studies import SPEC, STOPPED, create_study
from recsys_search.search.storage.trials import WORKER, trial_record
from recsys_search.search.storage.worker import GRACE_S, worker_identity
from recsys_search.search.workers.queue import MAX_KILLS, Claim, next_trial, recover


class Queue:
    """A study with a total of 3 trials in a storage of its own."""

    def __init__(self, storage, worker):
        self.storage, self.worker = storage, worker
        self.write_spec(trials=3)

    def write_spec(self, **changes):
        spec = load_study("demo").model_copy(update={"name": "q", "known": (), **changes})
        create_study("q", "minimize", {SPEC: spec_to_json(spec)}, self.storage)
        self.study = optuna.load_study(study_name="q", storage=self.storage)
        self.study_id = self.study._study_id
        self.set_attr(SPEC, spec_to_json(spec))

    def set_attr(self, key, value):
        self.storage.set_study_system_attr(self.study_id, key, value)

    def next(self):
        return next_trial(self.storage, self.study_id, self.worker)

    def recover(self):
        recover(self.storage, self.study_id)

    def end(self, claim, state=TrialState.COMPLETE, **attrs):
        for key, value in attrs.items():
            self.storage.set_trial_user_attr(claim.trial_id, key, value)
        values = [1.0] if state == TrialState.COMPLETE else None
        self.storage.set_trial_state_values(claim.trial_id, state, values)

    def interrupt(self, claim):
        self.end(claim, TrialState.FAIL, stop_reason="interrupted", reason="Ctrl-C")

    def kill(self, claim):
        """Let it look as if the process that runs the trial had died."""
        gone = {**self.worker, "began": 0.0}
        self.storage.set_trial_system_attr(claim.trial_id, WORKER, gone)

    def trials(self, *states):
        return self.study.get_trials(deepcopy=False, states=states or None)


@pytest.fixture
def queue(tmp_path):
    url = f"sqlite:///{tmp_path}/studies.db"
    with writable_storage(url) as storage, worker_identity() as worker:
        yield Queue(storage, worker)


def numbers(trials):
    return [trial.number for trial in trials]


# Places.


def test_a_claimed_trial_runs_in_this_process_from_the_first_moment(queue):
    claim = queue.next()
    trial = queue.storage.get_trial(claim.trial_id)
    assert (trial.number, trial.state) == (claim.number, TrialState.RUNNING)
    assert trial.system_attrs[WORKER] == queue.worker
    assert (datetime.now() - trial.datetime_start).total_seconds() < 60


def test_running_trials_hold_their_places(queue):
    claims = [queue.next() for _ in range(3)]
    assert [claim.number for claim in claims] == [0, 1, 2]
    nothing = queue.next()
    assert (nothing.n_done, nothing.n_running, nothing.is_final) == (0, 3, False)
    for claim in claims:
        queue.end(claim)
    nothing = queue.next()
    assert (nothing.n_done, nothing.n_running, nothing.is_final) == (3, 0, True)


def test_an_interrupted_trial_gives_its_place_to_its_retry(queue):
    queue.study.enqueue_trial({"x": 0.5})
    first, second = queue.next(), queue.next()
    queue.study.enqueue_trial({"x": 0.7})
    queue.interrupt(second)
    retry = queue.next()
    assert (retry.retry_of, retry.number) == (second.number, 3)  # before the queued trial 2
    assert queue.next().number == 2
    assert not isinstance(queue.next(), Claim)
    assert queue.trials()[retry.number].user_attrs["retry_of"] == second.number
    assert first.retry_of is None


def test_queued_trials_come_before_new_ones_in_their_order(queue):
    for x in (0.1, 0.2):
        queue.study.enqueue_trial({"x": x})
    claims = [queue.next() for _ in range(3)]
    fixed = [queue.storage.get_trial(claim.trial_id).system_attrs for claim in claims]
    assert [attrs.get("fixed_params") for attrs in fixed] == [{"x": 0.1}, {"x": 0.2}, None]


def test_a_total_that_another_process_has_raised_counts_at_once(queue):
    for _ in range(3):
        queue.end(queue.next())
    assert not isinstance(queue.next(), Claim)
    queue.write_spec(trials=4)
    claim = queue.next()
    assert (claim.number, claim.spec.trials) == (3, 4)


def test_a_stopped_study_hands_out_nothing(queue):
    queue.set_attr(STOPPED, "2026-01-01")
    nothing = queue.next()
    assert (nothing.is_stopped, nothing.is_final) == (True, True)
    queue.set_attr(STOPPED, None)
    assert isinstance(queue.next(), Claim)


def test_a_study_that_was_deleted_is_reported(queue):
    optuna.delete_study(study_name="q", storage=queue.storage)
    with pytest.raises(StudyError, match="deleted"):
        queue.next()


# Trials whose process has died.


def test_a_killed_trial_is_ended_and_queued_once(queue):
    claim = queue.next()
    queue.study.set_user_attr("unused", 1)
    queue.kill(claim)
    for _ in range(3):
        queue.recover()
    ended, retry = queue.trials()
    assert trial_record(ended)["state"] == "interrupted"
    assert trial_record(ended)["reason"].startswith("its process ended before")
    assert (retry.state, retry.user_attrs) == (TrialState.WAITING, {"retry_of": 0})


def test_a_retry_keeps_parameters_that_were_queued_and_not_drawn_yet(queue):
    queue.study.enqueue_trial({"x": 0.25, "y": 0.75}, user_attrs={"known_config": "a"})
    claim = queue.next()
    x = optuna.distributions.FloatDistribution(0, 1)
    queue.storage.set_trial_param(claim.trial_id, "x", 0.25, x)
    queue.kill(claim)
    retry = queue.next()
    trial = queue.storage.get_trial(retry.trial_id)
    assert trial.system_attrs["fixed_params"] == {"x": 0.25, "y": 0.75}
    assert trial.user_attrs == {"known_config": "a", "retry_of": 0}


def test_a_finished_trial_is_not_queued_again(queue):
    queue.end(queue.next())
    queue.end(queue.next(), TrialState.PRUNED, stop_reason="median")
    queue.end(queue.next(), TrialState.FAIL, reason="ValueError: no")
    queue.recover()
    assert len(queue.trials()) == 3


def test_a_trial_on_another_machine_is_taken_over_after_ten_minutes_of_silence(queue):
    claim = queue.next()
    elsewhere = {**queue.worker, "host": "elsewhere"}
    queue.storage.set_trial_system_attr(claim.trial_id, WORKER, elsewhere)

    def beat_ago(seconds):
        with queue.storage.engine.begin() as connection:
            connection.execute(
                sqlalchemy.text("UPDATE trial_heartbeats SET heartbeat = datetime('now', :ago)"),
                {"ago": f"-{seconds} seconds"},
            )

    beat_ago(GRACE_S - 30)
    queue.recover()
    assert queue.trials()[0].state == TrialState.RUNNING
    beat_ago(GRACE_S + 30)
    queue.recover()
    assert [trial.state for trial in queue.trials()] == [TrialState.FAIL, TrialState.WAITING]


def test_a_run_that_is_over_leaves_no_trial_running(queue):
    """Its end could not be stored when the storage failed."""
    with worker_identity() as queue.worker:
        claim = queue.next()
        queue.recover()
        assert queue.trials()[0].state == TrialState.RUNNING
    with worker_identity() as queue.worker:
        assert queue.next().retry_of == claim.number


def kill_again_and_again(queue, epochs):
    """Kill a trial and its retries, each after these epochs; returns the last attempt."""
    for n_epochs in epochs:
        claim = queue.next()
        for epoch in range(1, n_epochs + 1):
            queue.storage.set_trial_intermediate_value(claim.trial_id, epoch, 1.0)
        queue.kill(claim)
    queue.recover()
    return queue.trials()


def test_a_trial_that_is_killed_in_one_epoch_again_and_again_has_failed(queue):
    trials = kill_again_and_again(queue, [3] * MAX_KILLS)
    assert len(trials) == MAX_KILLS
    record = trial_record(trials[-1])
    assert (record["state"], record["stop_reason"]) == ("failed", None)
    assert record["reason"] == (
        "its process was killed 5 times in epoch 4, perhaps by the system for its memory; see the "
        "system's log"
    )
    assert queue.next().number == MAX_KILLS


def test_a_trial_that_gets_further_each_time_is_not_given_up(queue):
    trials = kill_again_and_again(queue, range(2 * MAX_KILLS))
    assert trials[-1].state == TrialState.WAITING


# Many processes at once.

CLAIM_ALL = """
import sys
import optuna
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.worker import worker_identity
from recsys_search.search.workers.queue import Claim, next_trial

print("ready", flush=True)
sys.stdin.readline()
with writable_storage(sys.argv[1]) as storage, worker_identity() as worker:
    study_id = storage.get_study_id_from_name("q")
    while True:
        claim = next_trial(storage, study_id, worker)
        if not isinstance(claim, Claim):
            break
        print(claim.number, flush=True)
    print("end", flush=True)
    sys.stdin.readline()  # a process that ends loses its trials
"""


def claims_of_processes(url, start_python, n_processes):
    processes = [start_python(CLAIM_ALL, url) for _ in range(n_processes)]
    for process in processes:
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    lines = [
        line.strip() for process in processes for line in iter(process.stdout.readline, "end\n")
    ]
    return [int(line) for line in lines]


def test_processes_that_claim_at_once_get_each_trial_once(queue, start_python):
    queue.write_spec(trials=40)
    for _ in range(10):
        queue.study.enqueue_trial({"x": 0.5})
    url = str(queue.storage.engine.url)
    assert sorted(claims_of_processes(url, start_python, 3)) == list(range(40))


def test_processes_on_a_server_get_each_trial_once(postgres, start_python):
    with writable_storage(postgres) as storage, worker_identity() as worker:
        queue = Queue(storage, worker)
        queue.write_spec(trials=40)
        for _ in range(10):
            queue.study.enqueue_trial({"x": 0.5})
        try:
            assert sorted(claims_of_processes(postgres, start_python, 3)) == list(range(40))
            assert numbers(queue.trials()) == list(range(40))
        finally:
            optuna.delete_study(study_name="q", storage=storage)
