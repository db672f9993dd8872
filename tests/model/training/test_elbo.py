"""The loss and its terms."""

from __future__ import annotations

from math import e

import pytest
import torch
from pytest import approx
from recsys_search.model.components.likelihoods.likelihood import Mse
from recsys_search.model.components.output import Output, Posterior
from recsys_search.model.store.train_store import Pairs
from recsys_search.model.training.elbo import KlCost, elbo, kl_per_dimension

PAIRS = Pairs(torch.zeros(1, dtype=int), torch.zeros(1, dtype=int), None, torch.tensor([-1]))


@pytest.fixture
def likelihood(tiny_store):
    return Mse(tiny_store)


def output_of(prediction, **mus):
    """Posteriors of variance 1, whose KL is half of mu squared."""
    return Output(
        prediction, {tower: Posterior(mu, torch.zeros_like(mu)) for tower, mu in mus.items()}
    )


def test_the_kl_of_the_prior_is_zero():
    assert kl_per_dimension(torch.zeros(5, 2), torch.zeros(5, 2)).tolist() == [0, 0]


def test_kl_is_per_dimension_and_a_mean_over_the_batch():
    """KL = (mu² + variance - 1 - log variance) / 2."""
    mu = torch.tensor([[2.0, 0.0], [0.0, 0.0]])
    logvar = torch.tensor([[0.0, 1.0], [0.0, 0.0]])
    assert kl_per_dimension(mu, logvar).tolist() == approx([1.0, (e - 2) / 4])


def test_kl_equals_that_of_torch_distributions():
    torch.manual_seed(0)
    mu, logvar = torch.randn(7, 3), torch.randn(7, 3)
    posterior = torch.distributions.Normal(mu, (0.5 * logvar).exp())
    expected = torch.distributions.kl_divergence(posterior, torch.distributions.Normal(0, 1))
    torch.testing.assert_close(kl_per_dimension(mu, logvar), expected.mean(0))


def test_the_total_kl_sums_over_dimensions_and_towers(likelihood):
    output = output_of(torch.zeros(1), user=torch.ones(1, 3), film=torch.full((1, 2), 2.0))
    parts = elbo(likelihood, output, PAIRS, torch.zeros(1), KlCost(beta=1.0, free_bits=0))
    assert float(parts.kl) == approx(3 * 0.5 + 2 * 2.0)


def test_the_loss_is_mse_plus_beta_times_kl(likelihood):
    output = output_of(torch.tensor([4.0, 3.0]), latent=torch.tensor([[2.0], [2.0]]))
    parts = elbo(likelihood, output, PAIRS, torch.tensor([3.0, 5.0]), KlCost(beta=0.1, free_bits=0))
    assert float(parts.error) == approx((1 + 4) / 2)
    assert float(parts.kl) == float(parts.kl_clamped) == approx(2.0)
    assert float(parts.loss) == approx(2.5 + 0.1 * 2.0)


def test_without_latents_the_loss_is_mse_plus_the_models_own_penalty(likelihood):
    output = Output(torch.tensor([4.0, 3.0]), {}, penalty=torch.tensor(0.25))
    parts = elbo(likelihood, output, PAIRS, torch.tensor([3.0, 5.0]), KlCost())
    assert float(parts.error) == approx((1 + 4) / 2)
    assert float(parts.loss) == approx(2.5 + 0.25)
    assert float(parts.kl) == float(parts.kl_clamped) == 0


def test_the_loss_takes_unclipped_predictions(likelihood):
    """A clipped prediction would have no gradient back to the scale."""
    output = output_of(torch.tensor([7.0]), latent=torch.zeros(1, 1))
    assert float(elbo(likelihood, output, PAIRS, torch.tensor([5.0]), KlCost(beta=1)).error) == 4


def test_kl_below_the_free_bits_costs_nothing_and_has_no_gradient(likelihood):
    mu = torch.tensor([[1.0, 1.0]], requires_grad=True)  # a KL of 1
    output = output_of(torch.zeros(1), latent=mu)
    parts = elbo(likelihood, output, PAIRS, torch.zeros(1), KlCost(beta=1.0, free_bits=1.5))
    parts.loss.backward()
    assert mu.grad.tolist() == [[0, 0]]
    assert parts.kl.item() == approx(1.0)  # the raw value shows what the floor hides
    assert parts.kl_clamped.item() == approx(1.5)


def test_kl_above_the_free_bits_has_its_full_gradient(likelihood):
    mu = torch.tensor([[1.0, 1.0]], requires_grad=True)
    output = output_of(torch.zeros(1), latent=mu)
    elbo(likelihood, output, PAIRS, torch.zeros(1), KlCost(beta=0.5, free_bits=0.9)).loss.backward()
    assert mu.grad.tolist() == [[0.5, 0.5]]


def test_free_bits_apply_to_the_sum_over_towers(likelihood):
    """Two towers with a KL of 1 and 0.5: their sum is above a floor of 1.2."""
    output = output_of(torch.zeros(1), user=torch.ones(1, 2), film=torch.ones(1, 1))
    parts = elbo(likelihood, output, PAIRS, torch.zeros(1), KlCost(beta=1.0, free_bits=1.2))
    assert float(parts.kl_clamped) == float(parts.kl) == approx(1.5)


def test_free_bits_per_dimension_apply_to_each_dimension_separately(likelihood):
    """With a floor of 1, KLs of 2 and 0.5 cost 2 and 1, and the second has no gradient."""
    mu = torch.tensor([[2.0, 1.0]], requires_grad=True)
    output = output_of(torch.zeros(1), latent=mu)
    kl_cost = KlCost(beta=1.0, free_bits=1.0, free_bits_per="dimension")
    parts = elbo(likelihood, output, PAIRS, torch.zeros(1), kl_cost)
    parts.loss.backward()
    assert [parts.kl.item(), parts.kl_clamped.item()] == approx([2.5, 3.0])
    assert mu.grad.tolist() == [[2.0, 0.0]]


def test_samples_of_the_posterior_have_its_mean_and_standard_deviation():
    torch.manual_seed(0)
    posterior = Posterior(torch.full((20_000, 1), 3.0), torch.full((20_000, 1), 2.0).log() * 2)
    z = posterior.sample()
    assert float(z.mean()) == approx(3.0, abs=0.05)
    assert float(z.std()) == approx(2.0, abs=0.05)


def test_an_expected_rating_is_on_the_scale(likelihood):
    prediction = torch.tensor([-3.0, 2.25, 7.0])
    assert likelihood.expected(prediction).tolist() == [0.5, 2.25, 5.0]
