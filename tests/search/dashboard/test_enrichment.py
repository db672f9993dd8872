"""What a study leaves in the storage for optuna-dashboard, and what its own page adds."""

from __future__ import annotations

import json
import re

import optuna
import optuna_dashboard
import pytest
import yaml
from optuna_dashboard._custom_plot_data import get_plotly_graph_objects
from recsys_search.search.dashboard import enrichment
from recsys_search.search.dashboard.enrichment import Enrichment
from recsys_search.search.dashboard.stored_figures import MAX_POINTS, _sample
from recsys_search.search.dashboard.study_text import study_text
from recsys_search.search.dashboard.trial_text import trial_text
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.trials import CONFIG


def load(url, name="small"):
    return optuna.load_study(study_name=name, storage=readable_storage(url))


def system_attrs(study):
    return study._storage.get_study_system_attrs(study._study_id)


def trial_note(study, number):
    attrs = system_attrs(study)
    trial_id = study.trials[number]._trial_id
    return attrs.get(f"dashboard:{trial_id}:note_str:0", "")


def test_a_finished_study_has_a_note_with_its_goal_progress_and_next_commands(studied):
    note = optuna_dashboard.get_note(load(studied.storage))
    status = studied.read().status()
    assert "## small: done" in note
    assert "**Goal:** minimize validation RMSE on " in note
    assert "| progress | 5 of 5 trials: 2 complete, 3 pruned |" in note
    best = status["best"]
    assert f"| best | trial {best['number']}, validation RMSE {best['val_rmse']:.4f} (MSE " in note
    assert f"| bias baseline | validation RMSE {status['bias_val_rmse']:.4f} (MSE " in note
    assert "**Stops:** diverged 1 (33%), median 1 (33%), plateau 1 (33%)." in note
    assert "recsys-search best --export config.yaml --study small" in note


def test_a_target_is_shown_in_both_units(studied):
    target = {
        "metric": "val_mse",
        "value": 0.55,
        "condition": "val_mse < 0.55",
        "reached": False,
        "note": "",
    }
    text = study_text({**studied.read().status(), "target": target}, studied.storage, 0.0)
    assert "the target is val_mse < 0.55 (an RMSE of 0.7416), not reached yet." in text
    assert "| as of | 1970-01-01 00:00 UTC |" in text


def test_a_confirmed_leader_is_shown_with_its_interval(studied):
    confirmed = {"number": 1, "mean": 0.81, "low": 0.8, "high": 0.82, "seeds": 5, "splits": 5}
    status = {**studied.read().status(), "confirmed": {**confirmed, "against": None}}
    row = "trial 1 leads, confirmed over 5 seeds and splits: 0.8100 [0.8000, 0.8200]"
    assert f"| confirmed | {row} |" in study_text(status, studied.storage, 0.0)


def test_an_ended_trial_has_a_note_with_its_sentence_figures_and_config(studied):
    study = load(studied.storage)
    note = trial_note(study, 1)
    record = studied.read().trials()[1]
    assert note.startswith("## Trial 1: pruned (plateau)\n\n")
    assert record["reason"][1:] in note
    assert f"| validation RMSE | {record['val_rmse']:.4f} |" in note
    assert f"| validation MSE | {record['val_mse']:.4f} |" in note
    assert "The known config flat." in note
    config = yaml.safe_load(re.search(r"```yaml\n(.*)```", note, re.DOTALL)[1])
    assert config == study.trials[1].system_attrs[CONFIG]


def test_a_config_reads_back_from_its_yaml(studied):
    record, metric = studied.read().trials()[0], studied.read().metric
    config = {"a": 1e-9, "b": 1.0, "c": -0.5, "d": [8, 6], "e": True, "f": None, "g": "off"}
    text = trial_text(record, config, metric, "small", None)
    assert yaml.safe_load(re.search(r"```yaml\n(.*)```", text, re.DOTALL)[1]) == config


def test_a_study_with_enough_trials_has_figures(studied):
    figures = get_plotly_graph_objects(system_attrs(load(studied.storage)))
    # Importance takes more trials, and the cost a price.
    assert figures.keys() == {"curves", "latents", "kl_weight", "best_by_epochs"}
    endings = {trace["name"] for trace in json.loads(figures["curves"])["data"]}
    assert {"complete", "plateau", "median"} <= endings


def test_a_study_with_a_price_has_a_figure_of_its_cost(workplace):
    workplace.start(workplace.write_study(trials=5), usd_per_hour=2.0)
    figures = get_plotly_graph_objects(system_attrs(load(workplace.storage)))
    assert "USD" in figures["best_by_cost"]


def test_the_storage_keeps_the_notes_of_the_latest_and_the_best_trials(workplace, monkeypatch):
    monkeypatch.setattr(enrichment, "LATEST", 2)
    monkeypatch.setattr(enrichment, "BEST", 1)
    workplace.start(workplace.write_study(trials=6))
    study = load(workplace.storage)
    noted = {trial.number for trial in study.trials if trial_note(study, trial.number)}
    assert noted == {4, 5, study.best_trial.number}


def test_a_note_that_a_person_has_edited_is_kept(workplace, monkeypatch):
    monkeypatch.setattr(enrichment, "LATEST", 1)
    monkeypatch.setattr(enrichment, "BEST", 0)
    path = workplace.write_study(trials=1)
    workplace.start(path)
    with writable_storage(workplace.storage) as storage:
        for key, value in (("ver", 2), ("str:0", "mine")):
            storage.set_study_system_attr(1, f"dashboard:1:note_{key}", value)
    workplace.start("small", trials=3)
    study = load(workplace.storage)
    assert trial_note(study, 0) == "mine"
    assert trial_note(study, 1) == ""
    assert trial_note(study, 2) != ""


def test_the_page_has_a_note_for_trials_that_have_none_in_the_storage(workplace, page, monkeypatch):
    monkeypatch.setattr(enrichment, "LATEST", 1)
    monkeypatch.setattr(enrichment, "BEST", 0)
    workplace.start(workplace.write_study(trials=3))
    notes = [trial["note"] for trial in page("/api/studies/1").json["trials"]]
    assert [note["version"] for note in notes] == [0, 0, 1]
    for number, note in enumerate(notes):
        assert note["body"].startswith(f"## Trial {number}: complete")


def test_the_page_of_another_programs_study_is_left_as_it_is(workplace, page):
    with writable_storage(workplace.storage) as storage:
        study = optuna.create_study(storage=storage, study_name="foreign")
        study.optimize(lambda trial: 1.0, n_trials=1)
    shown = page("/api/studies/1").json
    assert shown["note"] == {"version": 0, "body": ""}
    assert shown["trials"][0]["note"] == {"version": 0, "body": ""}


def test_the_studys_note_is_written_once_in_a_while_and_at_the_end(workplace, monkeypatch):
    written = []
    update = Enrichment._update_note

    def count(self, *, now):
        before = system_attrs(load(workplace.storage)).get("dashboard:note_ver", 0)
        update(self, now=now)
        if system_attrs(load(workplace.storage))["dashboard:note_ver"] > before:
            written.append(now)

    monkeypatch.setattr(Enrichment, "_update_note", count)
    workplace.start(workplace.write_study(trials=4))
    assert written == [False, True]  # at the start and at the end, all within a minute


def test_of_several_workers_that_end_one_draws_the_last_figures(workplace):
    workplace.start(workplace.write_study())
    with writable_storage(workplace.storage) as storage:
        study_id = storage.get_study_id_from_name("small")
        ended = [Enrichment(storage, study_id, "small", workplace.storage) for _ in range(2)]
        assert [each._last_figures_are_due() for each in ended] == [False, False]  # start drew them
        study = optuna.load_study(study_name="small", storage=storage)
        study.tell(study.ask(), state=optuna.trial.TrialState.FAIL)
        assert [each._last_figures_are_due() for each in ended] == [True, False]


def test_a_study_goes_on_if_its_notes_cannot_be_written(workplace, monkeypatch, recorder):
    def fail(*args, **kwargs):
        raise RuntimeError("no room")

    monkeypatch.setattr(Enrichment, "_keep_note", fail)
    monkeypatch.setattr(Enrichment, "_update_note", fail)
    with pytest.warns(UserWarning, match="the dashboard's .* note failed with RuntimeError"):
        reader = workplace.start(workplace.write_study(), recorder())
    assert reader.status()["complete"] == 2


def test_a_sample_of_a_scatter_plot_keeps_all_endings():
    import plotly.graph_objects as go

    figure = go.Figure()
    for name, n in (("complete", 10_000), ("collapse", 5)):
        figure.add_scatter(x=list(range(n)), y=list(range(n)), text=["t"] * n, mode="markers")
        figure.data[-1].name = name
    shown = {trace.name: len(trace.x) for trace in _sample(figure).data}
    assert shown["complete"] <= MAX_POINTS
    assert shown["collapse"] >= 1
    assert all(len(trace.x) == len(trace.y) == len(trace.text) for trace in figure.data)
