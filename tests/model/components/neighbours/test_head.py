"""Residuals equal predictions of the model without the two ratings; the head uses no others."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.two_tower import TwoTowerVAE
from recsys_search.model.components.neighbours.features import WINDOW
from recsys_search.model.components.neighbours.head import NeighbourHead
from recsys_search.model.store.train_store import TrainStore
from recsys_search.model.training.training import Training

CPU = torch.device("cpu")


@pytest.fixture
def split(split, with_users):
    """With side features of users."""
    return replace(split, train=with_users(split.train), validation=with_users(split.validation))


@pytest.fixture
def store(split):
    return TrainStore.build(split.train, CPU)


@pytest.fixture
def model(store, small_config, perturbed_model):
    model = perturbed_model(small_config(neighbours="both", norm_power=0.4), store)
    model.renew()
    return model


def window_of(model, pairs):
    head = model.neighbours
    around = head.scalars.by_user(pairs)
    return head._features._order.window(around, pairs.timestamp, WINDOW)


def prediction_without(model, split, rows, row):
    """The towers' prediction of a train rating when it and another one are not in train."""
    kept = torch.tensor([each for each in range(len(split.train)) if each not in (rows, row)])
    reduced = TrainStore.build(split.train.take(kept.numpy()), CPU)
    reduced = replace(reduced, mean=model.store.mean)
    config = replace(model.config, neighbours="off")
    towers = TwoTowerVAE(config, reduced)
    towers.load_state_dict(
        {k: v for k, v in model.state_dict().items() if not k.startswith("neighbours.")}
    )
    towers.eval()
    pair = replace(model.store.pairs(torch.tensor([row])), row=torch.tensor([-1]))
    with torch.no_grad():
        return float(towers(pair, towers.encode_store()).prediction)


@pytest.mark.parametrize("held_out", [False, True])
def test_a_residual_is_without_the_neighbour_and_without_the_pair_itself(model, split, held_out):
    row = 11
    pairs = model.store.pairs(torch.tensor([row]))
    if held_out:
        pairs = model.store.held_out(split.validation)[row : row + 1]
    window = window_of(model, pairs)
    residual, _ = model.neighbours.residuals.of_neighbours(pairs, window)
    there = window.present[0].nonzero().flatten()[:4].tolist()
    assert there
    for i in there:
        neighbour = int(window.rows[0, i])
        own = -1 if held_out else row
        expected = float(model.store.rating[neighbour]) - prediction_without(
            model, split, own, neighbour
        )
        assert float(residual[0, i]) == pytest.approx(expected, abs=1e-4)
    assert (residual[0][~window.present[0]] == 0).all()


def test_the_own_residual_is_without_the_rating_itself(model, split):
    rows = [0, 7, 50]
    own = model.neighbours.residuals.of_targets(model.store.pairs(torch.tensor(rows)))
    expected = [
        float(model.store.rating[row]) - prediction_without(model, split, -1, row) for row in rows
    ]
    assert own.tolist() == pytest.approx(expected, abs=1e-4)


def test_the_cosine_is_that_of_the_films_vectors_without_these_ratings(model):
    store = model.store
    pairs = store.pairs(torch.arange(0, len(store), 29))
    window = window_of(model, pairs)
    _, cosine = model.neighbours.residuals.of_neighbours(pairs, window)
    with torch.no_grad():
        films = model.posteriors(store.pairs(torch.arange(len(store))), model.encode_store())
    vectors = torch.nn.functional.normalize(films["film"].mu)
    expected = (vectors[window.rows] * vectors[pairs.row].unsqueeze(1)).sum(2) * window.present
    torch.testing.assert_close(cosine, expected, atol=2e-4, rtol=1e-3)


@pytest.mark.parametrize("neighbours", ["past", "both"])
def test_in_past_mode_later_ratings_change_nothing_in_what_the_head_sees(
    store, small_config, perturbed_model, neighbours
):
    """Their values and their times, for pairs before all of them."""
    config = small_config(neighbours=neighbours)
    cut = int(store.timestamp.median())
    later = store.timestamp > cut
    pairs = store.pairs((store.timestamp <= cut).nonzero().flatten())
    model = perturbed_model(config, store)
    model.renew()
    head = model.neighbours
    seen = head._features(pairs, head.scalars.by_user(pairs), head.residuals)
    residuals = head.residuals
    # The towers see every rating, so only what is read of the later ones is changed.
    noise = torch.where(later, 3.0, 0.0)
    head.residuals = replace(residuals, base_error=residuals.base_error + noise)
    changed = head._features(pairs, head.scalars.by_user(pairs), head.residuals)
    assert torch.equal(seen, changed) == (neighbours == "past")


def test_without_a_time_the_head_adds_nothing(model, store):
    pairs = replace(store.pairs(torch.arange(20)), timestamp=None)
    assert (model.neighbours(pairs) == 0).all()
    with torch.no_grad():
        assert torch.equal(
            model(pairs, model.encode_store()).prediction,
            model.decode(
                pairs, {k: q.mu for k, q in model.posteriors(pairs, model.encode_store()).items()}
            )
            + model.heads[0](pairs),
        )


def test_a_dataset_without_times_has_no_head(tiny_ratings, small_config):
    store = TrainStore.build(replace(tiny_ratings, timestamp=None), CPU)
    assert TwoTowerVAE(small_config(neighbours="both"), store).neighbours is None


def test_both_sides_are_refused_on_a_split_by_time(demo, small_config):
    split = split_ratings(demo, SplitSpec(method="temporal"))
    with pytest.raises(ConfigError, match="neighbours both uses ratings that are later") as refusal:
        Training(small_config(neighbours="both"), split, "cpu")
    assert refusal.value.at == ("neighbours",)
    with Training(small_config(neighbours="past", max_epochs=1), split, "cpu") as run:
        assert len(list(run)) == 1


@pytest.mark.parametrize(("is_random", "mode"), [(True, "both"), (False, "past")])
def test_auto_is_what_the_split_allows(small_config, is_random, mode):
    config = small_config(neighbours="auto")
    assert config.for_split(is_random=is_random).neighbours == mode


def test_a_training_records_auto_as_it_was_asked_for(split, small_config):
    with Training(small_config(neighbours="auto", max_epochs=1), split, "cpu") as run:
        list(run)
        assert run.config.neighbours == "auto"
        assert run._model.config.neighbours == "both"


def test_the_towers_are_trained_as_without_the_head(split, small_config, monkeypatch):
    """Neither its gradients nor its predictions reach them."""
    build = NeighbourHead.__init__

    def build_without_draws(head, *args, **options):
        with torch.random.fork_rng():
            build(head, *args, **options)

    monkeypatch.setattr(NeighbourHead, "__init__", build_without_draws)
    config = small_config(max_epochs=2, grad_clip=1e9)
    curves = []
    for neighbours in ("off", "past"):
        with Training(replace(config, neighbours=neighbours), split, "cpu") as run:
            assert len(list(run)) == 2
            weights = run._weights()
        curves.append(weights["film_rated.weight"])
    assert torch.equal(*curves)


def test_the_head_learns_what_the_residuals_near_in_time_say(small_config):
    """In the generated ratings a user's mood drifts."""
    from recsys_search.data.demo.generator import demo_ratings

    split = split_ratings(demo_ratings(20_000), SplitSpec())
    config = small_config(max_epochs=8, latent_dim=8, batch_size=2000, learning_rate=5e-3)
    best = {}
    for neighbours in ("off", "both"):
        with Training(replace(config, neighbours=neighbours), split, "cpu") as run:
            for _ in run:
                pass
        best[neighbours] = run.best.report.val_rmse
    assert best["both"] < best["off"] - 0.005
