"""What a training run needs to know, frozen and checked when it is built.

One class an architecture, so that a config holds no field that its model ignores:

    config = build_config("two_tower", kl_weight=5e-4)
    config = replace(config, rating_dropout=0.3)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, fields
from typing import Annotated, Any, Literal

from pydantic import ConfigDict, Field, StrictBool, ValidationError
from pydantic.dataclasses import dataclass

from ..base.messages import describe, near, quoted
from ..base.strict import Count, Number, Seed, Whole
from ..errors import ConfigError

Amp = Literal["auto", "bf16", "fp16", "off"]
KlSchedule = Literal["constant", "linear", "cyclical", "controller"]
NotNegative = Annotated[Number, Field(ge=0)]
Positive = Annotated[Number, Field(gt=0)]
Width = Annotated[Count, Field(le=1_000_000)]  # of a layer; more is a slip
Share = Annotated[Number, Field(ge=0, lt=1)]

_STRICT = ConfigDict(extra="forbid")
_OFF: Amp = "off"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TrainingConfig:
    """What every architecture has.

    The constants are those of a model that is fitted at once. They are no fields: no file sets
    them. `DescentConfig` has fields of the same names.
    """

    architecture: str
    seed = 0
    max_epochs = 1
    patience = 1
    learning_rate = 0.0
    lr_warmup_epochs = 0.0
    amp = _OFF


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class DescentConfig(TrainingConfig):
    """What every model has that is trained in steps: the optimiser."""

    seed: Seed = 42
    max_epochs: Count = 100  # the cosine's length, in epochs
    patience: Count = 15  # epochs without a better validation RMSE before training ends
    batch_size: Annotated[Whole, Field(ge=2)] = 2048
    learning_rate: Positive = 1e-3
    lr_warmup_epochs: NotNegative = 0.0
    weight_decay: NotNegative = 0.0  # AdamW's, decoupled
    grad_clip: Positive = 1.0  # largest norm of the gradient of all weights together
    amp: Amp = "auto"


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class VaeConfig(DescentConfig):
    """What every VAE has: a latent, and the ELBO's weights."""

    latent_dim: Width
    kl_weight: NotNegative = 0.001  # beta, once warmed up; the controller's largest
    kl_schedule: KlSchedule = "linear"  # how beta gets there: see model/schedules.py
    kl_warmup_epochs: NotNegative = 0.0  # of the linear schedule, from 0
    kl_cycles: Count = 4  # of the cyclical schedule, over all epochs
    kl_target: Positive = 10.0  # nats of raw KL that the controller holds
    free_bits: NotNegative = 0.0  # nats of KL that cost nothing
    free_bits_per: Literal["sum", "dimension"] = "sum"  # what has so many of them


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class HybridConfig(VaeConfig):
    """User and film embeddings, an MLP encoder to the latent, and the mirrored decoder."""

    architecture: Literal["hybrid"] = "hybrid"
    learning_rate: Positive = 3e-4
    lr_warmup_epochs: NotNegative = 1.0
    weight_decay: NotNegative = 1e-4
    kl_weight: NotNegative = 0.008
    kl_warmup_epochs: NotNegative = 20.0
    free_bits: NotNegative = 2.0
    n_factors: Width = 200  # columns of each embedding
    hidden_dims: Annotated[tuple[Width, ...], Field(min_length=1)] = (1024, 512, 256, 128)
    latent_dim: Width = 128
    dropout: Share = 0.4  # share of hidden units silenced; the decoder takes half of it
    skip: StrictBool = False  # the decoder sees the embeddings too, past the latent
    bias: StrictBool = False  # predict the biases plus the decoder's output, not the output alone


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class TwoTowerConfig(VaeConfig):
    """A user is the sum over the films they rated, a film the sum over its raters."""

    architecture: Literal["two_tower"] = "two_tower"
    max_epochs: Count = 60
    batch_size: Annotated[Whole, Field(ge=2)] = 16384
    learning_rate: Positive = 3e-3
    weight_decay: NotNegative = 0.1
    kl_weight: NotNegative = 1e-3
    latent_dim: Width = 64
    norm_power: Annotated[Number, Field(ge=0, le=1)] = 0.6  # a sum over n ratings is scaled by n^-p
    rating_dropout: Share = 0.3  # share of the train ratings left out of the sums in an epoch
    init_std: Positive = 0.02
    side: StrictBool = True  # genres and years have a part in what a film is, where it has any


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class MfConfig(DescentConfig):
    """Biased matrix factorisation."""

    architecture: Literal["mf"] = "mf"
    max_epochs: Count = 20
    learning_rate: Positive = 5e-3
    n_factors: Width = 64  # numbers of each user and of each film
    l2: NotNegative = 0.1  # cost of both vectors' squared lengths, for each rating
    init_std: Positive = 0.03


@dataclass(frozen=True, kw_only=True, config=_STRICT)
class BiasesConfig(TrainingConfig):
    """Regularised biases of users and films, fitted at once."""

    architecture: Literal["biases"] = "biases"
    user_shrinkage: Positive = 5.0  # ratings after which a user's own count for half
    film_shrinkage: Positive = 3.0


CONFIGS: dict[str, type[TrainingConfig]] = {
    "two_tower": TwoTowerConfig,
    "hybrid": HybridConfig,
    "mf": MfConfig,
    "biases": BiasesConfig,
}


def config_fields(architecture: str) -> set[str]:
    """Names of the fields of an architecture's config.

    Raises:
        ConfigError: no such architecture.
    """
    return {field.name for field in fields(_config_class(architecture))}


def build_config(architecture: str, **values: Any) -> TrainingConfig:
    """The architecture's defaults with `values` in their places.

    Raises:
        ConfigError: no such architecture or field, or a value out of its range; `at` names it.
    """
    config_class = _config_class(architecture)
    known = config_fields(architecture)
    for name in values:
        if name not in known:
            message = f"{architecture} has no field named {quoted(name)}"
            raise ConfigError(message + near(name, sorted(known)), at=(name,))
    try:
        return config_class(**{**values, "architecture": architecture})
    except ValidationError as error:
        detail = error.errors()[0]
        raise ConfigError(describe(detail), at=detail["loc"]) from None


def config_from_mapping(values: Mapping[str, Any]) -> TrainingConfig:
    """The config that `config_to_mapping` wrote, or that a person did.

    Raises:
        ConfigError: as `build_config`, or `architecture` is missing.
    """
    rest = dict(values)
    try:
        architecture = rest.pop("architecture")
    except KeyError:
        raise ConfigError(f"architecture is missing; choose from {', '.join(CONFIGS)}") from None
    return build_config(architecture, **rest)


def config_to_mapping(config: TrainingConfig) -> dict[str, Any]:
    """Plain values for YAML and JSON, every field spelled out."""
    return {
        name: list(value) if isinstance(value, tuple) else value
        for name, value in asdict(config).items()
    }


def _config_class(architecture: str) -> type[TrainingConfig]:
    try:
        return CONFIGS[architecture]
    except (KeyError, TypeError):
        raise ConfigError(
            f"no architecture named {quoted(architecture)}; choose from {', '.join(CONFIGS)}",
            at=("architecture",),
        ) from None
