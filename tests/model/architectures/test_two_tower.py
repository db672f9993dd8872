"""The two-tower model equals its formula, computed in loops."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from pytest import approx
from recsys_search.model.architectures.two_tower import INITIAL_LOGVAR, TwoTowerVAE
from recsys_search.model.components.side import PRIOR_COUNT
from recsys_search.model.store.train_store import Pairs, TrainStore

POWER = 0.4


@pytest.fixture
def store_with_genres(tiny_store):
    """Three genres; film 2, which has no train rating, has two of them."""
    genres = torch.tensor([[1.0, 0, 0], [0, 1, 0], [1, 0, 1], [0, 0, 1], [0, 0, 0]])
    return replace(tiny_store, genres=genres)


@pytest.fixture
def store_with_both(store_with_genres, tiny_ratings, with_users):
    """Genres, and ages and groups of users."""
    built = TrainStore.build(with_users(tiny_ratings), torch.device("cpu"))
    return replace(store_with_genres, groups=built.groups, age=built.age)


@pytest.fixture(params=["no side features", "side features"])
def model(request, tiny_store, store_with_both, small_config, perturbed_model):
    store = tiny_store if request.param == "no side features" else store_with_both
    return perturbed_model(small_config(norm_power=POWER, rating_dropout=0.3), store)


def by_hand(model, pair, kept, dropped):
    """mu and logvar of both towers and the bias of one (user, film), by the docstring's formula.

    Args:
        kept: for each train rating, whether the sums include it.
    """
    store = model.store
    weights = {name: value.numpy().astype(float) for name, value in model.state_dict().items()}
    rows = list(zip(store.user.tolist(), store.film.tolist(), store.rating.tolist(), strict=True))
    user, film = pair
    added = {"user": 0, "film": 0}
    for owner, side in (("user", "user_side"), ("film", "side")):
        if (module := getattr(model, side)) is not None:
            columns = module.columns.numpy().astype(float)
            for table in ("rated", "seen"):
                weights[f"{owner}_{table}.weight"] += columns @ weights[f"{side}.{table}.weight"].T
            added[owner] = (columns @ weights[f"{side}.{owner}.weight"].T)[pair[owner == "film"]]

    def tower(side, rated, seen, mine, other):
        total, n = np.zeros(model.config.latent_dim), 0
        for row, keep in zip(rows, kept, strict=True):
            if keep and row[mine] == pair[mine] and row[other] != pair[other]:
                centred = row[2] - store.mean
                total += centred * weights[f"{rated}.weight"][row[other]]
                total += weights[f"{seen}.weight"][row[other]]
                n += 1
        mu = max(n, 1) ** -POWER * (1 - dropped) ** (POWER - 1) * total + added[side]
        return mu, weights[f"{side}_logvar.weight"] @ mu + weights[f"{side}_logvar.bias"]

    towers = {
        "user": tower("user", "film_rated", "film_seen", 0, 1),
        "film": tower("film", "user_rated", "user_seen", 1, 0),
    }
    bias = store.mean + weights["heads.0.user.weight"][user] + weights["heads.0.film.weight"][film]
    return towers, float(bias[0])


def pairs_of(store, requested):
    user, film = torch.tensor(requested).T
    return Pairs(user, film, None, store.rows_of(user, film))


PAIRS = [(user, film) for user in range(4) for film in range(5)]
"""All pairs; user 1 and film 2 have no train ratings, film 4 has one."""


def test_in_eval_mode_the_prediction_is_the_formula(model, tiny_store):
    pairs = pairs_of(tiny_store, PAIRS)
    with torch.no_grad():
        output = model(pairs, model.encode_store())
    for at, pair in enumerate(PAIRS):
        if model.user_side is not None and pair[0] == 1:
            continue  # without ratings: see below
        towers, bias = by_hand(model, pair, [True] * 9, dropped=0)
        for side, (mu, logvar) in towers.items():
            assert output.posteriors[side].mu[at].numpy() == approx(mu, abs=1e-5)
            assert output.posteriors[side].logvar[at].numpy() == approx(logvar, abs=1e-5)
        expected = bias + towers["user"][0] @ towers["film"][0]
        assert float(output.prediction[at]) == approx(expected, abs=1e-5)


def test_in_train_mode_the_sums_include_the_kept_ratings(model, tiny_store):
    torch.manual_seed(3)
    model.train()
    model.refresh()
    torch.manual_seed(3)
    kept = (torch.rand(9) >= 0.3).tolist()
    assert 2 < sum(kept) < 9
    pairs = pairs_of(tiny_store, PAIRS)
    with torch.no_grad():
        output = model(pairs, model.encode_store())
    for at, pair in enumerate(PAIRS):
        towers, _ = by_hand(model, pair, kept, dropped=0.3)
        for side, (mu, logvar) in towers.items():
            assert output.posteriors[side].mu[at].numpy() == approx(mu, abs=1e-5)
            assert output.posteriors[side].logvar[at].numpy() == approx(logvar, abs=1e-5)


def test_in_train_mode_z_is_a_sample(model, tiny_store):
    """The noise is drawn for the user's tower first, then for the film's."""
    model.train()
    pairs = pairs_of(tiny_store, PAIRS)
    with torch.no_grad():
        torch.manual_seed(5)
        output = model(pairs, model.encode_store())
        torch.manual_seed(5)
        z = {
            side: q.mu + torch.randn(q.mu.shape) * (q.logvar / 2).exp()
            for side, q in output.posteriors.items()
        }
        bias = model.heads[0](pairs)
    torch.testing.assert_close(output.prediction, bias + (z["user"] * z["film"]).sum(1))


def test_without_rating_dropout_both_modes_have_the_same_posterior(
    tiny_store, small_config, perturbed_model
):
    model = perturbed_model(small_config(rating_dropout=0.0), tiny_store)
    pairs = pairs_of(tiny_store, PAIRS)
    with torch.no_grad():
        in_eval = model(pairs, model.encode_store()).posteriors
        model.train()
        model.refresh()
        in_training = model(pairs, model.encode_store()).posteriors
    for side in ("user", "film"):
        assert torch.equal(in_eval[side].mu, in_training[side].mu)


def test_rating_dropout_is_drawn_again_each_epoch(split, small_config, perturbed_model):
    store = TrainStore.build(split.train, torch.device("cpu"))
    model = perturbed_model(small_config(rating_dropout=0.3), store).train()
    sums = []
    for _ in range(2):
        model.refresh()
        with torch.no_grad():
            sums.append(model.encode_store().user)
    assert not torch.equal(*sums)
    model.eval()
    with torch.no_grad():
        all_ratings = model.encode_store().user
        model.refresh()
        assert torch.equal(all_ratings, model.encode_store().user)


def test_a_fresh_model_predicts_nearly_the_mean_with_little_noise(tiny_store, small_config):
    model = TwoTowerVAE(small_config(), tiny_store).eval()
    with torch.no_grad():
        output = model(pairs_of(tiny_store, PAIRS), model.encode_store())
    assert output.prediction.numpy() == approx(np.full(20, tiny_store.mean), abs=0.05)
    for posterior in output.posteriors.values():
        assert (posterior.logvar == INITIAL_LOGVAR).all()


def test_there_are_no_id_embeddings(tiny_store, small_config, perturbed_model):
    """The prediction for a user and a film without ratings is the biases only."""
    model = perturbed_model(small_config(), tiny_store)
    pairs = pairs_of(tiny_store, [(1, 2)])
    with torch.no_grad():
        output = model(pairs, model.encode_store())
        assert torch.equal(output.prediction, model.heads[0](pairs))
    assert not output.posteriors["user"].mu.any()


@torch.no_grad()
def test_a_film_without_ratings_is_predicted_from_its_genres(
    store_with_genres, small_config, perturbed_model
):
    store = store_with_genres
    model = perturbed_model(small_config(norm_power=POWER), store)
    [predicted] = model.score(pairs_of(store, [(0, 2)]))
    side = model.side.film.weight @ store.genres[2]
    shared = model.encode_for_eval()
    user_mu = shared.user[0] * int(store.by_user.counts[0]) ** -POWER
    bias = store.mean + model.heads[0].user.weight[0] + model.heads[0].film.weight[2]
    assert float(predicted) == approx(float(bias + user_mu @ side), abs=1e-5)
    assert abs(float(predicted - store.biases.predict(*torch.tensor([[0], [2]])))) > 0.01


@pytest.mark.parametrize("pair", [(-1, 2), (0, -1), (1, 2), (1, 0)])
def test_a_user_without_ratings_and_an_unknown_film_get_the_bias_prediction(
    store_with_genres, small_config, perturbed_model, pair
):
    model = perturbed_model(small_config(), store_with_genres)
    user, film = torch.tensor([pair]).T
    assert torch.equal(
        model.score(pairs_of(store_with_genres, [pair])),
        store_with_genres.biases.predict(user, film),
    )


@torch.no_grad()
def test_a_user_without_ratings_has_the_vector_expected_of_their_side_features(
    store_with_both, small_config, perturbed_model
):
    """Ridge regression as least squares with more rows, on the vectors of the other users."""
    store = store_with_both
    model = perturbed_model(small_config(norm_power=POWER), store)
    raters = [0, 2, 3]
    posteriors = model.posteriors(pairs_of(store, [(u, 2) for u in raters]), model.encode_store())
    vectors = posteriors["user"].mu.numpy().astype(float)
    columns = model.user_side.columns.numpy().astype(float)
    centre, mean = columns[raters].mean(0), vectors.mean(0)
    prior = np.sqrt(PRIOR_COUNT) * np.eye(columns.shape[1])
    slopes, *_ = np.linalg.lstsq(
        np.concatenate([columns[raters] - centre, prior]),
        np.concatenate([vectors - mean, np.zeros((len(prior), vectors.shape[1]))]),
    )
    expected = mean + (columns[1] - centre) @ slopes
    towers, bias = by_hand(model, (1, 0), [True] * 9, dropped=0)
    assert abs(slopes).max() > 0.01
    [predicted] = model.score(pairs_of(store, [(1, 0)]))
    assert float(predicted) == approx(bias + expected @ towers["film"][0], abs=1e-4)


def test_a_user_without_ratings_and_side_features_gets_the_bias_prediction(
    store_with_both, small_config, perturbed_model
):
    groups, age = store_with_both.groups.clone(), store_with_both.age.clone()
    groups[1], age[1] = 0, 0
    store = replace(store_with_both, groups=groups, age=age)
    model = perturbed_model(small_config(), store)
    pairs = pairs_of(store, [(1, 0)])
    assert torch.equal(model.score(pairs), store.biases.predict(pairs.user, pairs.film))


def test_predictions_are_numbers_if_only_users_without_ratings_have_side_features(
    store_with_both, small_config, perturbed_model
):
    groups, age = store_with_both.groups.clone(), store_with_both.age.clone()
    groups[[0, 2, 3]], age[[0, 2, 3]] = 0, 0
    store = replace(store_with_both, groups=groups, age=age)
    model = perturbed_model(small_config(), store)
    assert model.score(pairs_of(store, PAIRS)).isfinite().all()


@pytest.mark.parametrize("side", [True, False])
def test_the_catalogue_has_the_scores_of_the_pairs(
    store_with_both, small_config, perturbed_model, side
):
    store = store_with_both
    model = perturbed_model(small_config(side=side), store)
    users = [0, 1, -1, 3]
    pairs = [(user, film) for user in users for film in range(store.n_films)]
    user, film = torch.tensor(pairs).T
    scores = model.score(Pairs(user, film, None, torch.full_like(user, -1)))
    catalogue = torch.cat(list(model.score_catalogue(torch.tensor(users))))
    torch.testing.assert_close(catalogue.flatten(), scores)
