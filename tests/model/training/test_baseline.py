"""The bias baseline without a training."""

from __future__ import annotations

from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.baseline import bias_val_rmse
from recsys_search.model.training.training import Training


def test_the_baseline_alone_has_the_rmse_that_a_training_reports(split):
    with Training(build_config("biases"), split, "cpu") as run:
        assert bias_val_rmse(split) == run.bias_val_rmse
