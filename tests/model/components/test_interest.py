"""The interest equals its formula, computed in loops, and no rating sees itself."""

from __future__ import annotations

import math

import numpy as np
import torch
import torch.nn.functional as F
from pytest import approx
from recsys_search.model.components.interest import Interest
from recsys_search.model.components.kept_ratings import KeptRatings
from recsys_search.model.store.train_store import Pairs, TrainStore
from recsys_search.model.training.descent.row_adamw import RowAdamW
from recsys_search.model.training.training import Training

from ..conftest import CPU, TINY, make_ratings

POWER = 0.4
EVERY_PAIR = [(user, film) for user in range(4) for film in range(5)]


def build(store):
    torch.manual_seed(1)
    interest = Interest(store, 3, POWER, init_std=0.5)
    torch.nn.init.normal_(interest.bias.weight)
    return interest


def all_ratings(store):
    return KeptRatings(store)


def pairs_of(store, requested):
    user, film = torch.tensor(requested).T
    return Pairs(user, film, None, store.rows_of(user, film))


def logits(interest, store, requested):
    ratings = all_ratings(store)
    with torch.no_grad():
        return interest.logits(pairs_of(store, requested), interest.sums(ratings), ratings)


def by_hand(interest, user, film, *, leave_out):
    """The logit by the docstring's formula. Args: leave_out: the pair's own rating, if any."""
    seen, films, bias = (
        table.weight.detach().numpy().astype(float)
        for table in (interest.seen, interest.film, interest.bias)
    )
    others = [f for u, f, _, _ in TINY if u == user and not (leave_out and f == film)]
    total = sum((seen[f] for f in others), np.zeros(seen.shape[1]))
    return bias[film, 0] + max(len(others), 1) ** -POWER * total @ films[film]


def test_the_logit_of_a_pair_is_the_formula(tiny_store):
    interest = build(tiny_store)
    expected = [by_hand(interest, *pair, leave_out=True) for pair in EVERY_PAIR]
    assert logits(interest, tiny_store, EVERY_PAIR).numpy() == approx(expected, abs=1e-5)


def test_a_rating_is_not_evidence_for_itself(tiny_store):
    """Its logit is the one from a store without it."""
    interest = build(tiny_store)
    for row, (user, film, _, _) in enumerate(TINY):
        others = TrainStore.build(make_ratings(TINY[:row] + TINY[row + 1 :]), CPU)
        [own] = logits(interest, tiny_store, [(user, film)])
        [without] = logits(interest, others, [(user, film)])
        assert float(own) == approx(float(without), abs=1e-5)
        assert abs(float(own) - by_hand(interest, user, film, leave_out=False)) > 1e-3


def test_a_shuffled_pair_that_is_a_train_rating_is_left_out_too(tiny_store):
    """Otherwise the loss would teach that a film in the sum makes the user less likely."""
    interest, ratings = build(tiny_store), all_ratings(tiny_store)
    pairs = tiny_store.pairs(torch.arange(9))
    torch.manual_seed(4)
    films = pairs.film[torch.randperm(9)].tolist()
    shuffled = list(zip(pairs.user.tolist(), films, strict=True))
    rated = {(user, film) for user, film, _, _ in TINY}
    assert 0 < len(rated & set(shuffled)) < len(set(shuffled))

    def expected(leave_out):
        real = [by_hand(interest, user, film, leave_out=True) for user, film, _, _ in TINY]
        drawn = [by_hand(interest, *pair, leave_out=leave_out) for pair in shuffled]
        losses = F.softplus(-torch.tensor(real)), F.softplus(torch.tensor(drawn))
        return float(losses[0].mean() + losses[1].mean())

    torch.manual_seed(4)
    loss = interest.loss(pairs, interest.sums(ratings), ratings).item()
    assert loss == approx(expected(leave_out=True), abs=1e-5)
    assert abs(loss - expected(leave_out=False)) > 1e-3


def test_a_catalogue_has_the_prediction_plus_the_weighted_interest(
    tiny_store, small_config, perturbed_model
):
    model = perturbed_model(small_config(rank_weight=0.5, norm_power=POWER), tiny_store)
    plain = perturbed_model(small_config(norm_power=POWER), tiny_store)
    plain.load_state_dict(model.state_dict(), strict=False)
    users = torch.tensor([0, -1, 3, 1])
    added = torch.cat(list(model.score_catalogue(users, cells=10)))
    added -= torch.cat(list(plain.score_catalogue(users)))
    log_counts = np.log([3, 2, 0.5, 3, 1])
    for user, row in zip(users.tolist(), added.numpy(), strict=True):
        expected = [by_hand(model.interest, user, film, leave_out=False) for film in range(5)]
        assert row == approx(0.5 * (expected + log_counts), abs=1e-5)


def test_a_prediction_is_the_same_with_and_without_interest(
    tiny_store, small_config, perturbed_model
):
    model = perturbed_model(small_config(rank_weight=2.0), tiny_store)
    plain = perturbed_model(small_config(), tiny_store)
    plain.load_state_dict(model.state_dict(), strict=False)
    pairs = pairs_of(tiny_store, EVERY_PAIR)
    assert torch.equal(model.score(pairs), plain.score(pairs))


def test_by_default_a_model_has_no_interest(tiny_store, small_config, perturbed_model):
    assert perturbed_model(small_config(), tiny_store).interest is None


def test_it_learns_who_watches_what():
    """Half of the users rate the first ten films, half the others; ratings say nothing."""
    rng = np.random.default_rng(0)
    rows = [
        (user, film + 10 * (user % 2), float(rng.integers(1, 6)), 0)
        for user in range(40)
        for film in rng.choice(10, 6, replace=False).tolist()
    ]
    ratings = make_ratings(rows, n_users=40, n_films=20)
    store = TrainStore.build(ratings, CPU)
    interest, kept = build(store), all_ratings(store)
    optimizer = RowAdamW(interest.parameters(), CPU, weight_decay=0.01)
    for step in range(150):
        optimizer.zero_grad()
        interest.loss(store.pairs(torch.randperm(240)), interest.sums(kept), kept).backward()
        optimizer.clip_gradients(math.inf)
        optimizer.prepare(step + 1, 0.02)
        optimizer.step()
    score = logits(interest, store, [(user, film) for user in range(40) for film in range(20)])
    own = torch.tensor([[film // 10 == user % 2 for film in range(20)] for user in range(40)])
    assert score.view(40, 20)[own].mean() - score.view(40, 20)[~own].mean() > 2


def test_a_training_moves_its_weights(split, small_config):
    with Training(small_config(rank_weight=1.0, max_epochs=2), split, "cpu") as run:
        weights = [run._weights() for _ in run]
    for name in ("interest.seen.weight", "interest.film.weight", "interest.bias.weight"):
        assert not torch.equal(weights[0][name], weights[1][name])
