"""Studies are deleted and renamed with all that belongs to them."""

from __future__ import annotations

import signal

import optuna
import pytest
from recsys_search.errors import NothingYet, StudyError
from recsys_search.model.training.descent.descent import Descent
from recsys_search.search.results.housekeeping import (
    count_trials_of,
    delete_study,
    rename_study,
)
from recsys_search.search.results.overview import list_studies
from recsys_search.search.storage.artifacts import artifact_folder, checkpoint_folder
from recsys_search.search.storage.claims import study_transaction
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.locks import study_lock
from recsys_search.search.storage.studies import STOPPED
from recsys_search.search.storage.worker import GRACE_S, worker_identity


@pytest.fixture
def two_studies(workplace):
    for name in ("first", "second"):
        workplace.start(workplace.write_study(name))
    return workplace


def files(workplace):
    folder = artifact_folder(workplace.storage)
    return {path for path in folder.rglob("*") if path.is_file() and path.suffix != ".lock"}


def names(workplace):
    return [row["study"] for row in list_studies(workplace.storage)]


def test_a_study_goes_with_its_reports_and_leaves_the_others(two_studies):
    assert count_trials_of(two_studies.storage, "first") == 2
    assert len(files(two_studies)) == 4
    delete_study(two_studies.storage, "first")
    assert names(two_studies) == ["second"]
    assert len(files(two_studies)) == 2
    assert len(two_studies.read("second").reports(0)) == 2
    assert not list(artifact_folder(two_studies.storage).glob("first*"))


def test_a_study_goes_with_its_checkpoints(workplace, monkeypatch):
    original = Descent.step

    def interrupt(self, *args):
        original(self, *args)
        signal.raise_signal(signal.SIGINT)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(Descent, "step", interrupt)
        workplace.start(workplace.write_study())
    assert len(list(checkpoint_folder(workplace.storage).sizes())) == 1
    delete_study(workplace.storage, "small")
    assert list(checkpoint_folder(workplace.storage).sizes()) == []
    assert workplace.start(workplace.write_study()).status()["done"] == 2


def test_a_renamed_study_goes_on_under_its_new_name(two_studies):
    rename_study(two_studies.storage, "first", "erste Studie")
    assert names(two_studies) == ["erste Studie", "second"]
    reader = two_studies.start("erste Studie", trials=3)
    assert reader.spec.name == "erste Studie"
    assert reader.status()["complete"] == 3
    assert len(reader.reports(0)) == 2


@pytest.mark.parametrize("new_name", ["second", "", " ", "a\nb"])
def test_a_name_that_is_taken_or_none_is_refused(two_studies, new_name):
    with pytest.raises(StudyError):
        rename_study(two_studies.storage, "first", new_name)
    assert names(two_studies) == ["first", "second"]


@pytest.mark.parametrize("change", [delete_study, lambda url, name: rename_study(url, name, "x")])
def test_a_study_that_runs_is_left_alone(two_studies, change):
    with writable_storage(two_studies.storage) as storage, worker_identity() as identity:
        study_id = storage.get_study_id_from_name("first")
        with study_transaction(storage, study_id) as transaction:
            transaction.claim(None, identity)
        stop = f"recsys-search stop --study first --storage {two_studies.storage}"
        with pytest.raises(StudyError) as caught:
            change(two_studies.storage, "first")
        assert str(caught.value) == f"study first is being run; stop it first: {stop}"
        assert not storage.get_study_system_attrs(study_id).get(STOPPED)
    assert names(two_studies) == ["first", "second"]


@pytest.mark.parametrize(
    ("change", "left"),
    [
        (delete_study, ["second"]),
        (lambda url, name: rename_study(url, name, "x"), ["x", "second"]),
    ],
)
def test_a_trial_on_another_machine_blocks_while_its_process_sends_heartbeats(
    two_studies, change, left
):
    two_studies.claim_elsewhere("second", silent_s=GRACE_S - 30)
    with pytest.raises(StudyError, match="study second is being run; stop it first"):
        change(two_studies.storage, "second")
    two_studies.claim_elsewhere("first", silent_s=GRACE_S + 30)
    change(two_studies.storage, "first")
    assert names(two_studies) == left


@pytest.mark.parametrize("change", [delete_study, lambda url, name: rename_study(url, name, "x")])
def test_a_study_that_is_confirmed_is_left_alone(two_studies, change):
    with (
        study_lock(two_studies.storage, "first"),
        pytest.raises(StudyError, match="another process confirms, renames or deletes study first"),
    ):
        change(two_studies.storage, "first")
    assert names(two_studies) == ["first", "second"]


def test_a_renamed_study_goes_on(two_studies):
    rename_study(two_studies.storage, "first", "new")
    assert two_studies.start("new", trials=2).status()["done"] == 2


def test_only_studies_of_this_program_are_deleted(two_studies):
    with writable_storage(two_studies.storage) as storage:
        optuna.create_study(study_name="foreign", storage=storage)
    with pytest.raises(StudyError) as caught:
        delete_study(two_studies.storage, "foreign")
    assert str(caught.value) == (
        f"no study named 'foreign' in {two_studies.storage}; it holds: first, second"
    )


def test_without_a_storage_nothing_is_created(workplace):
    with pytest.raises(NothingYet):
        delete_study(workplace.storage, "small")
    assert not (workplace.folder / "studies.db").exists()


def test_a_study_in_postgresql_is_renamed_and_deleted(postgres, workplace, monkeypatch):
    monkeypatch.chdir(workplace.folder)
    workplace.storage = postgres
    workplace.start(workplace.write_study("kept-elsewhere", trials=1))
    rename_study(postgres, "kept-elsewhere", "renamed")
    assert "renamed" in names(workplace)
    delete_study(postgres, "renamed")
    assert "renamed" not in names(workplace)
