"""A few ratings to compute answers by hand, and some more to train small models."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.ratings import Films, Ratings, Scale, Users
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.architectures.table import find_architecture
from recsys_search.model.store.train_store import TrainStore

CPU = torch.device("cpu")

SMALL = {
    "two_tower": {"amp": "off", "latent_dim": 4, "batch_size": 200, "neighbours": "off"},
    "hybrid": {
        "amp": "off",
        "n_factors": 4,
        "hidden_dims": (8, 6),
        "latent_dim": 3,
        "batch_size": 200,
        "learning_rate": 0.01,
        "kl_warmup_epochs": 2.0,
        "free_bits": 0.5,
    },
    "mf": {"amp": "off", "n_factors": 4, "batch_size": 200},
    "biases": {},
}


def make_ratings(rows, *, n_users=4, n_films=5, timestamps=True):
    """Ratings of (user index, film index, stars, second); ids are 10 + user and 100 + film."""
    user, film, rating, timestamp = (np.array(column) for column in zip(*sorted(rows), strict=True))
    return Ratings(
        name="few",
        user_ids=np.arange(10, 10 + n_users),
        films=Films(
            ids=np.arange(100, 100 + n_films),
            titles=None,
            year=np.zeros(n_films, np.int16),
            genres=np.zeros((n_films, 0), bool),
            genre_names=(),
        ),
        user=user,
        film=film,
        rating=rating.astype(np.float32),
        timestamp=timestamp if timestamps else None,
        scale=Scale(0.5, 5.0),
    )


TINY = [
    (0, 0, 4.0, 30),
    (0, 1, 1.0, 10),
    (0, 3, 5.0, 20),
    (2, 0, 3.5, 50),
    (2, 3, 2.0, 40),
    (3, 0, 0.5, 60),
    (3, 1, 3.0, 60),
    (3, 3, 4.0, 70),
    (3, 4, 4.5, 5),
]
"""Row numbers are positions in this list. User 1 and film 2 have no rating, film 4 has one."""


@pytest.fixture
def tiny_ratings():
    return make_ratings(TINY)


@pytest.fixture(scope="session")
def with_users():
    """Builds a copy of ratings with an age, 0 for the first user, and three groups at random."""

    def build(ratings):
        rng = np.random.default_rng(0)
        age = rng.integers(18, 60, ratings.n_users).astype(np.int16)
        age[0] = 0
        groups = rng.random((ratings.n_users, 3)) < 0.5
        return replace(ratings, users=Users(age=age, groups=groups, group_names=("a", "b", "c")))

    return build


@pytest.fixture
def tiny_store(tiny_ratings):
    """The few ratings as a train store."""
    return TrainStore.build(tiny_ratings, CPU)


@pytest.fixture(scope="session")
def demo():
    """600 ratings."""
    return demo_ratings(600, n_users=40, n_films=50)


@pytest.fixture(scope="session")
def split(demo):
    """480 ratings to train on, 60 to validate."""
    return split_ratings(demo, SplitSpec())


@pytest.fixture
def small_config():
    """Builds the config of a model that trains in milliseconds."""

    def build(architecture="two_tower", **values):
        return build_config(architecture, **{**SMALL[architecture], **values})

    return build


@pytest.fixture
def perturbed_model():
    """Builds a model in eval mode with weights far from zero, the same ones every time."""

    def build(config, store, *, std=0.3, model_class=None):
        with torch.random.fork_rng([]), torch.no_grad():
            torch.manual_seed(1)
            model = (model_class or find_architecture(config.architecture).model)(config, store)
            for parameter in model.parameters():
                parameter.add_(std * torch.randn_like(parameter))
        return model.eval()

    return build


@pytest.fixture
def with_rating_moved():
    """Builds a copy of a store with one rating changed and the mean and biases unchanged."""

    def build(store, row, by):
        rating = store.rating.clone()
        rating[row] += by
        return replace(store, rating=rating)

    return build
