"""A study optimises the metric of its file, whichever way round that is."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import recsys_search
import yaml
from recsys_search.errors import ConfigError, StudyError
from recsys_search.model.evaluation.metrics import METRICS, Metric
from recsys_search.model.evaluation.weighted import find_metric
from recsys_search.model.runs.experiment import read_experiment, write_experiment
from recsys_search.model.runs.train_run import train_run
from recsys_search.search.results.confirmation.confirm import confirm

KNOWN = [
    {"name": "learned", "learning_rate": 1e-2},
    {"name": "still", "learning_rate": 1e-4},
]


@pytest.fixture
def searched(workplace, val_close, recorder):
    """(workplace, what a listener received) of a study of two trials that maximises the metric."""
    listener = recorder()
    study = workplace.write_study(objective={"metric": "val_close"}, known=KNOWN, trials=2)
    workplace.start(study, listener)
    return workplace, listener


def test_the_best_trial_has_the_highest_value_of_a_maximised_metric(searched):
    reader = searched[0].read()
    records = reader.trials()
    values = [record["value"] for record in records]
    assert [record["metric"] for record in records] == ["val_close", "val_close"]
    assert len(set(values)) == 2
    best = reader.best()[0]
    assert best["value"] == max(values)
    assert reader.status()["best"]["val_close"] == max(values)
    assert all(0 < record["val_rmse"] < 2 for record in records)


def test_a_trials_value_is_that_of_its_best_epoch(searched):
    reader = searched[0].read()
    for record in reader.trials():
        by_epoch = [report.metrics["val_close"] for report in reader.reports(record["number"])]
        assert record["value"] == max(by_epoch)
        assert record["best_epoch"] == by_epoch.index(max(by_epoch)) + 1


def test_a_target_on_a_maximised_metric_is_reached_from_above(workplace, val_close):
    target = {"metric": "val_close", "above": 0.01}
    study = workplace.write_study(
        objective={"metric": "val_close", "target": target}, known=KNOWN, trials=2
    )
    status = workplace.start(study).status()
    assert status["done"] == 1
    assert status["target"]["reached"]
    assert status["target"]["condition"] == "val_close > 0.01"


def test_an_exported_config_trains_by_the_metric(searched, tmp_path):
    reader = searched[0].read()
    best = reader.best()[0]
    write_experiment(tmp_path / "config.yaml", reader.experiment())
    experiment = read_experiment(tmp_path / "config.yaml")
    assert experiment.metric == "val_close"
    result = train_run(experiment, tmp_path / "run", device="cpu")
    assert (result["best_epoch"], result["val_close"]) == (best["best_epoch"], best["value"])


def test_a_trial_whose_metric_is_not_finite_has_diverged(workplace, monkeypatch):
    metric = Metric(
        name="val_lost", label="lost metric", direction="maximize", compute=lambda _: float("nan")
    )
    monkeypatch.setitem(METRICS, "val_lost", metric)
    reader = workplace.start(workplace.write_study(objective={"metric": "val_lost"}, trials=1))
    [record] = reader.trials()
    assert (record["state"], record["stop_reason"], record["value"]) == ("pruned", "diverged", None)
    assert record["reason"].startswith("lost metric nan in epoch 1, at learning rate ")


def test_a_study_can_optimise_the_mse(workplace):
    study = workplace.write_study(objective={"metric": "val_mse"}, known=KNOWN, trials=2)
    reader = workplace.start(study)
    assert all(record["value"] == record["val_mse"] for record in reader.trials())
    assert reader.best()[0]["val_mse"] == min(record["val_mse"] for record in reader.trials())


@pytest.mark.parametrize(
    ("objective", "message"),
    [
        ({"metric": "val_ndgc"}, "no metric named 'val_ndgc'; choose from val_rmse, val_mse"),
        (
            {"target": {"metric": "val_rmse", "above": 0.8}},
            "a target on val_rmse must have below, such as below: 0.5",
        ),
        ({"target": {"metric": "val_rmse", "below": 0}}, "val_rmse must be above 0, got 0"),
        (
            {
                "metric": "val_rmse - val_ndcg",
                "target": {"metric": "val_rmse - val_ndcg", "below": 0.1, "unit": "stars"},
            },
            "val_rmse - val_ndcg adds metrics with different units, so a target on it cannot be",
        ),
        (
            {"target": {"metric": "val_rmse", "below": 0.8, "above": 0.8}},
            "a target on val_rmse must have below, such as below: 0.5",
        ),
    ],
)
def test_an_objective_that_makes_no_sense_is_refused(workplace, objective, message):
    with pytest.raises(ConfigError, match=message):
        workplace.start(workplace.write_study(objective=objective))


def test_a_target_must_be_a_metric_that_trials_record(workplace, val_close):
    objective = {"target": {"metric": "val_close", "above": 0.5}}
    with pytest.raises(ConfigError, match="target metric must be one of val_rmse, val_mse, got"):
        workplace.start(workplace.write_study(objective=objective))


def test_a_study_cannot_change_its_metric(workplace):
    study = workplace.write_study()
    workplace.start(study)
    workplace.write_study(objective={"metric": "val_mse"})
    with pytest.raises(StudyError, match="objective metric: val_rmse -> val_mse"):
        workplace.start(study)


RANKINGS = ["val_ndcg", "val_precision", "val_catalogue_ndcg", "val_catalogue_precision"]
WEIGHTED = "val_rmse - 0.5 * val_ndcg"


@pytest.mark.parametrize("metric", [*RANKINGS, WEIGHTED])
def test_a_study_that_ranks_is_searched_confirmed_and_exported(workplace, tmp_path, metric):
    study = workplace.write_study(
        objective={"metric": metric},
        known=KNOWN,
        pruners=[{"plateau": {}}],
        trials=2,
    )
    reader = workplace.start(study)
    records, found = reader.trials(), find_metric(metric)
    assert all(0 < record["val_rmse"] < 2 for record in records)
    best = reader.best()[0]
    assert best["value"] == found.best(record["value"] for record in records)
    assert reader.status()["best"][metric] == best["value"]

    [row, *_] = confirm("small", workplace.storage, device="cpu", top=1, seeds=2)
    assert (row["number"], row["metric"]) == (best["number"], metric)
    assert abs(row["mean"] - best["value"]) < 0.5

    write_experiment(tmp_path / "config.yaml", reader.experiment())
    experiment = read_experiment(tmp_path / "config.yaml")
    result = train_run(experiment, tmp_path / "run", device="cpu")
    assert (experiment.metric, result[metric]) == (metric, best["value"])
    assert {name: result[name] for name in found.parts} == best["parts"]


def test_a_trial_records_the_parts_of_a_weighted_sum(workplace):
    study = workplace.write_study(objective={"metric": "val_rmse -0.5*val_ndcg"}, trials=1)
    reader = workplace.start(study)
    [record] = reader.trials()
    assert record["metric"] == WEIGHTED
    assert record["parts"]["val_rmse"] == record["val_rmse"]
    assert record["value"] == record["val_rmse"] - 0.5 * record["parts"]["val_ndcg"]
    assert reader.status()["best"]["val_ndcg"] == record["parts"]["val_ndcg"]


@pytest.mark.parametrize(
    ("metric", "target", "done"),
    [
        ("val_ndcg", {"metric": "val_ndcg", "above": 0.1}, 1),
        ("val_catalogue_ndcg", {"metric": "val_rmse", "below": 0.1}, 2),
        (WEIGHTED, {"metric": WEIGHTED, "below": 0.9}, 1),
        (WEIGHTED, {"metric": WEIGHTED, "below": -0.1}, 2),
        (WEIGHTED, {"metric": "val_ndcg", "above": 0.1}, 1),
    ],
)
def test_a_target_of_a_ranking_study_ends_it(workplace, metric, target, done):
    study = workplace.write_study(
        objective={"metric": metric, "target": target}, known=KNOWN, trials=2
    )
    status = workplace.start(study).status()
    assert (status["done"], status["target"]["reached"]) == (done, done == 1)


def test_a_ranking_study_can_have_a_target_rmse(workplace):
    study = workplace.write_study(objective={"metric": "val_ndcg"}, known=KNOWN, trials=2)
    status = workplace.start(study, target_rmse=0.5).status()
    assert status["target"]["condition"] == "val_rmse < 0.5"
    assert not status["target"]["reached"]


def test_a_study_cannot_change_its_weights(workplace):
    study = workplace.write_study(objective={"metric": WEIGHTED}, trials=1)
    workplace.start(study)
    workplace.write_study(objective={"metric": "val_rmse - 0.500 * val_ndcg"}, trials=1)
    workplace.start(study)  # the same formula in another notation
    workplace.write_study(objective={"metric": "val_rmse - 0.7 * val_ndcg"})
    with pytest.raises(StudyError, match=r"val_rmse - 0\.5 \* val_ndcg -> val_rmse - 0\.7 \* val"):
        workplace.start(study)


def examples_of(page):
    """The YAML blocks of a page of the docs."""
    path = Path(recsys_search.__file__).parent / "docs" / page
    return re.findall(r"^```yaml\n(.*?)^```$", path.read_text(), re.MULTILINE | re.DOTALL)


def test_the_ranking_study_of_the_docs_runs(workplace):
    [text] = [block for block in examples_of("studies.md") if "rank_weight: {" in block]
    study = yaml.safe_load(text)
    values = {"base": study["base"] | {"amp": "off", "max_epochs": 2}, "trials": 2}
    path = workplace.write_study(**study | {"dataset": str(workplace.folder / "ratings")} | values)
    reader = workplace.start(path)
    assert reader.status()["target"]["condition"] == "val_catalogue_ndcg > 0.2"
    for record in reader.trials():
        assert record["metric"] == "val_catalogue_ndcg"
        assert 0 < record["value"] < 1
        assert 0.25 <= reader.show(record["number"])["config"]["rank_weight"] <= 4


def test_the_weighted_objective_of_the_docs_runs(workplace):
    [text] = [block for block in examples_of("studies.md") if "metric: val_rmse - 0.5" in block]
    objective = yaml.safe_load(text)["objective"]
    reader = workplace.start(workplace.write_study(objective=objective, trials=1))
    [record] = reader.trials()
    assert list(record["parts"]) == ["val_rmse", "val_catalogue_ndcg"]
