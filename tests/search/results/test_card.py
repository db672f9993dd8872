"""Model cards: every figure is the storage's."""

from __future__ import annotations

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.evaluation.metrics import VAL_RMSE
from recsys_search.model.runs.experiment import Experiment
from recsys_search.search.results import card


def experiment(**changes):
    values = {"config": build_config("two_tower"), "dataset": "ml-1m", "split": SplitSpec()}
    return Experiment(**{**values, **changes})


def trial(**changes):
    return {"confirmed": None, "architecture": "two_tower", "params": 1234, **changes}


@pytest.fixture
def done(searched):
    return searched.read()


def test_a_card_has_the_storages_figures(done):
    best = done.best()[0]
    text = card.model_card(done, best["number"], "config.yaml")
    assert text.startswith(f"# two_tower, trial {best['number']} of study small\n")
    for name in ("val_rmse", "val_mse"):
        assert f"| {best[name]:.4f} |" in text
    assert f"| fingerprint | `{done.fingerprint}` |" in text
    assert f"learning_rate: {best['config']['learning_rate']}" in text
    assert f"The trial ended complete: {best['reason']}." in text
    assert "in a study of 3 trials" in text
    assert "| torch |" in text
    assert text.splitlines()[-1].startswith("    OMP_NUM_THREADS=")


def test_the_sections_are_in_order(done):
    headings = [
        line[3:]
        for line in card.model_card(done, 0, "config.yaml").splitlines()
        if line.startswith("## ")
    ]
    assert headings == ["Intended use and limits", "Data", "Evaluation", "Health", "Training"]


@pytest.mark.parametrize(
    ("dataset", "licence"),
    [
        (
            "ml-1m",
            "for research, with credit; no commercial use without GroupLens' permission; full",
        ),
        ("demo:5k", "none needed: the ratings are generated"),
        ("/data/mine.csv", "not recorded: the ratings were given as a path"),
    ],
)
def test_the_licence_is_that_of_the_dataset(dataset, licence):
    assert f"| licence | {licence}" in card._data(experiment(dataset=dataset))


@pytest.mark.parametrize(
    ("split", "described"),
    [
        (SplitSpec(), "80/10/10 (train/validation/test), at random, seed 42"),
        (SplitSpec(method="temporal"), "(train/validation/test), by time: the newest ratings are"),
        (SplitSpec(method="leave-last-k", k=2), "by time: each user's last 2 ratings are held out"),
        (SplitSpec(method="u1"), "u1"),
    ],
)
def test_the_split_is_described(split, described):
    assert described in card._data(experiment(split=split))


def test_the_limits_follow_from_the_config():
    both = card._limits(experiment(), trial())
    assert "neighbours: both" in both
    assert "no commercial use" in both
    assert "Not confirmed" in both
    past = card._limits(experiment(split=SplitSpec(method="temporal")), trial())
    assert "neighbours: past" in past
    confirmed = trial(confirmed={"mean": 0.8})
    off = card._limits(
        experiment(config=build_config("two_tower", neighbours="off"), dataset="demo"), confirmed
    )
    assert off.count("\n") == 0


def test_a_confirmed_trial_has_its_interval():
    confirmed = {"mean": 0.8012, "low": 0.7985, "high": 0.8039, "seeds": 5, "splits": 5}
    record = trial(
        confirmed=confirmed, val_rmse=0.79, val_mse=0.6241, value=0.79, epochs=9, train_s=1.0
    )
    status = {"bias_val_rmse": 0.87, "done": 12}
    text = card._evaluation(experiment(), record, status, VAL_RMSE)
    assert (
        "| val_rmse, mean over 5 seeds and splits | 0.8012, 95% interval [0.7985, 0.8039] |" in text
    )
