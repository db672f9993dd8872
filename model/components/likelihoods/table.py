"""The likelihoods by the name that a config has for them."""

from __future__ import annotations

from ...store.train_store import TrainStore
from .gaussian import Gaussian
from .likelihood import Likelihood, Mse
from .ordinal import Ordinal

LIKELIHOODS: dict[str, type[Likelihood]] = {"mse": Mse, "gaussian": Gaussian, "ordinal": Ordinal}


def build_likelihood(name: str, store: TrainStore) -> Likelihood:
    """The likelihood of this name, for ratings like those of train.

    Raises:
        ConfigError: it does not suit them.
    """
    return LIKELIHOODS[name](store)
