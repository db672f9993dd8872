"""A batch in parts, on one thread or several, has the gradient of the whole batch."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures import two_tower
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.elbo import elbo
from recsys_search.model.training.training import Training

SMALL = {"latent_dim": 4, "batch_size": 1000, "max_epochs": 2, "amp": "off"}


@pytest.fixture(scope="module")
def split():
    return split_ratings(demo_ratings(6000, n_users=150, n_films=120), SplitSpec())


@pytest.fixture
def threads():
    """Sets the number of torch's threads for a test."""
    before = torch.get_num_threads()
    yield torch.set_num_threads
    torch.set_num_threads(before)


@pytest.fixture
def without_noise(monkeypatch):
    """Parts draw in another order than the whole, so they are compared without draws."""
    monkeypatch.setattr(
        "recsys_search.model.components.output.Posterior.sample", lambda self, generator: self.mu
    )


def gradients(run):
    named = run._model.named_parameters()
    return {name: weight.grad.to_dense().clone() for name, weight in named}


def autograd_gradients(run, rows, kl_cost):
    """Of the batch as a whole, with torch's own autograd."""
    model = run._model
    pairs = model.store.pairs(rows)
    output = model(pairs, model.encode_store())
    parts = elbo(model.likelihood, output, pairs, model.store.rating[rows], kl_cost)
    model.zero_grad()
    parts.loss.backward()
    return parts, gradients(run)


@pytest.mark.parametrize("n_threads", [1, 2, 3])
@pytest.mark.parametrize(
    "values", [{}, {"likelihood": "ordinal"}, {"likelihood": "gaussian", "free_bits": 1.0}]
)
def test_parts_have_the_gradient_of_the_batch(
    split, threads, monkeypatch, without_noise, values, n_threads
):
    threads(n_threads)
    monkeypatch.setitem(two_tower.PAIRS_AT_ONCE, "cpu", 250)
    # Every part is above the free bits, whose floor applies to each.
    config = build_config("two_tower", neighbours="off", kl_weight=0.1, **SMALL, **values)
    with Training(config, split, "cpu") as run:
        model, kl_cost = run._model, run._fit._kl_schedule.kl_cost
        model.train()
        model.refresh()
        rows = torch.randperm(len(model.store))[:1000]
        whole, expected = autograd_gradients(run, rows, kl_cost)
        model.zero_grad()
        loss, kl, kl_clamped = run._fit._gradient.backward(rows, kl_cost)
        torch.testing.assert_close(loss, whole.loss)
        torch.testing.assert_close(kl, whole.kl)
        torch.testing.assert_close(kl_clamped, whole.kl_clamped)
        torch.testing.assert_close(gradients(run), expected, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("values", [{}, {"rank_weight": 0.1}])
def test_a_run_on_two_threads_repeats_to_the_bit(split, threads, monkeypatch, values):
    threads(2)
    monkeypatch.setitem(two_tower.PAIRS_AT_ONCE, "cpu", 100)
    config = build_config("two_tower", neighbours="both", **SMALL, **values)
    curves = []
    for _ in range(2):
        with Training(config, split, "cpu") as run:
            curves.append([(report.train_loss, report.val_rmse) for report in run])
    assert curves[0] == curves[1]


def test_threads_draw_noise_of_their_own(split, threads, monkeypatch):
    """With the same noise in both, the two halves of a batch would be alike."""
    threads(2)
    monkeypatch.setitem(two_tower.PAIRS_AT_ONCE, "cpu", 100)
    drawn = []
    sample = two_tower.Posterior.sample

    def recorded(self, generator):
        z = sample(self, generator)
        drawn.append((z - self.mu).detach().flatten()[:8])
        return z

    monkeypatch.setattr(two_tower.Posterior, "sample", recorded)
    config = build_config("two_tower", neighbours="off", **{**SMALL, "max_epochs": 1})
    with Training(config, split, "cpu") as run:
        list(run)
    assert len(torch.unique(torch.stack(drawn), dim=0)) == len(drawn) > 40


def test_the_number_of_threads_is_what_it_was(split, threads, monkeypatch):
    threads(2)
    monkeypatch.setitem(two_tower.PAIRS_AT_ONCE, "cpu", 100)
    with Training(build_config("two_tower", **SMALL, neighbours="off"), split, "cpu") as run:
        next(iter(run))
    assert torch.get_num_threads() == 2


def test_an_error_in_a_thread_ends_the_step(split, threads, monkeypatch):
    threads(2)
    monkeypatch.setitem(two_tower.PAIRS_AT_ONCE, "cpu", 100)
    with Training(build_config("two_tower", **SMALL, neighbours="off"), split, "cpu") as run:

        def fail(self, pairs, shared):
            raise RuntimeError("no more memory")

        monkeypatch.setattr(two_tower.TwoTowerVAE, "posteriors", fail)
        with pytest.raises(RuntimeError, match="no more memory"):
            next(iter(run))


def test_an_epoch_has_no_more_steps_than_the_config_allows(split):
    few = build_config("two_tower", batch_size=100, max_steps=3)
    many = replace(few, max_steps=1000)
    steps = []
    for config in (few, many, build_config("hybrid", batch_size=100)):
        with Training(config, split, "cpu") as run:
            steps.append(run._fit.n_steps)
    assert steps == [3, 48, 48]
