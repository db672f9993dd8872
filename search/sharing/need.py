"""How much of a GPU's memory a trial is expected to take.

By what its own earlier attempt took, or else by the upper bound of its architecture. The bound is
corrected by what earlier trials of the study took, as a share of theirs. The largest share counts:
too little room ends a trial, too much only lets it wait.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

from ...model.architectures.memory import DataSizes, memory_need
from ...model.config import DescentConfig, TrainingConfig

MARGIN = 1.1  # for what differs from trial to trial, such as gaps in the allocator
ENOUGH = 3  # trials measured before the bound is lowered


class Measured(NamedTuple):
    """What a trial took at most.

    Attributes:
        config: of the trial, decided for the study's split.
    """

    config: TrainingConfig
    bytes: float


def expected_bytes(
    config: TrainingConfig, sizes: DataSizes, measured: Sequence[Measured]
) -> float | None:
    """Bytes that a training is expected to take at most, without CUDA's own; None if unknown.

    Args:
        config: decided for the study's split.
        measured: trials of the same study.
    """
    own = [each.bytes for each in measured if _same_but_seed(each.config, config)]
    if own:
        return MARGIN * max(own)
    kin = [each for each in measured if each.config.architecture == config.architecture]
    bound = _bound(config, sizes)
    if bound is None:
        return MARGIN * max(each.bytes for each in kin) if len(kin) >= ENOUGH else None
    shares = [each.bytes / of for each in kin if (of := _bound(each.config, sizes))]
    largest = MARGIN * max(shares, default=0.0)
    return bound * (largest if len(shares) >= ENOUGH else max(1.0, largest))


def _bound(config: TrainingConfig, sizes: DataSizes) -> float | None:
    """An upper bound of the live tensors; None if the architecture does not say."""
    need = memory_need(config, sizes)
    if need is None:
        return None
    batch_size = config.batch_size if isinstance(config, DescentConfig) else 0
    return need.of_batch(min(batch_size, sizes.n_ratings))


def _same_but_seed(one: TrainingConfig, other: TrainingConfig) -> bool:
    if isinstance(one, DescentConfig) and isinstance(other, DescentConfig):
        return replace(one, seed=other.seed) == other
    return one == other
