"""The same figures on both devices: the store, sparse products, models, likelihoods, rankings."""

from __future__ import annotations

from dataclasses import fields

import pytest
import torch
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.evaluation.ranking import full_catalogue, held_out_rated
from recsys_search.model.store import sparse
from recsys_search.model.store.sparse import Matrix
from recsys_search.model.store.train_store import Pairs
from recsys_search.model.training.baseline import bias_val_rmse
from recsys_search.model.training.elbo import KlCost, elbo
from recsys_search.model.training.health import measure_health
from recsys_search.model.training.quality import evaluate
from recsys_search.model.training.training import Training

pytestmark = pytest.mark.gpu

ARCHITECTURES = ["two_tower", "hybrid", "mf", "biases"]
MODELS = [
    ("two_tower", {}),
    ("two_tower", {"neighbours": "past"}),
    # Without side features, a film with a single rating has no vector when that one is left out:
    # neighbours would weigh it by the cosine of rounding errors, which differ between devices.
    ("two_tower", {"neighbours": "off", "side": False, "rank_weight": 0.2}),
    ("two_tower", {"likelihood": "gaussian"}),
    ("two_tower", {"likelihood": "ordinal"}),
    ("hybrid", {}),
    ("hybrid", {"bias": True, "skip": True, "neighbours": "off"}),
    ("hybrid", {"likelihood": "ordinal"}),
    ("mf", {}),
    ("biases", {}),
]
models = pytest.mark.parametrize(("architecture", "values"), MODELS)


def test_the_store_is_the_same(stores, close):
    ours, other = stores
    for name in ("user", "film", "rating", "timestamp", "genres", "year", "groups", "age"):
        assert torch.equal(getattr(ours, name), getattr(other, name).cpu()), name
    for name in ("by_user", "by_film"):
        for mine, theirs in zip(getattr(ours, name), getattr(other, name), strict=True):
            assert torch.equal(mine, theirs.cpu()), name
    close(other.biases.user, ours.biases.user, atol=1e-6)
    close(other.biases.film, ours.biases.film, atol=1e-6)
    assert other.mean == pytest.approx(ours.mean)


def test_rows_of_pairs_are_the_same(stores):
    ours, other = stores
    user = torch.tensor([-1, 0, 3, *ours.user[:5].tolist()])
    film = torch.tensor([2, -1, 99, *ours.film[:5].tolist()])
    rows = ours.rows_of(user, film)
    assert rows.tolist()[-5:] == [0, 1, 2, 3, 4]
    assert torch.equal(other.rows_of(user.to(other.device), film.to(other.device)).cpu(), rows)


def test_the_bias_baseline_is_the_same(device, split):
    with Training(build_config("biases"), split, device) as run:
        assert run.bias_val_rmse == pytest.approx(bias_val_rmse(split), abs=1e-6)


@pytest.mark.parametrize("max_rows_per_sum", [7, 4096])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
@pytest.mark.parametrize("autocast", [None, torch.bfloat16, torch.float16])
def test_sparse_products_are_the_dense_ones(
    stores, device, monkeypatch, close, max_rows_per_sum, dtype, autocast
):
    monkeypatch.setattr(sparse, "MAX_ROWS_PER_SUM", max_rows_per_sum)
    store = stores[1]
    generator = torch.Generator().manual_seed(0)
    weights = torch.randn(len(store), generator=generator)
    films = torch.randn(store.n_films, 5, generator=generator).to(dtype)
    grad = torch.randn(store.n_users, 5, generator=generator)
    dense = torch.zeros(store.n_users, store.n_films, dtype=torch.float64)
    dense[store.user.cpu(), store.film.cpu()] = weights.double()

    table = films.to(device).requires_grad_()
    with torch.autocast(torch.device(device).type, autocast, enabled=autocast is not None):
        kept = torch.ones(len(store), dtype=torch.bool, device=device)
        matrix = Matrix(store, kept, weights.to(device))
        sums = matrix.sums_by_user(table, torch.zeros_like(table))
    assert sums.dtype == torch.float32
    sums.backward(grad.to(device))
    close(sums, (dense @ films.double()).float())
    assert table.grad.dtype == dtype
    close(table.grad.float(), (dense.T @ grad.double()).to(dtype).float(), rtol=2e-2, atol=1e-3)


def test_sums_by_film_are_the_dense_ones(stores, close):
    store = stores[1]
    users = torch.randn(store.n_users, 3, generator=torch.Generator().manual_seed(0))
    dense = torch.zeros(store.n_films, store.n_users, dtype=torch.float64)
    dense[store.film.cpu(), store.user.cpu()] = store.rating.double().cpu()
    kept = torch.ones(len(store), dtype=torch.bool, device=store.device)
    users_there = users.to(store.device)
    matrix = Matrix(store, kept, store.rating)
    sums = matrix.sums_by_film(users_there, torch.zeros_like(users_there))
    close(sums, (dense @ users.double()).float(), atol=1e-3)


def held_out(stores, split):
    """Validation pairs, train pairs, and pairs of an unknown user or film, on both devices."""
    for store in stores:
        validation, rows = store.held_out(split.validation), torch.arange(200, device=store.device)
        unknown = torch.tensor([-1, 0, -1], device=store.device)
        time = validation.timestamp[:3]
        beyond = Pairs(unknown, unknown.flip(0), time, torch.full_like(unknown, -1))
        parts = validation, store.pairs(rows), beyond
        columns = ("user", "film", "timestamp", "row")
        yield Pairs(*(torch.cat([getattr(part, name) for part in parts]) for name in columns))


@models
def test_predictions_are_the_same(twins, stores, split, config, close, architecture, values):
    ours, other = twins(config(architecture, **values))
    pairs, their_pairs = held_out(stores, split)
    rating = torch.full((len(pairs),), 3.5)
    levels = stores[0].rating.unique()
    mine, theirs = ours.forecast(pairs), other.forecast(their_pairs)
    close(theirs.score, mine.score, atol=1e-3)
    close(theirs.expected, mine.expected, atol=1e-3)
    ours.measure_noise()
    other.measure_noise()
    assert (theirs.std() is None) == (mine.std() is None)
    if (std := mine.std()) is not None:
        close(theirs.std(), std, atol=1e-3)
    expected = mine.probabilities(rating, levels)
    found = theirs.probabilities(rating.to(other.store.device), levels.to(other.store.device))
    assert (found is None) == (expected is None)
    if expected is not None:
        close(found.below, expected.below, rtol=1e-3, atol=1e-3)
        close(found.log_mass, expected.log_mass, rtol=1e-2, atol=1e-2)


@models
def test_gradients_are_the_same(twins, stores, config, close, architecture, values):
    """Of the loss without noise and dropout, which the devices draw differently."""
    if architecture == "biases":
        pytest.skip("fitted in closed form")
    losses = []
    models = twins(config(architecture, **values))
    for model, store in zip(models, stores, strict=True):
        rows = torch.arange(300, device=store.device)
        pairs = store.pairs(rows)
        output = model(pairs, model.encode_store())
        cost = KlCost(beta=0.1)
        loss = elbo(model.likelihood, output, pairs, store.rating[rows], cost).loss
        loss.backward()
        losses.append(loss)
    close(losses[1], losses[0], rtol=1e-3)
    compared = 0
    for (name, mine), theirs in zip(
        models[0].named_parameters(), models[1].parameters(), strict=True
    ):
        assert (mine.grad is None) == (theirs.grad is None), name
        if mine.grad is not None:
            ours = mine.grad.to_dense()
            scale = float(ours.abs().max())
            close(theirs.grad.to_dense(), ours, rtol=1e-2, atol=1e-3 * scale + 1e-7)
            compared += scale > 0
    assert compared >= 3


def test_neighbours_are_the_same(twins, stores, split, config, close):
    for architecture in ("two_tower", "hybrid"):
        ours, other = twins(config(architecture, neighbours="both"))
        ours.renew()
        other.renew()
        pairs, their_pairs = held_out(stores, split)
        inputs = []
        for model, asked in ((ours, pairs), (other, their_pairs)):
            head, known = model.neighbours, asked[: len(asked) - 3]  # users and films of the data
            around = head.scalars.by_user(known)
            inputs.append(head._features(known, around, head.residuals))
            inputs.append(head.scalars(known, around))
        close(inputs[2], inputs[0], rtol=1e-3, atol=2e-3)
        close(inputs[3], inputs[1], rtol=1e-3, atol=1e-3)
        for name, value in ours.neighbours.residuals.state.items():
            close(other.neighbours.residuals.state[name], value, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_health_is_the_same(twins, stores, split, config, architecture):
    found = []
    for model, store in zip(twins(config(architecture)), stores, strict=True):
        pairs = store.held_out(split.validation)
        rating = torch.from_numpy(split.validation.rating).to(store.device)
        found.append(measure_health(model, pairs, rating, model.encode_for_eval()))
    ours, other = found
    for name in (each.name for each in fields(ours)):
        assert getattr(other, name) == pytest.approx(getattr(ours, name), rel=1e-2, abs=1e-3)
    assert all(isinstance(n, int) for n in other.active_units.values())


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_losses_and_rankings_are_the_same(twins, stores, split, config, architecture):
    found = []
    for model, store in zip(twins(config(architecture)), stores, strict=True):
        pairs = store.held_out(split.validation)
        rating = torch.from_numpy(split.validation.rating).to(store.device)
        quality = evaluate(model, pairs, rating, model.encode_for_eval(), KlCost(beta=0.1))
        score = model.score(pairs)
        found.append(
            {
                "rmse": quality.rmse,
                "loss": quality.loss,
                "rated": held_out_rated(store, split.validation, score),
                "catalogue": full_catalogue(model, split.validation),
            }
        )
    ours, other = found
    assert other["rmse"] == pytest.approx(ours["rmse"], rel=1e-4)
    assert other["loss"] == pytest.approx(ours["loss"], rel=1e-3)
    # A film may change places with one whose score differs in the last digit.
    for protocol in ("rated", "catalogue"):
        mine, theirs = ours[protocol], other[protocol]
        assert theirs["random"] == pytest.approx(mine["random"])
        assert theirs["popularity"] == pytest.approx(mine["popularity"])
        for name in ("precision", "recall", "ndcg"):
            assert theirs[name] == pytest.approx(mine[name], abs=0.01)
        assert theirs["users"] == mine["users"]


@models
def test_scores_of_the_catalogue_are_the_same(twins, config, close, architecture, values):
    ours, other = twins(config(architecture, **values))
    users = torch.tensor([0, 5, -1, 79])
    cells = 2 * ours.store.n_films  # two users a batch
    mine = torch.cat(list(ours.score_catalogue(users, cells)))
    theirs = torch.cat(list(other.score_catalogue(users.to(other.store.device), cells)))
    assert mine.shape == (4, ours.store.n_films)
    close(theirs, mine, rtol=1e-3, atol=2e-3)
