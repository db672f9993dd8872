"""Rankings worked out by hand, by loops over users, and by enumerating all orders."""

from __future__ import annotations

from dataclasses import replace
from itertools import permutations
from math import log2

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from pytest import approx
from recsys_search.data.ratings import Scale
from recsys_search.model.architectures.table import architecture_names, find_architecture
from recsys_search.model.architectures.two_tower import TwoTowerVAE
from recsys_search.model.components.output import Output
from recsys_search.model.components.rating_model import RatingModel
from recsys_search.model.evaluation import ranking
from recsys_search.model.evaluation.ranking import (
    full_catalogue,
    held_out_rated,
    min_relevant_rating,
)
from recsys_search.model.evaluation.top_k import (
    metrics_at_k,
    neutral_order,
    places,
    random_hits,
    top_films,
)
from recsys_search.model.store.train_store import Pairs, TrainStore

from ..conftest import CPU, make_ratings

FIGURES = ("precision", "recall", "ndcg")


class TableModel(RatingModel):
    """Takes scores from a table of (n_users, n_films), also for train ratings."""

    scores_by_product = True

    def __init__(self, store, table):
        super().__init__(store)
        self.table = torch.tensor(table, dtype=torch.float32)

    def forward(self, pairs, shared):
        return Output(self.table[pairs.user, pairs.film], {})

    def score_catalogue(self, users, cells=None):
        for batch in users.split(2):
            yield self.table[batch]


class PairwiseTableModel(TableModel):
    """The same scores, but from a network that runs on each pair."""

    scores_by_product = False
    score_catalogue = RatingModel.score_catalogue


def metrics_of(result):
    return {name: result[name] for name in FIGURES}


def at(hits, n_relevant, n_candidates):
    return metrics_at_k(torch.tensor(hits), torch.tensor(n_relevant), torch.tensor(n_candidates))


# --- one ranking -----------------------------------------------------------------------------


def test_one_hit_in_second_place():
    result = at([[0.0, 1.0]], [1], [5])
    assert result == {"precision": 0.5, "recall": 1.0, "ndcg": approx(1 / log2(3))}


def test_ndcg_is_one_when_all_places_are_relevant():
    """Three of seven relevant films: recall cannot be more than 3/7."""
    result = at([[1.0, 1.0, 1.0]], [7], [9])
    assert result == {"precision": 1.0, "recall": approx(3 / 7), "ndcg": approx(1)}


def test_with_fewer_candidates_than_places_precision_divides_by_their_number():
    assert at([[1.0, 0.0, 0.0]], [1], [2])["precision"] == 0.5


def test_metrics_are_means_over_users():
    result = at([[1.0, 0.0], [0.0, 0.0]], [1, 1], [4, 4])
    assert result == {"precision": 0.25, "recall": 0.5, "ndcg": 0.5}


def test_without_users_there_are_no_metrics():
    result = metrics_at_k(torch.zeros(0, 3), torch.zeros(0).long(), torch.zeros(0).long())
    assert result == dict.fromkeys(FIGURES)


@pytest.mark.parametrize(
    ("n_candidates", "n_relevant", "k"), [(5, 2, 3), (2, 1, 3), (3, 3, 2), (6, 4, 3), (4, 1, 4)]
)
def test_the_random_baseline_is_the_mean_over_all_orders(n_candidates, n_relevant, k):
    films = [1.0] * n_relevant + [0.0] * (n_candidates - n_relevant)
    orders = [(*order[:k], *[0.0] * (k - n_candidates)) for order in permutations(films)]
    n = len(orders)
    enumerated = at(orders, [n_relevant] * n, [n_candidates] * n)
    relevant, candidates = torch.tensor([n_relevant]), torch.tensor([n_candidates])
    expected = metrics_at_k(random_hits(relevant, candidates, k), relevant, candidates)
    assert expected == approx(enumerated, abs=1e-12)


# --- places ----------------------------------------------------------------------------------


def test_places_are_by_score_within_a_group_and_ties_by_tie():
    group = torch.tensor([1, 0, 1, 1, 0])
    score = torch.tensor([2.0, 1.0, 3.0, 2.0, 5.0])
    tie = torch.tensor([7, 0, 0, 4, 0])
    assert places(group, score, tie, n_groups=3).tolist() == [2, 1, 0, 1, 0]


def nothing():
    return torch.zeros(0).long(), torch.zeros(0).long()


def test_a_tie_for_the_last_place_goes_to_the_first_film_in_the_order():
    scores = torch.tensor([[1.0, 2.0, 1.0, 1.0]])
    films = torch.ones(4, dtype=torch.bool)
    for tie, second in (([3, 0, 1, 2], 2), ([0, 1, 2, 3], 0), ([3, 2, 1, 0], 3)):
        row, film, place = top_films(scores, 2, torch.tensor(tie), masked=nothing(), films=films)
        assert row.tolist() == [0, 0]
        assert dict(zip(place.tolist(), film.tolist(), strict=True)) == {0: 1, 1: second}


def test_a_masked_film_is_never_ranked_even_if_places_stay_empty():
    scores = torch.tensor([[9.0, 1.0, 9.0, 2.0], [9.0, 9.0, 9.0, 9.0]])
    masked = torch.tensor([0, 1, 1, 1]), torch.tensor([0, 0, 1, 3])
    films = torch.tensor([True, True, False, True])
    row, film, place = top_films(scores, 3, torch.arange(4), masked=masked, films=films)
    ranked = sorted(zip(row.tolist(), place.tolist(), film.tolist(), strict=True))
    assert ranked == [(0, 0, 3), (0, 1, 1)]
    assert scores[0, 0] == 9  # the caller's scores are unchanged


def test_ties_are_broken_by_a_fixed_shuffle(tiny_store):
    order = neutral_order(tiny_store)
    assert sorted(order.tolist()) == [0, 1, 2, 3, 4]
    assert torch.equal(order, neutral_order(tiny_store))
    assert order.tolist() != [0, 1, 2, 3, 4]


@pytest.mark.parametrize(
    ("scale", "stars"), [((0.5, 5), 4), ((1, 5), 4), ((1, 10), 8), ((0, 1), 0.8), ((20, 100), 80)]
)
def test_relevant_is_four_of_five_stars(scale, stars):
    assert min_relevant_rating(Scale(*scale)) == stars


@pytest.mark.parametrize(("scale", "lowest"), [((-7, 11), 7), ((-10, -1), -3), ((55, 100), 90)])
def test_relevant_on_a_scale_that_is_no_multiple_of_stars_is_as_far_up_as_four_of_five(
    scale, lowest
):
    """(4 - 0.5) / 4.5 of the way; four fifths of the highest would be above all, or below most."""
    assert min_relevant_rating(Scale(*scale)) == approx(lowest)


def test_a_protocol_speaks_of_stars_only_where_ratings_are_stars(tiny_store):
    part = make_ratings([(1, 0, 5.0, 0), (1, 1, 2.0, 0)])
    score = torch.tensor([1.0, 2.0])
    assert held_out_rated(tiny_store, part, score)["protocol"].endswith(
        "relevant: 4 stars and more"
    )
    percent = Scale(0, 100)
    result = held_out_rated(
        replace(tiny_store, scale=percent),
        replace(part, rating=np.array([80, 79], np.float32), scale=percent),
        score,
    )
    assert result["protocol"].endswith("relevant: 80 and more")
    assert result["ndcg"] == approx(1 / log2(3))  # the first is relevant, in second place


def test_a_relevant_rating_survives_single_precision(tiny_store):
    part = make_ratings([(1, 0, 5.0, 0), (1, 1, 2.0, 0)])
    scale = Scale(float(np.float32(0.03)), float(np.float32(0.3)))
    part = replace(part, rating=np.array([0.24, 0.23], np.float32), scale=scale)
    result = held_out_rated(replace(tiny_store, scale=scale), part, torch.tensor([2.0, 1.0]))
    assert (result["users_left_out"], result["ndcg"]) == (0, 1)


# --- over the films that a user rated --------------------------------------------------------


def rank_rated(store, rows, score, k):
    """Held-out rows of (user, film, stars), with a score for each in that order."""
    part = make_ratings([(*row, 0) for row in rows])
    return held_out_rated(store, part, torch.tensor(score), k)


def test_held_out_rated_films_by_hand(tiny_store):
    """User 1: 5, 2 and 4 stars, ranked 2, 5, 4. User 2: one candidate. User 3: nothing relevant."""
    rows = [(1, 0, 5.0), (1, 1, 2.0), (1, 3, 4.0), (2, 4, 4.5), (3, 2, 3.5)]
    result = rank_rated(tiny_store, rows, [3.0, 4.0, 1.0, 2.0, 9.0], k=2)
    assert result["precision"] == approx((1 / 2 + 1 / 1) / 2)
    assert result["recall"] == approx((1 / 2 + 1) / 2)
    assert result["ndcg"] == approx(((1 / log2(3)) / (1 + 1 / log2(3)) + 1) / 2)
    # Two of three candidates are relevant, so each place is a hit with probability 2/3.
    assert result["random"] == approx(
        {"precision": (2 / 3 + 1) / 2, "recall": (2 / 3 + 1) / 2, "ndcg": (2 / 3 + 1) / 2}
    )
    # Films 0 and 3 have three train ratings each, film 1 two: both relevant ones come first.
    assert result["popularity"] == {"precision": 1, "recall": 1, "ndcg": approx(1)}
    assert (result["users"], result["users_left_out"], result["users_with_fewer_than_k"]) == (
        2,
        1,
        1,
    )
    assert result["k"] == 2
    assert "4 stars and more" in result["protocol"]


def test_the_ratings_themselves_are_a_perfect_ranking(split):
    store = TrainStore.build(split.train, CPU)
    part = split.validation
    result = held_out_rated(store, part, torch.from_numpy(part.rating))
    assert (result["ndcg"], result["recall"]) == (approx(1), approx(1))  # no user has more than ten
    worst = held_out_rated(store, part, -torch.from_numpy(part.rating))
    assert worst["ndcg"] < result["random"]["ndcg"] < 1


def test_users_without_a_relevant_film_are_left_out_and_counted(tiny_store):
    result = rank_rated(tiny_store, [(0, 4, 3.5), (1, 0, 1.0), (2, 1, 3.0)], [1.0, 2.0, 3.0], k=10)
    assert (result["users"], result["users_left_out"]) == (0, 3)
    assert metrics_of(result) == result["random"] == result["popularity"] == dict.fromkeys(FIGURES)


# --- over the full catalogue -----------------------------------------------------------------

HELD_OUT = [
    (0, 4, 3.0),  # user 0: nothing relevant but a film without train ratings
    (0, 2, 5.0),
    (1, 1, 5.0),  # user 1: no train ratings, so films 0, 1, 3 and 4 are candidates
    (1, 2, 5.0),
    (1, 3, 2.0),
    (2, 4, 4.0),  # user 2: has train ratings of 0 and 3, so 1 and 4 are candidates
]
TABLE = [
    [0.0, 0.0, 0.0, 0.0, 0.0],
    [3.0, 2.5, 9.0, 2.0, 1.0],
    [9.0, 1.0, 9.0, 9.0, 2.0],
    [0.0, 0.0, 0.0, 0.0, 0.0],
]


def test_the_full_catalogue_by_hand(tiny_store):
    part = make_ratings([(*row, 0) for row in HELD_OUT])
    result = full_catalogue(TableModel(tiny_store, TABLE), part, k=3)
    # User 1 finds film 1 in second place of three; user 2 has film 4 first of two.
    assert result["precision"] == approx((1 / 3 + 1 / 2) / 2)
    assert result["recall"] == 1
    assert result["ndcg"] == approx((1 / log2(3) + 1) / 2)
    # Films 0 and 3 have three train ratings, film 1 two, film 4 one.
    assert result["popularity"]["precision"] == approx((1 / 3 + 1 / 2) / 2)
    assert result["popularity"]["ndcg"] == approx((1 / log2(4) + 1 / log2(3)) / 2)
    assert result["random"]["precision"] == approx((1 / 4 + 1 / 2) / 2)
    assert result["random"]["recall"] == approx((3 / 4 + 1) / 2)
    assert (result["users"], result["users_left_out"], result["users_with_fewer_than_k"]) == (
        2,
        1,
        1,
    )
    assert result["relevant_without_train_ratings"] == 2
    assert result["users_sampled"] is None
    assert "4 stars and more" in result["protocol"]


def test_without_a_relevant_film_the_catalogue_has_no_metrics(tiny_store):
    result = full_catalogue(
        TableModel(tiny_store, TABLE), make_ratings([(0, 4, 3.0, 0), (1, 2, 5.0, 0)])
    )
    assert (result["users"], result["users_left_out"]) == (0, 2)
    assert metrics_of(result) == result["popularity"] == dict.fromkeys(FIGURES)


def test_a_perfect_score_finds_every_film(split):
    store = TrainStore.build(split.train, CPU)
    part = split.validation
    table = np.zeros((store.n_users, store.n_films))
    table[split.train.user, split.train.film] = 9  # masked
    table[part.user, part.film] = part.rating
    result = full_catalogue(TableModel(store, table), part)
    assert (result["ndcg"], result["recall"]) == (approx(1), approx(1))
    assert result["random"]["ndcg"] < result["popularity"]["ndcg"] < 1


def test_a_network_ranks_a_sample_of_the_users_and_reports_its_size(split, monkeypatch):
    store = TrainStore.build(split.train, CPU)
    table = np.random.default_rng(0).random((store.n_users, store.n_films))
    part = split.validation
    everyone = full_catalogue(PairwiseTableModel(store, table), part)
    assert everyone == full_catalogue(TableModel(store, table), part)
    monkeypatch.setattr(ranking, "MAX_USERS", 7)
    result = full_catalogue(PairwiseTableModel(store, table), part)
    assert result["users"] == result["users_sampled"] == 7 < everyone["users"]
    assert result["users_left_out"] == everyone["users_left_out"]
    assert result["random"] != everyone["random"]
    assert result == full_catalogue(PairwiseTableModel(store, table), part)
    assert everyone == full_catalogue(TableModel(store, table), part)
    monkeypatch.setattr(ranking, "MAX_PAIRS_ON_CPU", 3 * store.n_films)
    assert full_catalogue(PairwiseTableModel(store, table), part)["users_sampled"] == 3


# --- against loops ---------------------------------------------------------------------------


def by_loops(candidates, score, relevant, tie, k):
    """Means over users. Args: dicts by user: films, scores by film, sets of relevant films."""
    totals, n = dict.fromkeys(FIGURES, 0.0), 0
    for user, films in candidates.items():
        wanted = relevant[user] & set(films)
        if not wanted:
            continue
        n += 1
        best = sorted(films, key=lambda film: (-score[user][film], tie[film]))[:k]
        hits = [film in wanted for film in best]
        gain = sum(hit / log2(place + 2) for place, hit in enumerate(hits))
        most = sum(1 / log2(place + 2) for place in range(min(k, len(wanted))))
        totals["precision"] += sum(hits) / min(k, len(films))
        totals["recall"] += sum(hits) / len(wanted)
        totals["ndcg"] += gain / most
    return n, {name: total / n if n else None for name, total in totals.items()}


@st.composite
def worlds(draw):
    """Train rows, held-out rows and a table of scores with many ties."""
    n_users, n_films = draw(st.integers(1, 6)), draw(st.integers(2, 9))
    pairs = [(user, film) for user in range(n_users) for film in range(n_films)]
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rng.shuffle(pairs)
    n_train = draw(st.integers(1, len(pairs) - 1))
    n_part = draw(st.integers(1, len(pairs) - n_train))
    rows = [(user, film, float(rng.integers(1, 11)) / 2, 0) for user, film in pairs]
    table = rng.integers(0, draw(st.sampled_from([1, 3, 1000])), (n_users, n_films)) / 8
    sizes = {"n_users": n_users, "n_films": n_films}
    train = make_ratings(rows[:n_train], **sizes)
    part = make_ratings(rows[n_train : n_train + n_part], **sizes)
    return TrainStore.build(train, CPU), part, table, draw(st.sampled_from([1, 2, 3, 10]))


@settings(max_examples=150, deadline=None)
@given(worlds())
def test_both_protocols_agree_with_loops_over_users(world):
    store, part, table, k = world
    users, films = range(store.n_users), range(store.n_films)
    tie, counts = neutral_order(store).tolist(), store.by_film.counts.tolist()
    held_out = {user: {} for user in users}
    for user, film, stars in zip(part.user, part.film, part.rating, strict=True):
        held_out[int(user)][int(film)] = float(stars)
    seen = set(zip(store.user.tolist(), store.film.tolist(), strict=True))
    relevant = {user: {f for f, stars in held_out[user].items() if stars >= 4} for user in users}
    popularity = dict.fromkeys(users, counts)
    score = dict(enumerate(table))

    rated = {user: list(held_out[user]) for user in users}
    result = held_out_rated(store, part, torch.from_numpy(table[part.user, part.film]), k)
    n, expected = by_loops(rated, score, relevant, tie, k)
    assert (result["users"], metrics_of(result)) == (n, approx(expected))
    assert result["popularity"] == approx(by_loops(rated, popularity, relevant, tie, k)[1])
    assert result["users"] + result["users_left_out"] == sum(map(bool, rated.values()))

    unseen = {user: [f for f in films if counts[f] and (user, f) not in seen] for user in users}
    n, expected = by_loops(unseen, score, relevant, tie, k)
    result = full_catalogue(TableModel(store, table), part, k)
    assert (result["users"], metrics_of(result)) == (n, approx(expected))
    assert result["popularity"] == approx(by_loops(unseen, popularity, relevant, tie, k)[1])
    assert result["users"] + result["users_left_out"] == sum(map(bool, rated.values()))
    few_left = [user for user in users if 0 < len(unseen[user]) < k]
    assert result["users_with_fewer_than_k"] == sum(
        bool(relevant[user] & set(unseen[user])) for user in few_left
    )


# --- scores of the catalogue -----------------------------------------------------------------

EVERYONE = torch.tensor([3, 0, 1, -1, 2])
"""User 1 has no train ratings, -1 is not in the dataset; film 2 has none either."""


@pytest.mark.parametrize("architecture", architecture_names())
@pytest.mark.parametrize("cells", [1, 10, 2**23])
def test_the_catalogue_has_the_scores_of_its_pairs(
    tiny_store, small_config, perturbed_model, architecture, cells
):
    """Except for train ratings, which `score` leaves out when it is given their row."""
    model = perturbed_model(small_config(architecture), tiny_store)
    film = torch.arange(5)
    whole = torch.cat(list(model.score_catalogue(EVERYONE, cells)))
    default = torch.cat(list(RatingModel.score_catalogue(model, EVERYONE, cells)))
    assert whole.shape == (5, 5)
    torch.testing.assert_close(whole, default, atol=1e-5, rtol=0)
    for at_row, user in enumerate(EVERYONE.tolist()):
        user_column = torch.full_like(film, user)
        pairs = Pairs(user_column, film, None, torch.full_like(film, -1))
        torch.testing.assert_close(whole[at_row], model.score(pairs), atol=1e-5, rtol=0)
        clipped = whole[at_row].clamp(*tiny_store.scale)
        torch.testing.assert_close(clipped, model.predict(pairs), atol=1e-5, rtol=0)


DROPPING = {"two_tower": {"rating_dropout": 0.5}, "mf": {}}


@pytest.mark.parametrize("architecture", DROPPING)
def test_a_demo_catalogue_by_matrix_product_equals_that_by_pairs(
    split, small_config, perturbed_model, architecture
):
    store = TrainStore.build(split.train, CPU)
    config = small_config(architecture, **DROPPING[architecture])
    model = perturbed_model(config, store, std=0.6).train()
    model.refresh()  # scores use all train ratings regardless
    users = torch.arange(store.n_users)
    whole = torch.cat(list(model.score_catalogue(users, cells=700)))
    default = torch.cat(list(RatingModel.score_catalogue(model, users)))
    torch.testing.assert_close(whole, default, atol=1e-5, rtol=0)
    assert whole.max() > store.scale.high  # so that clipping would make ties
    assert not whole.requires_grad


def test_batches_of_users_do_not_change_the_metrics(
    split, small_config, perturbed_model, monkeypatch
):
    store = TrainStore.build(split.train, CPU)
    model = perturbed_model(small_config(), store)
    at_once = full_catalogue(model, split.validation)
    whole = TwoTowerVAE.score_catalogue
    monkeypatch.setattr(TwoTowerVAE, "score_catalogue", lambda self, users: whole(self, users, 1))
    assert full_catalogue(model, split.validation) == at_once


def test_only_the_hybrid_is_scored_pair_by_pair():
    assert [
        name for name in architecture_names() if not find_architecture(name).model.scores_by_product
    ] == ["hybrid"]
