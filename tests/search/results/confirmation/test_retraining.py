"""Training a trial's config outside of its study."""

from __future__ import annotations

import pytest
from recsys_search.base.interrupts import Interrupts
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.evaluation.metrics import METRICS
from recsys_search.model.training.training import Training
from recsys_search.search.results.confirmation.retraining import Retrainer


@pytest.fixture(scope="module")
def split():
    return split_ratings(demo_ratings(2000, n_users=60, n_films=80), SplitSpec())


def config(**changes):
    small = {"amp": "off", "max_epochs": 3, "batch_size": 1000, "latent_dim": 2}
    return build_config("two_tower", **{**small, **changes})


def retrainer(listener, interrupts=None, metric="val_rmse"):
    return Retrainer(METRICS[metric], "cpu", listener, interrupts or Interrupts(print))


def test_the_best_epoch_of_the_whole_training_is_returned(split, recorder):
    listener = recorder()
    report, epochs = retrainer(listener).train(7, "audit", config(learning_rate=0.1), split)
    with Training(config(learning_rate=0.1), split, "cpu") as training:
        reports = list(training)
    assert epochs == 3
    assert report.val_rmse == min(each.val_rmse for each in reports)
    (started,) = listener.started
    assert (started.number, started.config) == (7, config(learning_rate=0.1))


def test_the_best_epoch_is_that_of_the_studys_metric(split, recorder):
    report, _ = retrainer(recorder(), metric="val_ndcg").train(0, "audit", config(), split)
    with Training(config(), split, "cpu", metric=METRICS["val_ndcg"]) as training:
        values = [METRICS["val_ndcg"].of(each) for each in training]
    assert METRICS["val_ndcg"].of(report) == max(values)


def test_patience_ends_it_early(split, recorder):
    flat = config(learning_rate=1e-9, max_epochs=50, patience=1)
    report, epochs = retrainer(recorder()).train(0, "audit", flat, split)
    assert report is not None and epochs < 50


def test_a_training_that_diverges_has_no_report(split, recorder):
    assert retrainer(recorder()).train(0, "audit", config(learning_rate=1e6), split)[0] is None


def test_a_signal_ends_it_after_the_epoch(split, recorder):
    interrupts, epochs = Interrupts(print), []

    def at_epoch(number, report):
        epochs.append(report.epoch)
        interrupts.received = "SIGINT"

    with pytest.raises(KeyboardInterrupt):
        retrainer(recorder(at_epoch), interrupts).train(0, "audit", config(), split)
    assert epochs == [1]


def test_a_signal_in_the_last_epoch_loses_nothing(split, recorder):
    interrupts = Interrupts(print)

    def at_epoch(number, report):
        if report.epoch == 3:
            interrupts.received = "SIGINT"

    trainer = retrainer(recorder(at_epoch), interrupts)
    assert trainer.train(0, "audit", config(), split)[1] == 3
    with pytest.raises(KeyboardInterrupt):
        trainer.train(1, "audit", config(), split)
