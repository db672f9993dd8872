"""The best trials of a study, trained and combined."""

from __future__ import annotations

import pytest
from recsys_search.errors import NothingYet, OptionError, RunError
from recsys_search.model.runs.experiment import read_experiment
from recsys_search.model.runs.run import Run
from recsys_search.search.results.confirmation.confirm import confirm
from recsys_search.search.results.ensemble import ensemble_trials, members_folder


def run(workplace, **options):
    out = workplace.folder / "runs" / "a"
    return ensemble_trials("small", workplace.storage, out, device="cpu", **options)


def names(order):
    """Of the members: the best trial has its own seed, 42, the next 43."""
    best, *others = order
    return [
        f"trial {best} of small",
        *(f"trial {n} of small (seed {seed})" for seed, n in enumerate(others, 43)),
    ]


def test_the_best_trials_are_trained_and_combined(searched):
    result = run(searched, top=2)
    trials = searched.read().best(2)
    best, second = result["members"]
    assert [best["run"], second["run"]] == names(trial["number"] for trial in trials)
    assert best["val_rmse"] == pytest.approx(trials[0]["val_rmse"], rel=1e-5)
    assert second["val_rmse"] != pytest.approx(trials[1]["val_rmse"], rel=1e-5)
    ensemble = Run.load(searched.folder / "runs" / "a", "cpu")
    assert ensemble.experiment.origin == {
        "study": "small",
        "trials": [trial["number"] for trial in trials],
    }
    assert ensemble.evaluate("validation")["n"] == 200
    assert [path.name for path in (searched.folder / "runs").iterdir()] == ["a"]


def test_confirmed_trials_come_first(searched):
    best, second = searched.read().best(2)
    confirm("small", searched.storage, top=2, seeds=2, device="cpu")
    order = [trial["number"] for trial in searched.read().best(2)]
    assert {best["number"], second["number"]} == set(order)
    result = run(searched, top=2)
    assert [member["run"] for member in result["members"]] == names(order)


def test_an_interrupted_call_trains_what_is_missing(searched):
    best, second = (trial["number"] for trial in searched.read().best(2))

    def interrupt(training, report):
        if training.config.learning_rate == searched.read().show(second)["config"]["learning_rate"]:
            raise KeyboardInterrupt

    out = searched.folder / "runs" / "a"
    with pytest.raises(KeyboardInterrupt):
        run(searched, top=2, on_epoch=interrupt)
    assert members_folder(out).is_dir()
    assert not out.exists()
    messages = []
    result = run(searched, top=2, notify=messages.append)
    assert f"trial {best} has been trained already" in messages
    assert f"training trial {second}" in messages
    assert [member["run"] for member in result["members"]] == names((best, second))
    assert not members_folder(out).exists()


def test_a_members_run_of_another_training_is_not_taken(searched):
    best = searched.read().best()[0]["number"]
    out = searched.folder / "runs" / "a"

    def interrupt(training, report):
        if report.epoch == 1:
            trained.append(None)
        if len(trained) == 2:
            raise KeyboardInterrupt

    trained = []
    with pytest.raises(KeyboardInterrupt):
        run(searched, top=2, on_epoch=interrupt)
    folder = members_folder(out)
    (folder / f"trial-{best}" / "config.yaml").write_text(
        (folder / f"trial-{best}" / "config.yaml").read_text().replace("seed: 42", "seed: 43", 1)
    )
    messages = []
    run(searched, top=2, notify=messages.append)
    assert f"training trial {best}" in messages


def test_fewer_trials_than_asked_for_are_said_to_be_all(searched):
    messages = []
    result = run(searched, top=9, weighting="equal", notify=messages.append)
    assert "only 3 of 9 trials: no other has completed" in messages
    assert [member["weight"] for member in result["members"]] == [pytest.approx(1 / 3)] * 3


def test_one_completed_trial_is_too_few(workplace):
    workplace.start(workplace.write_study(trials=1))
    with pytest.raises(NothingYet, match=r"^small has one completed trial, and an ensemble needs"):
        run(workplace)
    with pytest.raises(OptionError, match=r"^top must be at least 2, got 1"):
        run(workplace, top=1)


def test_an_existing_folder_is_refused_before_training(searched):
    (searched.folder / "runs" / "a").mkdir(parents=True)
    with pytest.raises(RunError, match="already exists"):
        run(searched, on_epoch=pytest.fail)


def test_ratings_that_have_moved_are_read_from_the_given_folder(searched):
    moved = searched.folder / "elsewhere"
    (searched.folder / "ratings").rename(moved)
    run(searched, top=2, dataset=str(moved))
    kept = read_experiment(searched.folder / "runs" / "a" / "config.yaml")
    assert kept.dataset == str(moved)
