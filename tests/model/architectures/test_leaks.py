"""No rating influences its own prediction, and no held-out rating influences any.

The first holds for `two_tower`. The others have trained weights per user and film, which depend on
every train rating; what is tested for them is that a prediction reads no rating. `biases` fit the
ratings that they are given: see test_baselines.py.
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
from recsys_search.model.components.neighbours.tower_residuals import TowerResiduals
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.training import Training

STARS = 3.0
LIKELIHOODS = ["mse", "gaussian", "ordinal"]


class Leaks(TwoTowerVAE):
    """Does not subtract the rating itself."""

    def posteriors(self, pairs, shared):
        return super().posteriors(replace(pairs, row=torch.full_like(pairs.row, -1)), shared)


class LeaksInTraining(Leaks):
    def posteriors(self, pairs, shared):
        base = Leaks if self.training else TwoTowerVAE
        return base.posteriors(self, pairs, shared)


@pytest.fixture
def store(split, with_users):
    return TrainStore.build(with_users(split.train), torch.device("cpu"))


def predictions(model, store, mode):
    """Predictions of all train ratings, with the same noise and dropout every time."""
    model.store = store
    model.train(mode == "train")
    torch.manual_seed(0)
    model.refresh()
    with torch.no_grad():
        return model(store.pairs(torch.arange(len(store))), model.encode_store()).prediction


def own_and_others(build, store, with_rating_moved, row, mode):
    """Changes of the rating's own and of other predictions when it changes by three stars."""
    changed = with_rating_moved(store, row, STARS if store.rating[row] < 3 else -STARS)
    shift = (
        predictions(build(changed), changed, mode) - predictions(build(store), store, mode)
    ).abs()
    others = torch.arange(len(store)) != row
    return float(shift[row]), float(shift[others].max())


def rows_to_try(store):
    """Ratings of the busiest and the quietest users and films, and some others."""
    by_count = torch.argsort(store.by_user.counts[store.user] + store.by_film.counts[store.film])
    return torch.cat([by_count[:3], by_count[-3:], torch.arange(0, len(store), 60)]).tolist()


@pytest.mark.parametrize(
    ("mode", "values"),
    [
        ("eval", {}),
        ("train", {}),
        ("eval", {"neighbours": "past"}),
        ("eval", {"neighbours": "both"}),
        ("train", {"rank_weight": 1.0}),
    ],
)
def test_a_rating_changes_other_predictions_and_not_its_own(
    store, small_config, perturbed_model, with_rating_moved, mode, values
):
    config = small_config(rating_dropout=0.1, **values)
    n_changed = 0
    for row in rows_to_try(store):
        own, others = own_and_others(
            lambda changed: perturbed_model(config, changed), store, with_rating_moved, row, mode
        )
        assert own < 1e-5, f"row {row} leaks"
        n_changed += others > 0.01
    # In train mode some ratings are dropped; in both modes some have no neighbours.
    assert n_changed > len(rows_to_try(store)) / 2


@pytest.mark.parametrize(
    ("model_class", "mode"),
    [(Leaks, "eval"), (Leaks, "train"), (LeaksInTraining, "train")],
)
def test_a_model_that_leaks_is_detected(
    store, small_config, perturbed_model, with_rating_moved, model_class, mode
):
    config = small_config(rating_dropout=0.1)
    movements = [
        own_and_others(
            lambda changed: perturbed_model(config, changed, model_class=model_class),
            store,
            with_rating_moved,
            row,
            mode,
        )[0]
        for row in rows_to_try(store)
    ]
    assert max(movements) > 0.01
    assert np.median(movements) > 1e-5


def test_a_rating_changes_only_its_neighbours(
    tiny_store, small_config, perturbed_model, with_rating_moved
):
    """The second rating (user 0, film 1) changes the others of user 0 and of film 1."""
    build = small_config()
    before = predictions(perturbed_model(build, tiny_store), tiny_store, "eval")
    changed = with_rating_moved(tiny_store, 1, STARS)
    after = predictions(perturbed_model(build, changed), changed, "eval")
    # Rows 0 and 2 are user 0's, row 6 is film 1's.
    assert ((after - before).abs() > 1e-4).nonzero().flatten().tolist() == [0, 2, 6]


def test_hybrids_neighbours_do_not_include_the_rating_itself(
    store, small_config, perturbed_model, with_rating_moved
):
    """With weights held; the weights themselves are fitted to every train rating."""
    config = small_config("hybrid", neighbours="both")
    for row in rows_to_try(store):
        own, others = own_and_others(
            lambda changed: perturbed_model(config, changed), store, with_rating_moved, row, "eval"
        )
        assert own < 1e-5 and others > 1e-3


def test_neighbour_head_that_uses_the_pairs_own_rating_are_detected(
    store, small_config, perturbed_model, with_rating_moved, monkeypatch
):
    """The residuals of its neighbours contain it unless it is taken out of them."""
    parts = TowerResiduals._parts
    monkeypatch.setattr(
        TowerResiduals,
        "_parts",
        lambda self, pairs: (
            parts(self, pairs)
            if len(self.product) == 0
            else parts(self, replace(pairs, row=torch.full_like(pairs.row, -1)))
        ),
    )
    config = small_config(neighbours="both")
    movements = [
        own_and_others(
            lambda changed: perturbed_model(config, changed), store, with_rating_moved, row, "eval"
        )[0]
        for row in rows_to_try(store)
    ]
    assert max(movements) > 0.001


@pytest.mark.parametrize(("architecture", "values"), [("hybrid", {"bias": True}), ("mf", {})])
def test_a_model_with_id_embeddings_reads_no_rating_when_it_predicts(
    store, small_config, perturbed_model, with_rating_moved, architecture, values
):
    changed = with_rating_moved(store, 5, STARS)
    config = small_config(architecture, **values)
    before = predictions(perturbed_model(config, store), store, "eval")
    assert torch.equal(before, predictions(perturbed_model(config, changed), changed, "eval"))


def weights_and_predictions(config, split, pairs):
    """Weights and predictions after one epoch, the best one for any validation ratings."""
    with Training(config, split, "cpu") as run:
        next(iter(run))
    model = build_model(config, TrainStore.build(split.train, torch.device("cpu")))
    model.load_state_dict(run.best.weights)
    return run.best.weights, model.predict(pairs)


def permuted(ratings, part, seed=0):
    """The same ratings, but with the stars of one part permuted."""
    held_out = np.flatnonzero(np.isin(_keys(ratings), _keys(part)))
    stars = ratings.rating.copy()
    stars[held_out] = np.random.default_rng(seed).permutation(stars[held_out])
    assert (stars != ratings.rating).sum() > len(held_out) / 2
    return replace(ratings, rating=stars)


def _keys(ratings):
    return ratings.user * ratings.n_films + ratings.film


@pytest.mark.parametrize(
    ("architecture", "values"),
    [
        *((name, {}) for name in architecture_names()),
        ("two_tower", {"neighbours": "both", "rank_weight": 0.5}),
        *(("two_tower", {"likelihood": name}) for name in LIKELIHOODS[1:]),
    ],
)
@pytest.mark.parametrize("part", ["validation", "test"])
def test_permuting_held_out_ratings_changes_no_prediction(
    demo, with_users, small_config, architecture, values, part
):
    demo, spec = with_users(demo), SplitSpec()
    parts = {"validation": split_ratings(demo, spec).validation, "test": open_test(demo, spec)}
    other = permuted(demo, parts[part])
    config = small_config(architecture, **values)
    outcomes = []
    for ratings in (demo, other):
        split = split_ratings(ratings, spec)
        all_pairs = TrainStore.build(split.train, torch.device("cpu")).held_out(demo)
        outcomes.append(weights_and_predictions(config, split, all_pairs))
    (weights, predicted), (other_weights, other_predicted) = outcomes
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert torch.equal(predicted, other_predicted)


@pytest.mark.parametrize("neighbours", ["off", "both", "past"])
def test_the_order_of_held_out_rows_changes_nothing(demo, small_config, neighbours):
    split = split_ratings(demo, SplitSpec())
    order = np.random.default_rng(0).permutation(len(split.validation))
    shuffled = replace(split, validation=split.validation.take(order))
    config = small_config(neighbours=neighbours, rank_weight=0.5)
    outcomes = []
    for each in (split, shuffled):
        pairs = TrainStore.build(split.train, torch.device("cpu")).held_out(each.validation)
        outcomes.append(weights_and_predictions(config, each, pairs))
    (weights, predicted), (other_weights, other_predicted) = outcomes
    assert all(torch.equal(weights[name], other_weights[name]) for name in weights)
    assert torch.equal(predicted[torch.from_numpy(order)], other_predicted)


def test_the_test_ratings_influence_no_report(demo, small_config):
    """Unlike the validation ratings, which select the best epoch."""
    other = permuted(demo, open_test(demo, SplitSpec()))
    curves = []
    for ratings in (demo, other):
        with Training(
            small_config(max_epochs=3), split_ratings(ratings, SplitSpec()), "cpu"
        ) as run:
            curves.append([(report.train_rmse, report.val_rmse) for report in run])
    assert curves[0] == curves[1]


@pytest.mark.parametrize("likelihood", LIKELIHOODS)
@pytest.mark.parametrize("neighbours", ["off", "both"])
def test_a_rating_changes_no_distribution_of_its_own(
    store, small_config, perturbed_model, with_rating_moved, likelihood, neighbours
):
    """With weights held: expected ratings, standard deviations and probabilities of all levels."""
    config = small_config(rating_dropout=0.1, neighbours=neighbours, likelihood=likelihood)
    levels = store.rating.unique()

    def forecasts(weights, changed):
        model = perturbed_model(config, changed)
        model.load_state_dict(weights)  # levels and first thresholds are weights too
        forecast = model.forecast(changed.pairs(torch.arange(len(changed))))
        figures = [forecast.expected]
        if likelihood != "mse":
            figures.append(forecast.std())
            level = levels.repeat(len(changed) // len(levels) + 1)[: len(changed)]
            figures.append(forecast.probabilities(level, levels).log_mass.exp().float())
        return torch.stack(figures, 1)

    weights = perturbed_model(config, store).state_dict()
    n_changed = 0
    for row in rows_to_try(store):
        changed = with_rating_moved(store, row, 2.0 if store.rating[row] < 3 else -2.0)
        shift = (forecasts(weights, changed) - forecasts(weights, store)).abs()
        assert float(shift[row].max()) < 1e-5, f"row {row} leaks"
        n_changed += float(shift[torch.arange(len(store)) != row].max()) > 0.01
    assert n_changed > len(rows_to_try(store)) / 2
