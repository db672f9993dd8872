"""A study at one moment."""

from __future__ import annotations

from dataclasses import replace

from recsys_search.search.results.reader import StudyReader
from recsys_search.search.results.study_data import StudyData


def test_each_trial_has_its_record_curve_and_reports(study, explored):
    assert [each.record for each in study.trials] == explored.read().trials()
    for trial in study.trials:
        assert list(trial.curve) == list(range(1, trial.record["epochs"] + 1))
        assert [report.val_rmse for report in trial.reports] == list(trial.curve.values())
        assert trial.started_at < trial.ended_at


def test_a_stopped_trial_ends_with_its_stop_reason_and_any_other_with_its_state(make_trial):
    def ending(state, reason):
        return make_trial(0, state=state, stop_reason=reason).ending

    assert ending("pruned", "plateau") == "plateau"
    assert ending("complete", "plateau") == "complete"
    assert ending("failed", "out-of-memory") == "failed"
    assert ending("pruned", None) == "pruned"


def test_a_trial_that_another_one_goes_on_from_is_no_attempt_of_its_own(study, make_trial):
    trials = [make_trial(0), make_trial(1, retry_of=0), make_trial(2), make_trial(3, continues=2)]
    assert [each.number for each in replace(study, trials=trials).attempts] == [1, 3]


def test_a_reused_result_is_not_completed_training(study, make_trial):
    trials = [
        make_trial(0, 0, 9, state="complete"),
        make_trial(1, 0, 5, state="complete"),
        make_trial(2, 0, 6, state="complete", same_as=0),
        make_trial(3, 0, 7, state="pruned"),
    ]
    assert [each.number for each in replace(study, trials=trials).completed] == [1, 0]


def test_busy_time_counts_overlapping_trials_once_and_pauses_not_at_all(study, make_trial):
    trials = [make_trial(0, 100, 110), make_trial(1, 105, 120), make_trial(2, 200, 210)]
    busy = replace(study, trials=trials).busy_s([100, 110, 120, 150, 205, 210, 999])
    assert list(busy) == [0, 10, 20, 20, 25, 30, 30]


def test_the_confirmed_leader_is_the_best(study):
    searched = study.best.number
    other = next(each.number for each in study.completed if each.number != searched)
    leader = {**dict.fromkeys(("mean", "low", "high"), 1.0), "number": other}
    assert replace(study, confirmation=[leader]).best.number == other
    diverged = {**leader, "mean": None}
    assert replace(study, confirmation=[diverged]).best.number == searched


def test_the_status_is_of_the_trials_that_were_read(explored, monkeypatch):
    """As in a study that runs: its best trial completes after the trials were read."""
    everything = explored.read().frozen_trials()
    best = explored.read().status()["best"]["number"]
    reads = iter([everything[:best]])
    monkeypatch.setattr(StudyReader, "frozen_trials", lambda self: next(reads, everything))
    study = StudyData.read(explored.storage)
    assert len(study.trials) == best
    assert study.best is None or study.best.number < best


def test_a_running_trial_has_no_reports_and_ends_now(workplace):
    workplace.start(workplace.write_study(trials=1))
    workplace.claim_elsewhere()
    running = StudyData.read(workplace.storage).trials[1]
    assert (running.ending, running.reports, running.is_counted) == ("running", [], False)
    assert running.ended_at >= running.started_at


def test_a_removed_trial_is_left_out(workplace):
    from recsys_search.search.results.removal import remove_trials

    workplace.start(workplace.write_study(trials=2))
    remove_trials(workplace.storage, "small", [0])
    assert [each.number for each in StudyData.read(workplace.storage).trials] == [1]


def test_too_few_outcomes_have_no_surrogate(study):
    assert replace(study, outcomes=study.outcomes[:1]).surrogate is None
    assert study.surrogate is not None
