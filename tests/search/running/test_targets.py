"""A target on the ratings at hand: its unit, and the bias baseline that may meet it already."""

from __future__ import annotations

import optuna
import pytest
from pytest import approx
from recsys_search.errors import ConfigError
from recsys_search.search.pruners.rule import Kind, Rule
from recsys_search.search.pruners.table import PRUNERS
from recsys_search.search.running import targets
from recsys_search.search.storage.database import writable_storage

PERCENT = "ratings run from 10 to 100, so the thresholds of pruners, in stars, are multiplied by 20"


def multiply_ratings(workplace, factor):
    path = workplace.folder / "ratings" / "ratings.csv"
    header, *lines = path.read_text().splitlines()
    rows = [line.split(",") for line in lines]
    text = "\n".join(f"{u},{f},{float(r) * factor:g},{t}" for u, f, r, t in rows)
    path.write_text(f"{header}\n{text}\n")


@pytest.fixture
def percent(workplace):
    """A workplace with ratings from 10 to 100: half a star is 10."""
    multiply_ratings(workplace, 20)
    return workplace


def mse_target(**values):
    return {"target": {"metric": "val_mse", "below": 0.25, **values}}


def test_a_target_in_stars_is_converted_to_the_ratings_scale(percent, recorder):
    listener = recorder()
    objective = mse_target(unit="stars", note="It is low.")
    reader = percent.start(percent.write_study(objective=objective, trials=1), listener)
    target = reader.status()["target"]
    assert (target["value"], target["condition"]) == (approx(100), "val_mse < 100")
    assert target["note"] == "In stars: val_mse < 0.25. It is low."
    assert listener.notices == ["target val_mse < 0.25 in stars is val_mse < 100 on this scale"]


def test_a_converted_target_stays_the_same_when_the_study_is_continued(percent):
    study = percent.write_study(objective=mse_target(unit="stars"), trials=1)
    first = percent.start(study).status()["target"]
    assert percent.start("small", trials=2).status()["target"] == first
    assert percent.start(study, trials=3).status()["target"] == first


def test_on_stars_a_target_in_stars_is_as_the_file_has_it(workplace, recorder):
    listener = recorder()
    reader = workplace.start(
        workplace.write_study(objective=mse_target(unit="stars"), trials=1), listener
    )
    assert reader.status()["target"]["condition"] == "val_mse < 0.25"
    assert listener.notices == []


def test_a_target_without_a_unit_is_in_the_ratings_own(percent):
    reader = percent.start(percent.write_study(objective=mse_target(), trials=1))
    assert reader.status()["target"]["condition"] == "val_mse < 0.25"
    assert percent.start("small", target_rmse=9.5).status()["target"]["value"] == 9.5


def test_start_says_once_that_thresholds_in_stars_are_multiplied(percent, recorder):
    listener = recorder()
    study = percent.write_study(pruners=["divergence", "plateau"], trials=2)
    percent.start(study, listener)
    assert listener.notices == [PERCENT]


def test_on_stars_start_says_nothing_of_thresholds(workplace, recorder):
    listener = recorder()
    workplace.start(workplace.write_study(pruners=["plateau"], trials=1), listener)
    assert listener.notices == []


def test_a_trial_is_judged_in_stars_of_its_ratings(percent, monkeypatch):
    judged = []

    class Spy(Rule):
        stop_reason = "spy"
        kind = Kind.BEHIND

        def judge(self, progress):
            judged.append(progress.star)

    monkeypatch.setitem(PRUNERS, "spy", Spy)
    percent.start(percent.write_study(pruners=["spy"], trials=1))
    assert judged == [20, 20]


# A target that the bias baseline meets.


def test_a_target_that_the_bias_baseline_meets_is_refused_before_anything_is_stored(workplace):
    multiply_ratings(workplace, 0.2)
    study = workplace.write_study(objective={"target": {"metric": "val_mse", "below": 0.55}})
    with pytest.raises(ConfigError) as caught:
        workplace.start(study)
    assert str(caught.value) == (
        "target val_mse < 0.55 is already met by the bias baseline (0.0294), so any model would "
        "meet it; lower it"
    )
    assert not (workplace.folder / "studies.db").exists()


def test_the_baseline_of_a_stored_study_is_not_computed_again(workplace, monkeypatch):
    study = workplace.write_study(trials=1)
    rmse = workplace.start(study).bias_val_rmse
    monkeypatch.setattr(targets, "bias_val_rmse", None)
    with pytest.raises(ConfigError, match=rf"is already met by the bias baseline \({rmse:.4f}\)"):
        workplace.start(study, trials=2, target_rmse=rmse + 0.01)
    workplace.start(study, trials=2, target_rmse=0.1)


def test_a_target_that_a_stored_study_has_reached_stays_reached(workplace, recorder, monkeypatch):
    study, listener = workplace.write_study(trials=1), recorder()
    monkeypatch.setattr(targets, "bias_val_rmse", lambda split: 9.0)
    workplace.start(study, target_rmse=4.0)
    with writable_storage(workplace.storage) as storage:  # as an earlier version left it
        optuna.load_study(study_name="small", storage=storage).set_user_attr("bias_val_rmse", 3.0)
    reader = workplace.start(study, listener, trials=5, target_rmse=4.0)
    assert reader.status()["target"]["reached"]
    assert listener.notices == ["the target is reached"]
    assert len(reader.trials()) == 1


def test_a_new_target_of_a_stored_study_must_be_below_the_baseline_too(workplace):
    study = workplace.write_study(trials=1)
    workplace.start(study)
    with pytest.raises(ConfigError, match=r"target val_rmse < 4 is already met by the bias "):
        workplace.start(study, target_rmse=4.0)


def test_a_metric_without_a_baseline_needs_none(workplace, reached, monkeypatch):
    monkeypatch.setattr(targets, "bias_val_rmse", None)
    assert workplace.start(workplace.write_study(objective=reached)).status()["target"]["reached"]


def test_the_baseline_is_stored_before_the_first_trial_ends(workplace, recorder):
    seen = []
    listener = recorder(lambda number, report: seen.append(workplace.read().bias_val_rmse))
    reader = workplace.start(workplace.write_study(trials=1), listener, target_rmse=0.1)
    assert seen[0] == reader.bias_val_rmse is not None
