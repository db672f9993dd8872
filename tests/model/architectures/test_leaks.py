"""No rating has a part in its own prediction, and no held-out rating in any.

The former is said of `two_tower`. The others have numbers of each user and film, in which every
train rating has had its part by training: they look at no rating when they predict, which is tested
instead. `biases` refit themselves on what they are shown: see test_baselines.py.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import open_test, split_ratings
from recsys_search.model.architectures.models import build_model
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.architectures.two_tower import TwoTowerVAE
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.training import Training

STARS = 3.0


class SeesItself(TwoTowerVAE):
    """Leaves the subtraction out."""

    def posteriors(self, pairs, shared):
        return super().posteriors(replace(pairs, row=torch.full_like(pairs.row, -1)), shared)


class SeesItselfInTraining(SeesItself):
    def posteriors(self, pairs, shared):
        seen = SeesItself if self.training else TwoTowerVAE
        return seen.posteriors(self, pairs, shared)


@pytest.fixture
def store(split):
    return TrainStore.build(split.train, torch.device("cpu"))


def predictions(model, store, mode):
    """Of all train ratings, by a model that draws the same noise and dropout every time."""
    model.store = store
    model.train(mode == "train")
    torch.manual_seed(0)
    model.refresh()
    with torch.no_grad():
        return model(store.pairs(torch.arange(len(store))), model.encode_store()).prediction


def own_and_others(build, store, moved, row, mode):
    """How far the rating's own prediction and the others' move when it moves by three stars."""
    changed = moved(store, row, STARS if store.rating[row] < 3 else -STARS)
    shift = (
        predictions(build(changed), changed, mode) - predictions(build(store), store, mode)
    ).abs()
    others = torch.arange(len(store)) != row
    return float(shift[row]), float(shift[others].max())


def rows_to_try(store):
    """Ratings of the busiest and the quietest users and films, and some others."""
    by_count = torch.argsort(store.by_user.counts[store.user] + store.by_film.counts[store.film])
    return torch.cat([by_count[:3], by_count[-3:], torch.arange(0, len(store), 60)]).tolist()


@pytest.mark.parametrize("mode", ["eval", "train"])
def test_a_rating_moves_others_predictions_and_not_its_own(
    store, small_config, lively, moved, mode
):
    config = small_config(rating_dropout=0.1)
    reached = 0
    for row in rows_to_try(store):
        own, others = own_and_others(
            lambda changed: lively(config, changed), store, moved, row, mode
        )
        assert own < 1e-5, f"row {row} sees itself"
        reached += others > 0.01
    # In train mode some ratings are dropped, and in both modes some are alone.
    assert reached > len(rows_to_try(store)) / 2


@pytest.mark.parametrize(
    ("model_class", "mode"),
    [(SeesItself, "eval"), (SeesItself, "train"), (SeesItselfInTraining, "train")],
)
def test_a_model_that_sees_itself_is_caught(store, small_config, lively, moved, model_class, mode):
    config = small_config(rating_dropout=0.1)
    movements = [
        own_and_others(
            lambda changed: lively(config, changed, model_class=model_class),
            store,
            moved,
            row,
            mode,
        )[0]
        for row in rows_to_try(store)
    ]
    assert max(movements) > 0.01
    assert np.median(movements) > 1e-5


def test_only_neighbours_of_a_rating_see_it(few, small_config, lively, moved):
    """In the few ratings, the second (user 0, film 1) touches user 0's and film 1's others."""
    build = small_config()
    before = predictions(lively(build, few), few, "eval")
    changed = moved(few, 1, STARS)
    after = predictions(lively(build, changed), changed, "eval")
    # Rows 0 and 2 are user 0's, row 6 is film 1's.
    assert ((after - before).abs() > 1e-4).nonzero().flatten().tolist() == [0, 2, 6]


@pytest.mark.parametrize(("architecture", "values"), [("hybrid", {"bias": True}), ("mf", {})])
def test_a_model_of_ids_looks_at_no_rating_when_it_predicts(
    store, small_config, lively, moved, architecture, values
):
    changed = moved(store, 5, STARS)
    config = small_config(architecture, **values)
    before = predictions(lively(config, store), store, "eval")
    assert torch.equal(before, predictions(lively(config, changed), changed, "eval"))


def weights_and_predictions(config, split, asked):
    """Of the first epoch, which is the best one whatever the validation ratings are."""
    with Training(config, split, "cpu") as run:
        next(iter(run))
    model = build_model(config, TrainStore.build(split.train, torch.device("cpu")))
    model.load_state_dict(run.best.weights)
    return run.best.weights, model.predict(asked)


def permuted(ratings, part, seed=0):
    """The same ratings, but those of one part have changed hands."""
    held_out = np.flatnonzero(np.isin(_keys(ratings), _keys(part)))
    stars = ratings.rating.copy()
    stars[held_out] = np.random.default_rng(seed).permutation(stars[held_out])
    assert (stars != ratings.rating).sum() > len(held_out) / 2
    return replace(ratings, rating=stars)


def _keys(ratings):
    return ratings.user * ratings.n_films + ratings.film


@pytest.mark.parametrize("architecture", architecture_names())
@pytest.mark.parametrize("part", ["validation", "test"])
def test_held_out_ratings_that_change_hands_change_no_prediction(
    demo, small_config, architecture, part
):
    spec = SplitSpec()
    parts = {"validation": split_ratings(demo, spec).validation, "test": open_test(demo, spec)}
    other = permuted(demo, parts[part])
    config = small_config(architecture)
    outcomes = []
    for ratings in (demo, other):
        split = split_ratings(ratings, spec)
        everything = TrainStore.build(split.train, torch.device("cpu")).held_out(demo)
        outcomes.append(weights_and_predictions(config, split, everything))
    (weights, predicted), (other_weights, other_predicted) = outcomes
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert torch.equal(predicted, other_predicted)


def test_the_test_ratings_have_no_part_in_any_report(demo, small_config):
    """Unlike the validation ratings, which choose the best epoch."""
    other = permuted(demo, open_test(demo, SplitSpec()))
    curves = []
    for ratings in (demo, other):
        with Training(
            small_config(max_epochs=3), split_ratings(ratings, SplitSpec()), "cpu"
        ) as run:
            curves.append([(report.train_rmse, report.val_rmse) for report in run])
    assert curves[0] == curves[1]
