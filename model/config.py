"""The base classes of configs: what a training run needs to know, frozen and checked when built.

Each architecture has its own config class, next to its model in `architectures/`, so that a
config holds no field that its model ignores. Knows no torch.
"""

from __future__ import annotations

from dataclasses import asdict, replace
from typing import Annotated, Any, ClassVar, Literal, Self

from pydantic import ConfigDict, Field
from pydantic.dataclasses import dataclass

from ..base.strict import Count, NonNegative, Number, Positive, Seed, Whole
from ..errors import ConfigError

Amp = Literal["auto", "bf16", "fp16", "off"]
KlSchedule = Literal["constant", "linear", "cyclical", "controller"]
Width = Annotated[Count, Field(le=1_000_000)]  # of a layer; more is a typing error
BatchSize = Annotated[Whole, Field(ge=2)]
DropoutRate = Annotated[Number, Field(ge=0, lt=1)]

STRICT = ConfigDict(extra="forbid")  # for every config class: an unknown field is an error
_OFF: Amp = "off"
_UNLIMITED: int | None = None


@dataclass(frozen=True, kw_only=True, config=STRICT)
class TrainingConfig:
    """The base of all configs. Used directly by a model that is fitted in closed form.

    The constants below are what such a model reports. They are not fields, so no file sets them;
    `DescentConfig` has fields of the same names.
    """

    # Stars by which the validation RMSE of one config varies with the seed: twice its standard
    # deviation on ml-latest-small. An architecture that varies more or less sets its own.
    seed_noise: ClassVar[float] = 0.002

    architecture: str
    seed = 0
    max_epochs = 1
    patience = 1
    learning_rate = 0.0
    lr_warmup_epochs = 0.0
    amp = _OFF

    def for_split(self, *, is_random: bool) -> Self:
        """The config with each field decided that depends on how the ratings are split.

        Args:
            is_random: whether the split is at random, not by time.

        Raises:
            ConfigError: `at` names a field that would make the evaluation dishonest.
        """
        return self


@dataclass(frozen=True, kw_only=True, config=STRICT)
class DescentConfig(TrainingConfig):
    """The base of configs of models trained by gradient descent: adds the optimiser."""

    seed: Seed = 42
    max_epochs: Count = 100  # also the length of the cosine schedule
    max_steps = _UNLIMITED  # per epoch at most; a field where a step is costly
    patience: Count = 15  # epochs without a better validation RMSE before training ends
    batch_size: BatchSize = 2048
    learning_rate: Positive = 1e-3
    lr_warmup_epochs: NonNegative = 0.0
    weight_decay: NonNegative = 0.0  # AdamW's, decoupled
    grad_clip: Positive = 1.0  # maximum norm of the gradient over all weights
    amp: Amp = "auto"


@dataclass(frozen=True, kw_only=True, config=STRICT)
class VaeConfig(DescentConfig):
    """The base of VAE configs: adds the latent dimension and the ELBO's weights."""

    latent_dim: Width
    # How ratings are distributed around predictions. Each loss is in the unit of the squared error,
    # so that a KL weight means the same.
    likelihood: Literal["mse", "gaussian", "ordinal"] = "mse"
    kl_weight: NonNegative = 0.001  # after the warm-up; the controller's maximum
    kl_schedule: KlSchedule = "linear"  # see training/descent/kl_schedules.py
    kl_warmup_epochs: NonNegative = 0.0  # of the linear schedule, starting at 0
    kl_cycles: Count = 4  # of the cyclical schedule, over all epochs
    kl_target: Positive = 10.0  # nats of raw KL that the controller aims for
    free_bits: NonNegative = 0.0  # nats of KL without cost
    free_bits_per: Literal["sum", "dimension"] = "sum"  # the scope of free_bits
    # Add what ratings near in time say, where the dataset has times: earlier ones, or all; auto is
    # both on a random split and past on a split by time.
    neighbours: Literal["auto", "off", "past", "both"] = "off"

    def for_split(self, *, is_random: bool) -> Self:
        if self.neighbours == "auto":
            return replace(self, neighbours="both" if is_random else "past")
        if self.neighbours == "both" and not is_random:
            raise ConfigError(
                "neighbours both uses ratings that are later than the one it predicts, but the "
                "split is by time; write neighbours past, or off",
                at=("neighbours",),
            )
        return self


def config_to_mapping(config: TrainingConfig) -> dict[str, Any]:
    """Every field as a plain value for YAML and JSON."""
    return {name: _plain(value) for name, value in asdict(config).items()}


def _plain(value: Any) -> Any:
    """The value with lists for tuples, at every level."""
    if isinstance(value, dict):
        return {name: _plain(part) for name, part in value.items()}
    return [_plain(part) for part in value] if isinstance(value, list | tuple) else value
