"""Notes: how they are stored, edited and kept."""

from __future__ import annotations

from threading import Thread

import optuna
import optuna_dashboard
import pytest
from recsys_search.search.dashboard.stored_notes import (
    Note,
    edit_note,
    read_note,
    remove_note,
    write_figure,
    write_note,
)
from recsys_search.search.dashboard.study_text import MARKER, update_own_part
from recsys_search.search.results.removal import remove_trials
from recsys_search.search.storage.claims import study_transaction
from recsys_search.search.storage.database import writable_storage


@pytest.fixture
def storage(tmp_path):
    with writable_storage(f"sqlite:///{tmp_path}/studies.db") as storage:
        yield storage


@pytest.fixture
def study(storage):
    return optuna.create_study(storage=storage, study_name="any")


def write(study, storage, body, version=1, trial_id=None):
    with study_transaction(storage, study._study_id) as transaction:
        write_note(transaction, trial_id, Note(version, body))


@pytest.mark.parametrize("length", [0, 1, 2045, 2046, 10_000])
def test_optuna_dashboard_reads_a_note_of_any_length(study, storage, length):
    write(study, storage, "long " * 4000)
    write(study, storage, "x" * length, version=2)
    assert optuna_dashboard.get_note(study) == "x" * length


def test_a_note_that_optuna_dashboard_has_written_is_read(study, storage):
    trial = study.ask()
    optuna_dashboard.save_note(trial, "y" * 5000)
    with study_transaction(storage, study._study_id) as transaction:
        assert read_note(transaction, trial._trial_id) == Note(1, "y" * 5000)
        assert read_note(transaction, None) == Note(0, "")
        remove_note(transaction, trial._trial_id)
        assert read_note(transaction, trial._trial_id) == Note(0, "")


def test_the_notes_of_two_trials_are_apart(study, storage):
    first, second = study.ask(), study.ask()
    for trial in (first, second):
        write(study, storage, f"of {trial.number}", trial_id=trial._trial_id)
    with study_transaction(storage, study._study_id) as transaction:
        remove_note(transaction, first._trial_id)
    assert optuna_dashboard.get_note(second) == "of 1"


def test_a_figure_is_stored_as_optuna_dashboard_stores_it(study, storage):
    from optuna_dashboard._custom_plot_data import get_plotly_graph_objects

    for text in ("z" * 5000, "z" * 3000):
        with study_transaction(storage, study._study_id) as transaction:
            write_figure(transaction, "curves", text)
        attrs = storage.get_study_system_attrs(study._study_id)
        assert get_plotly_graph_objects(attrs) == {"curves": text}


def test_notes_that_are_written_at_the_same_time_do_not_mix(study, storage):
    bodies = [letter * 6000 for letter in "abcdef"]
    threads = [
        Thread(target=write, args=(study, storage, body, version))
        for version, body in enumerate(bodies, start=1)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    attrs = storage.get_study_system_attrs(study._study_id)
    assert optuna_dashboard.get_note(study) == bodies[attrs["dashboard:note_ver"] - 1]


def test_an_edited_note_replaces_only_the_one_that_was_read(study, storage):
    assert edit_note(storage, study._study_id, None, Note(1, "mine")) is None
    # Another person had read version 0 as well.
    assert edit_note(storage, study._study_id, None, Note(1, "other")) == Note(1, "mine")
    assert optuna_dashboard.get_note(study) == "mine"


def test_a_note_of_no_trial_is_refused(study, storage):
    with pytest.raises(KeyError):
        edit_note(storage, study._study_id, 99, Note(1, "of nobody"))


def test_what_a_person_writes_above_the_line_stays():
    first = update_own_part("", "1 of 2 trials")
    assert first == f"{MARKER}\n\n1 of 2 trials"
    edited = f"My plan.\n\n{first}"
    assert update_own_part(edited, "2 of 2 trials") == f"My plan.\n\n{MARKER}\n\n2 of 2 trials"


def test_a_note_without_the_line_is_a_persons_and_stays():
    assert update_own_part("My own note.", "2 of 2 trials") == "My own note."


def test_a_trial_that_is_removed_loses_its_note(workplace):
    workplace.start(workplace.write_study())
    remove_trials(workplace.storage, "small", [0])
    with writable_storage(workplace.storage) as storage:
        study = optuna.load_study(study_name="small", storage=storage)
        attrs = storage.get_study_system_attrs(study._study_id)
        removed, kept = (trial._trial_id for trial in study.trials)
    assert f"dashboard:{kept}:note_ver" in attrs
    assert not [key for key in attrs if key.startswith(f"dashboard:{removed}:")]


# Through the browser's API.


def test_a_note_can_be_edited_where_the_dashboard_is_writable(workplace, page):
    workplace.start(workplace.write_study(), trials=1)
    stored = page("/api/studies/1").json["note"]
    edited = {"version": stored["version"] + 1, "body": f"Plan.\n\n{stored['body']}"}
    assert page("/api/studies/1/note", "PUT", edited).status == 403
    assert page("/api/studies/1/note", "PUT", edited, writable=True).status == 200
    assert page("/api/studies/1").json["note"] == edited
    conflict = page("/api/studies/1/note", "PUT", edited, writable=True)
    assert (conflict.status, conflict.json["note"]) == (409, edited)
    workplace.start("small", trials=2)
    body = page("/api/studies/1").json["note"]["body"]
    assert body.startswith(f"Plan.\n\n{MARKER}")
    assert "2 of 2 trials" in body


def test_a_note_that_makes_no_sense_is_refused(workplace, page):
    workplace.start(workplace.write_study(), trials=1)
    for document in (None, [], {"version": 1}, {"version": "1", "body": ""}):
        answer = page("/api/studies/1/note", "PUT", document, writable=True)
        assert (answer.status, "version" in answer.json["reason"]) == (400, True)
    long = {"version": 1, "body": "x" * 200_000}
    assert page("/api/studies/1/note", "PUT", long, writable=True).status == 413
    note = {"version": 1, "body": "x"}
    for path in ("/api/studies/9/note", "/api/studies/1/99/note"):
        assert page(path, "PUT", note, writable=True).status == 404


def test_a_trials_note_becomes_that_of_the_person_who_edits_it(workplace, page):
    workplace.start(workplace.write_study(), trials=1)
    note = {"version": 2, "body": "a lucky one"}
    assert page("/api/studies/1/1/note", "PUT", note, writable=True).status == 200
    (trial,) = page("/api/studies/1").json["trials"]
    assert trial["note"] == note


def test_nothing_but_notes_can_be_changed(workplace, page):
    workplace.start(workplace.write_study(), trials=1)
    answer = page("/api/studies/1", "DELETE", writable=True)
    assert answer.status == 403
    assert answer.json["reason"].endswith("to delete a study: recsys-search studies rm NAME")
    assert workplace.read().status()["complete"] == 1
