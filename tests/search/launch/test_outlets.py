"""Whole studies with notifications and trackers, from the study file or the command line."""

from __future__ import annotations

import warnings

import pytest
from recsys_search.errors import ConfigError, OptionError, StudyError
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.listeners.attach import Outlets
from recsys_search.search.running.events import Notice
from recsys_search.search.running.objective import Objective
from recsys_search.search.storage.database import readable_storage
from recsys_search.search.storage.studies import read_stored_specs

SECRET = "abcdefghijklmnop"


@pytest.fixture
def run(workplace):
    """`run(study, **options)`: run it; returns the notices."""

    def run(study, **options):
        events = []
        run_study(study, workplace.storage, device="cpu", listener=events.append, **options)
        return [event.message for event in events if isinstance(event, Notice)]

    return run


def test_messages_of_a_whole_study(workplace, inbox, run):
    run(workplace.write_study(notify=[inbox.url]))
    assert inbox.titles == ["small: started", "small: trial 0 is the new best", "small: done"]
    started, _, done = [message["message"].splitlines() for message in inbox.messages]
    assert started[0].endswith("ratings: 0 of 2 trials are done")
    assert done[0] == "2 of 2 trials are done (2 complete, 0 pruned, 0 failed)"
    assert done[1].startswith("best: trial ")
    assert "the bias baseline's" in done[1]
    assert "recsys-search best --export config.yaml" in "\n".join(done)


def test_a_study_that_goes_on_does_not_repeat_old_bests(workplace, inbox, run):
    study = workplace.write_study()
    run(study)
    again = workplace.write_study(trials=2)
    run(again, outlets=Outlets(notify=[inbox.url]))
    assert inbox.titles == ["small: continues", "small: done"]
    assert "all 2 trials of small are done; for more:" in inbox.messages[1]["message"]


def test_several_workers_have_one_sender(workplace, inbox, run, tmp_path):
    study = workplace.write_study(
        notify=[inbox.url], trackers=[{"tensorboard": {"folder": str(tmp_path / "boards")}}]
    )
    run(study, workers=2)
    assert inbox.titles[0] == "small: started"
    assert inbox.titles[-1] == "small: done"
    assert len([title for title in inbox.titles if title.endswith("is the new best")]) == 1
    assert sorted(folder.name for folder in (tmp_path / "boards" / "small").iterdir()) == ["0", "1"]


def test_three_failures_in_a_row_are_sent(workplace, inbox, run, monkeypatch):
    def fail(self, trial, training):
        raise RuntimeError("no kernel image is available")

    monkeypatch.setattr(Objective, "_train", fail)
    with pytest.raises(StudyError, match="the last 3 trials of small failed"):
        run(workplace.write_study(trials=5, notify=[inbox.url]))
    assert inbox.titles == ["small: started", "small: failed"]
    assert "RuntimeError: no kernel image is available" in inbox.messages[1]["message"]
    assert inbox.messages[1]["type"] == "failure"


def test_a_dead_endpoint_is_one_notice_and_disturbs_no_trial(workplace, run, unused_port):
    pytest.importorskip("apprise")
    notices = run(workplace.write_study(notify=[f"json://localhost:{unused_port}"]))
    assert [note for note in notices if "not delivered" in note] == [
        "notify 1 (JSON): a notification was not delivered: the service cannot be reached, or "
        "refused the message; trials go on"
    ]
    assert workplace.read().status()["complete"] == 2


def test_a_study_keeps_the_variables_and_not_their_values(workplace, inbox, run, monkeypatch):
    monkeypatch.setenv("TARGET", inbox.url.replace("//", f"//user:{SECRET}@"))
    monkeypatch.setenv("HOST", inbox.url.removeprefix("json://"))
    notices = run(
        workplace.write_study(notify=["$TARGET", "json://user:${TOKEN:-}@${HOST}"]),
        outlets=Outlets(notify=[f"json://user:{SECRET}x@localhost:1"]),
    )
    assert inbox.titles.count("small: started") == 2
    spec = read_stored_specs(readable_storage(workplace.storage))["small"]
    assert '"notify":["$TARGET","json://user:${TOKEN:-}@${HOST}"]' in spec
    assert SECRET not in "\n".join(notices)
    files = [path for path in workplace.folder.rglob("*") if path.is_file()]
    assert not any(SECRET.encode() in path.read_bytes() for path in files)
    run("small")  # by its name, from what is stored
    assert inbox.titles.count("small: continues") == 2


@pytest.mark.parametrize(
    ("changes", "outlets", "error", "message"),
    [
        ({"notify": ["$UNSET_URL"]}, Outlets(), ConfigError, "variable UNSET_URL is not set"),
        ({"notify": [f"discord://1/{SECRET}"]}, Outlets(), ConfigError, "is written out"),
        ({}, Outlets(notify=["$UNSET_URL"]), OptionError, "--notify: variable UNSET_URL"),
        ({}, Outlets(trackers=["tensorbord"]), OptionError, "did you mean tensorboard"),
    ],
)
def test_what_cannot_work_is_refused_before_anything_is_created(
    workplace, run, changes, outlets, error, message
):
    pytest.importorskip("apprise")
    with pytest.raises(error, match=message) as refused:
        run(workplace.write_study(**changes), outlets=outlets)
    assert SECRET not in str(refused.value)
    assert {path.name for path in workplace.folder.iterdir()} == {"ratings", "small.yaml"}


def test_notifications_and_trackers_may_change_between_two_starts(workplace, inbox, run, tmp_path):
    run(workplace.write_study(trials=1))
    folder = tmp_path / "boards"
    changed = workplace.write_study(
        trials=2, notify=[inbox.url], trackers=[{"tensorboard": {"folder": str(folder)}}]
    )
    run(changed)
    assert inbox.titles[0] == "small: continues"
    assert [path.name for path in (folder / "small").iterdir()] == ["1"]


def test_a_tracker_of_the_command_line_does_not_repeat_that_of_the_file(workplace, run, tmp_path):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    study = workplace.write_study(
        trials=1, trackers=[{"tensorboard": {"folder": str(tmp_path / "boards")}}]
    )
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        run(study, outlets=Outlets(trackers=["tensorboard"]))
    [events] = (tmp_path / "boards" / "small" / "0").iterdir()
    run_of_trial = EventAccumulator(str(events)).Reload()
    [record] = workplace.read().trials()
    curve = [point.value for point in run_of_trial.Scalars("val_rmse")]
    assert min(curve) == pytest.approx(record["val_rmse"])
    assert len(curve) == record["epochs"] == 2
