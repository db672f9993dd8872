"""Accuracy of the models on MovieLens latest-small."""

from __future__ import annotations

from statistics import mean

import pytest
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.run import Run
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training.training import Training


def test_a_short_training_beats_the_biases_on_real_ratings(real_ratings_folder):
    split = split_ratings(load_ratings(str(real_ratings_folder)), SplitSpec())
    config = build_config("two_tower", max_epochs=2, latent_dim=32, amp="off")
    with Training(config, split, "cpu") as run:
        for _ in run:
            pass
    assert run.best.report.val_rmse < run.bias_val_rmse - 0.05


def test_matrix_factorisation_beats_the_biases_on_real_ratings(real_ratings_folder):
    split = split_ratings(load_ratings(str(real_ratings_folder)), SplitSpec())
    with Training(build_config("mf", max_epochs=8, amp="off"), split, "cpu") as run:
        for _ in run:
            pass
    assert run.best.report.val_rmse < run.bias_val_rmse - 0.01


@pytest.mark.slow
def test_the_two_tower_defaults_are_far_below_the_biases(real_ratings_folder, tmp_path):
    results = []
    for seed in (42, 43, 44):
        experiment = Experiment(
            config=build_config("two_tower", seed=seed),
            dataset=str(real_ratings_folder),
            split=SplitSpec(),
        )
        result = train_run(experiment, tmp_path / str(seed))
        assert result["train_s"] < 60
        results.append(Run.load(tmp_path / str(seed)).evaluate("test"))
    assert mean(result["rmse"] for result in results) <= results[0]["bias_rmse"] - 0.050
