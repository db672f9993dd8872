"""Studies from their first trial to their end, with every interruption on the way."""

from __future__ import annotations

import signal
import subprocess
from statistics import median

import optuna
import pytest
from recsys_search.errors import ConfigError, DataError, StudyError
from recsys_search.search.launch import run_study as module
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.running import objective
from recsys_search.search.storage import artifacts
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.workers import job

# Reports when its second epoch begins, and slows that epoch down.
SLOW_START = """
import sys, time
from recsys_search.model.training.training import Training

train_epoch = Training._train_epoch

def slow(self):
    if len(self.reports) == 1:
        print("second epoch", flush=True)
        time.sleep(float(sys.argv[1]))
    return train_epoch(self)

Training._train_epoch = slow
from recsys_search.cli import main
main(["start", "--study", sys.argv[2], "--storage", sys.argv[3], "--device", "cpu"])
"""


@pytest.fixture
def start_slowly(workplace, start_python):
    """Start a study in another process, and return it during its second epoch."""

    def start_slowly(study, *, second_epoch_s):
        process = start_python(
            SLOW_START, second_epoch_s, study, workplace.storage, stderr=subprocess.PIPE
        )
        assert process.stdout.readline() == "second epoch\n"
        return process

    return start_slowly


@pytest.fixture
def clock(monkeypatch):
    """The clock of a study's timeout, which a test moves by hand."""
    clock = [1000.0]
    for each in (module, job):
        monkeypatch.setattr(each, "time", lambda: clock[0])
    return clock


@pytest.fixture
def interrupt(recorder):
    """Builds a listener that sends this process signals at the end of the first epoch."""

    def interrupt(*signals):
        def at_epoch(number, report):
            if (number, report.epoch) == (0, 1):
                for each in signals:
                    signal.raise_signal(each)

        return recorder(at_epoch)

    return interrupt


def column(reader, key):
    return [trial[key] for trial in reader.trials()]


# The total.


def test_a_study_runs_to_its_total(workplace):
    reader = workplace.start(workplace.write_study(trials=3))
    assert column(reader, "number") == [0, 1, 2]
    assert column(reader, "state") == ["complete"] * 3
    assert reader.status()["done"] == reader.status()["total"] == 3


def test_a_second_start_runs_nothing(workplace, recorder):
    study = workplace.write_study()
    workplace.start(study)
    listener = recorder()
    reader = workplace.start(study, listener)
    assert (listener.started, len(reader.trials())) == ([], 2)


def test_a_larger_total_continues_the_study(workplace, recorder):
    study = workplace.write_study()
    workplace.start(study, trials=1)
    listener = recorder()
    reader = workplace.start(study, listener, trials=3)
    assert [trial.number for trial in listener.started] == [1, 2]
    # Another start draws other values, or it would try the first ones again.
    assert len({trial.config.learning_rate for trial in listener.started}) == 2
    assert len(set(column(reader, "val_rmse"))) == 3


def test_a_study_is_continued_by_its_name_alone(workplace, tmp_path):
    study = workplace.write_study()
    workplace.start(study, trials=1)
    (tmp_path / "small.yaml").unlink()
    assert workplace.start("small", trials=2).status()["done"] == 2


# Known configs.


def test_known_configs_come_first_in_order_with_their_fixed_fields(workplace, recorder):
    known = [
        {"name": "b", "learning_rate": 2e-3, "rating_dropout": 0.2, "seed": 7},
        {"name": "a", "learning_rate": 1e-3},
    ]
    listener = recorder()
    reader = workplace.start(workplace.write_study(known=known, trials=3), listener)
    assert [trial.label for trial in listener.started] == ["b", "a", None]
    first, second, _ = (trial.config for trial in listener.started)
    assert (first.learning_rate, first.rating_dropout, first.seed) == (2e-3, 0.2, 7)
    assert (second.learning_rate, second.rating_dropout, second.seed) == (1e-3, 0.3, 42)
    assert reader.show(0)["config"]["rating_dropout"] == 0.2


def test_known_configs_are_not_queued_twice(workplace, recorder):
    study = workplace.write_study(known=[{"name": "a"}, {"name": "b"}, {"name": "c"}])
    workplace.start(study, trials=1)
    listener = recorder()
    workplace.start(study, listener, trials=4)
    assert [trial.label for trial in listener.started] == ["b", "c", None]


# Endings.


def test_every_trial_of_a_finished_study_says_why_it_ended(studied):
    trials = studied.read().trials()
    assert [trial["stop_reason"] for trial in trials] == [
        None,
        "plateau",
        None,
        "diverged",
        "median",
    ]
    assert all(trial["reason"] for trial in trials)


def test_a_trial_that_runs_to_its_last_epoch_names_the_best(studied):
    trial = studied.read().show(0)
    best = min(trial["reports"], key=lambda report: report.val_rmse).epoch
    assert trial["reason"] == f"ran all 3 epochs; the best was epoch {best}"
    assert (trial["state"], trial["epochs"], trial["best_epoch"]) == ("complete", 3, best)


def test_a_plateau_far_from_the_best_trial_is_pruned(studied):
    trial = studied.read().show(1)
    rmse = [report.val_rmse for report in trial["reports"]]
    assert len(rmse) < 20
    assert rmse[-1] >= rmse[-2] == min(rmse)
    assert (trial["state"], trial["val_rmse"]) == ("pruned", rmse[-2])
    assert f"no better than {rmse[-2]:.4f} (epoch {len(rmse) - 1})" in trial["reason"]


def test_a_full_disk_loses_a_trials_reports_but_not_its_result(workplace, monkeypatch):
    def full(**_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(artifacts, "upload_artifact", full)
    [trial] = workplace.start(workplace.write_study(trials=1)).trials()
    assert (trial["state"], trial["epochs"]) == ("complete", 2)
    assert trial["val_rmse"] > 0
    assert trial["reason"].startswith("ran all 2 epochs")
    assert "; its epoch reports are lost: " in trial["reason"]
    assert "No space left on device" in trial["reason"]
    assert workplace.read().reports(0) == []


def test_a_contenders_plateau_is_complete_with_the_value_of_its_best_epoch(workplace):
    """The first trial is a contender: there is no other."""
    base = {**workplace.base, "max_epochs": 40, "patience": 1, "learning_rate": 0.02}
    space = {"rating_dropout": {"float": [0.1, 0.4]}}
    reader = workplace.start(workplace.write_study(base=base, space=space, trials=1))
    [trial] = reader.trials()
    rmse = [report.val_rmse for report in reader.reports(0)]
    assert (trial["state"], trial["stop_reason"]) == ("complete", "plateau")
    assert trial["val_rmse"] == rmse[-2] == min(rmse)


def test_a_diverging_trial_is_pruned_with_its_figures(studied):
    trial = studied.read().show(3)
    last = trial["reports"][-1]
    assert not last.finite
    assert (trial["state"], trial["stop_reason"]) == ("pruned", "diverged")
    assert trial["reason"] == (
        f"loss {last.train_loss:g} and validation RMSE {last.val_rmse:g} in epoch {last.epoch}, "
        "at learning rate 1e+06 and KL weight 0.001"
    )


def test_a_trial_behind_the_others_is_pruned_with_the_median_it_was_compared_to(studied):
    reader = studied.read()
    trial = reader.show(4)
    epoch = trial["epochs"]
    others = [reader.reports(number)[epoch - 1].val_rmse for number in (0, 2)]
    assert (trial["state"], trial["stop_reason"]) == ("pruned", "median")
    assert trial["val_rmse"] > median(others)
    assert trial["reason"] == (
        f"best validation RMSE {trial['val_rmse']:.4f} by epoch {epoch} is above "
        f"{median(others):.4f}, the median of the 2 completed trials at that epoch"
    )


def test_a_failed_trial_carries_its_error(workplace, monkeypatch):
    class Broken:
        def __init__(self, *_, **options):
            raise RuntimeError("no space\n  left")

    monkeypatch.setattr(objective, "Training", Broken)
    reader = workplace.start(workplace.write_study(trials=1))
    (trial,) = reader.trials()
    assert (trial["state"], trial["reason"]) == ("failed", "RuntimeError: no space left")
    assert (trial["stop_reason"], trial["epochs"], trial["val_rmse"]) == (None, 0, None)
    assert reader.status()["failed"] == reader.status()["done"] == 1


def test_three_failures_in_a_row_end_the_study_with_a_one_line_error(workplace, monkeypatch):
    class Broken:
        def __init__(self, *_, **options):
            raise RuntimeError("no space\nleft")

    monkeypatch.setattr(objective, "Training", Broken)
    with pytest.raises(StudyError) as caught:
        workplace.start(workplace.write_study(trials=9))
    assert str(caught.value) == (
        "the last 3 trials of small failed, the latest with RuntimeError: no space left; "
        "fix the cause, then run start again"
    )
    assert workplace.read().status()["failed"] == 3


def test_failures_that_are_not_in_a_row_do_not_end_the_study(workplace, monkeypatch):
    training, began = objective.Training, []

    def broken_often(*args, **options):
        began.append(args)
        if len(began) % 3:
            raise RuntimeError("no")
        return training(*args)

    monkeypatch.setattr(objective, "Training", broken_often)
    reader = workplace.start(workplace.write_study(trials=7))
    assert [state[0] for state in column(reader, "state")] == list("ffcffcf")


# The target.


def test_reaching_the_target_ends_the_study_but_no_trial(workplace, recorder, reached):
    listener = recorder()
    reader = workplace.start(workplace.write_study(objective=reached), listener)
    (trial,) = reader.trials()
    assert (trial["state"], trial["epochs"]) == ("complete", 2)
    assert reader.status()["target"]["reached"]
    assert listener.notices == ["the target is reached"]


def test_an_unreached_target_ends_nothing(workplace):
    reader = workplace.start(workplace.write_study(), target_rmse=0.1)
    assert len(reader.trials()) == 2
    assert reader.status()["target"] == {
        "metric": "val_rmse",
        "value": 0.1,
        "condition": "val_rmse < 0.1",
        "reached": False,
        "note": "",
    }


def test_a_pruned_trial_beyond_the_target_does_not_reach_it(workplace, reached):
    """It is worse than the biases in every epoch, but good enough for the target."""
    base = {"architecture": "hybrid", "amp": "off", "max_epochs": 3, "batch_size": 2000}
    small = {"latent_dim": 2, "n_factors": 2, "hidden_dims": [4], "learning_rate": 1e-6}
    strict = [{"divergence": {"lost_factor": 1.001, "patience": 2}}]
    study = workplace.write_study(
        base={**base, **small}, space={}, pruners=strict, objective=reached, trials=1
    )
    reader = workplace.start(study)
    (trial,) = reader.trials()
    assert (trial["state"], trial["stop_reason"]) == ("pruned", "diverged")
    assert trial["value"] > 0.01
    assert not reader.status()["target"]["reached"]


# Out of time, and interrupted.


def test_a_timeout_ends_the_trial_and_the_next_start_runs_it_again(workplace, recorder, clock):
    def at_epoch(number, report):
        if (number, report.epoch) == (1, 1):
            clock[0] += 61

    study = workplace.write_study(known=[{"name": "a"}, {"name": "b", "seed": 7}], trials=3)
    listener = recorder(at_epoch)
    status = workplace.start(study, listener, timeout="1m").status()
    assert listener.notices == ["out of time (1m)"]
    assert (status["done"], status["complete"], status["waiting"]) == (1, 1, 1)
    assert status["stops"] == {"interrupted": 1}
    trial = workplace.read().show(1)
    assert (trial["stop_reason"], trial["epochs"]) == ("interrupted", 1)
    assert trial["reason"] == "out of time (1m) after epoch 1"
    assert len(trial["reports"]) == 1

    listener = recorder()
    reader = workplace.start(study, listener)
    assert (reader.status()["done"], reader.status()["complete"]) == (3, 3)
    assert column(reader, "retry_of") == [None, None, 1, None]
    assert [trial.label for trial in listener.started] == ["b", None]
    assert "trial 1 is tried again as trial 2" in listener.notices
    assert reader.show(2)["config"] == reader.show(1)["config"]
    assert reader.show(2)["config"]["seed"] == 7


def test_a_timeout_applies_to_its_own_start_only(workplace, recorder, clock):
    def at_epoch(number, report):
        clock[0] += 61

    workplace.start(workplace.write_study(), recorder(at_epoch), timeout="1m")
    # Started by its name, the stored study is used.
    assert workplace.start("small", recorder(at_epoch)).status()["complete"] == 2


def test_a_trial_that_finishes_as_time_runs_out_counts(workplace, recorder, clock):
    def at_epoch(number, report):
        if report.epoch == 2:
            clock[0] += 61

    reader = workplace.start(workplace.write_study(), recorder(at_epoch), timeout="1m")
    assert column(reader, "state") == ["complete"]


@pytest.mark.parametrize(
    ("number", "left_with"),
    [
        (signal.SIGINT, KeyboardInterrupt),
        (signal.SIGTERM, SystemExit),
        (signal.SIGUSR1, SystemExit),
        (signal.SIGHUP, SystemExit),
    ],
)
def test_a_signal_ends_the_trial_after_its_epoch_and_queues_it_again(
    workplace, interrupt, number, left_with
):
    study = workplace.write_study()
    handlers = [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)]
    with pytest.raises(left_with) as caught:
        workplace.start(study, interrupt(number))
    assert caught.value.args == (() if left_with is KeyboardInterrupt else (128 + number,))
    assert [signal.getsignal(each) for each in (signal.SIGINT, signal.SIGTERM)] == handlers
    (trial,) = workplace.read().trials()
    assert trial["stop_reason"] == "interrupted"
    cause = "Ctrl-C" if number == signal.SIGINT else number.name
    assert trial["reason"] == f"{cause} after epoch 1"
    assert workplace.read().status()["waiting"] == 1

    reader = workplace.start(study)
    assert column(reader, "retry_of") == [None, 0, None]
    assert reader.status()["done"] == reader.status()["complete"] == 2


def test_a_second_signal_stops_at_once_and_queues_the_trial_again(workplace, interrupt):
    listener = interrupt(signal.SIGINT, signal.SIGINT)
    with pytest.raises(KeyboardInterrupt):
        workplace.start(workplace.write_study(), listener)
    assert listener.notices == ["Ctrl-C: stopping after this batch; press it again to stop at once"]
    (trial,) = workplace.read().trials()
    assert (trial["stop_reason"], trial["reason"]) == (
        "interrupted",
        "stopped in the middle of an epoch",
    )
    assert workplace.read().status()["waiting"] == 1


def test_ctrl_c_ends_the_command_with_130_and_no_traceback(workplace, start_slowly):
    study = workplace.write_study(base={**workplace.base, "max_epochs": 3})
    process = start_slowly(study, second_epoch_s=0.5)
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    again = f"recsys-search start --study small --storage {workplace.storage}"
    assert stderr.splitlines()[-1] == f"interrupted; continue with: {again}"
    (trial,) = workplace.read().trials()
    assert trial["stop_reason"] == "interrupted"
    assert trial["reason"] == "Ctrl-C in epoch 2"
    assert workplace.read().status()["waiting"] == 1


def test_ctrl_c_twice_does_not_wait_for_the_epoch(workplace, start_slowly):
    process = start_slowly(workplace.write_study(), second_epoch_s=200)
    process.send_signal(signal.SIGINT)
    while "again to stop at once" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    (trial,) = workplace.read().trials()
    assert trial["reason"] == "stopped in the middle of an epoch"
    assert workplace.read().status()["waiting"] == 1


def test_a_killed_trial_is_run_again(workplace, start_slowly):
    study = workplace.write_study(known=[{"name": "a", "seed": 7}])
    process = start_slowly(study, second_epoch_s=200)
    process.kill()
    process.communicate()
    status = workplace.read().status()
    assert (status["running"], status["interrupted"]) == (0, 1)  # not what the storage says
    assert status["note"] == "trial 0 was interrupted; it waits to be resumed"
    assert workplace.read().trials()[0]["reason"].endswith("; it waits to be resumed")

    reader = workplace.start(study)
    first, second, _ = reader.trials()
    assert (first["stop_reason"], first["epochs"]) == ("interrupted", 1)
    assert first["reason"] == (
        "its process ended before its result was stored: it was killed, the machine went down, or "
        "the storage failed"
    )
    assert (second["retry_of"], second["known_config"]) == (0, "a")
    assert reader.show(1)["config"] == reader.show(0)["config"]
    status = reader.status()
    assert (status["done"], status["complete"], status["running"]) == (2, 2, 0)


# Refused.


def test_a_study_file_that_changed_is_refused(workplace):
    workplace.start(workplace.write_study())
    changed = workplace.write_study(space={"learning_rate": {"float": [1e-4, 1e-1], "log": True}})
    with pytest.raises(StudyError) as caught:
        workplace.start(changed)
    message = str(caught.value)
    assert message.startswith(f"study small in {workplace.storage} was created with other settings")
    assert "space learning_rate float: [0.0001, 0.01] -> [0.0001, 0.1]; to continue it" in message
    assert len(workplace.read().trials()) == 2


def test_trials_timeout_and_target_may_change(workplace):
    workplace.start(workplace.write_study(trials=1))
    target = {"metric": "val_rmse", "below": 0.1}
    changed = workplace.write_study(trials=2, timeout="1h", objective={"target": target})
    assert workplace.start(changed).status()["done"] == 2


def test_changed_ratings_are_refused(workplace):
    study = workplace.write_study()
    created_on = workplace.start(study, trials=1).experiment().fingerprint
    workplace.write_ratings(seed=1)
    with pytest.raises(StudyError) as caught:
        workplace.start(study)
    assert str(caught.value).startswith(
        f"study small was created on ratings with the fingerprint {created_on}, but those"
    )
    assert str(caught.value).endswith(
        "; restore them, name the study's own with --dataset, or start a new study"
    )
    assert len(workplace.read().trials()) == 1


def test_another_dataset_is_refused(workplace):
    study = workplace.write_study()
    workplace.start(study, trials=1)
    with pytest.raises(
        StudyError,
        match=r"was created on ratings with the fingerprint \w+, but those of demo have ",
    ):
        workplace.start(study, dataset="demo")


def test_another_named_dataset_is_refused_before_it_is_downloaded(workplace):
    study = workplace.write_study(dataset="demo:1k")
    workplace.start(study, trials=1)
    with pytest.raises(StudyError) as caught:
        workplace.start(study, dataset="ml-32m")
    assert str(caught.value) == (
        "study small was created on demo:1k, not on ml-32m; leave out --dataset, or start a new "
        "study"
    )


def test_a_dataset_may_move(workplace):
    study = workplace.write_study()
    workplace.start(study, trials=1)
    (workplace.folder / "ratings").rename(workplace.folder / "moved")
    reader = workplace.start("small", trials=2, dataset=str(workplace.folder / "moved"))
    assert reader.status()["complete"] == 2
    assert reader.experiment().dataset == str(workplace.folder / "moved")


@pytest.mark.parametrize(
    ("overrides", "error", "message"),
    [
        ({"dataset": "ml-3m"}, DataError, "no dataset named 'ml-3m'; choose from ml-"),
        ({"timeout": "soon"}, ConfigError, "'soon' is not a duration; write 2h"),
        ({"target_rmse": -1.0}, ConfigError, "a target on val_rmse must be above 0, got -1"),
    ],
)
def test_an_invalid_override_is_refused(workplace, overrides, error, message):
    with pytest.raises(error, match=message):
        workplace.start(workplace.write_study(), **overrides)


def test_a_study_that_cannot_start_leaves_no_storage_behind(workplace):
    with pytest.raises(StudyError, match="no built-in study and no file named 'smal'"):
        run_study("smal", workplace.storage)
    with pytest.raises(ConfigError, match="cuda:99"):
        run_study(workplace.write_study(), workplace.storage, device="cuda:99")
    assert not (workplace.folder / "studies.db").exists()


def test_another_programs_study_in_the_storage_is_ignored(workplace):
    with writable_storage(workplace.storage) as storage:
        optuna.create_study(study_name="theirs", storage=storage).add_trial(
            optuna.trial.create_trial(value=0.0)
        )
    reader = workplace.start(workplace.write_study())
    assert (reader.spec.name, workplace.read().spec.name) == ("small", "small")
    assert reader.best()[0]["val_rmse"] > 0


@pytest.mark.parametrize("direction", ["minimize", "maximize"])
def test_another_programs_study_of_the_same_name_is_refused(workplace, direction):
    with writable_storage(workplace.storage) as storage:
        theirs = optuna.create_study(study_name="small", storage=storage, direction=direction)
        theirs.add_trial(optuna.trial.create_trial(value=0.0))
        with pytest.raises(StudyError, match="small"):
            run_study(workplace.write_study(), workplace.storage, device="cpu")
        assert (theirs.user_attrs, len(theirs.get_trials())) == ({}, 1)


def test_what_a_split_leaves_out_is_reported(workplace, recorder):
    listener = recorder()
    workplace.start(workplace.write_study(split={"method": "leave-last-k", "k": 16}), listener)
    assert "have too few ratings for a leave-last-16 split" in listener.notices[0]
