"""How much memory a training takes, bounded from above by the sizes of its tensors.

Not measured on a GPU yet. The constants are bounds on the peak of the live tensors on a CPU, in
float32, which tests/model/architectures/test_memory.py counts; half precision takes less. Not
counted: CUDA's own memory and the allocator's gaps, for which the caller leaves room.
"""

from __future__ import annotations

import math
from typing import NamedTuple

from ..components.neighbours.features import CHUNK, WINDOW
from ..components.rating_model import EVAL_BATCH_SIZE
from ..config import TrainingConfig, VaeConfig
from .table import find_architecture

FLOAT_BYTES = 4
WEIGHT_BYTES = 20  # a float32 weight, its gradient, AdamW's two moments, and one temporary
STORE_BYTES = 85  # of a train rating: the store, its held-out share, and an epoch's permutation
# Of a train rating, with neighbours: two orders in time, the residuals, and what sorts them.
NEIGHBOUR_BYTES = 300
NEIGHBOUR_FLOATS = 30  # of a neighbour, apart from its film's vector
LEVELS_FLOATS = 600  # of a pair with an ordinal likelihood, which has at most 50 levels


class DataSizes(NamedTuple):
    """What the memory depends on, apart from the config."""

    n_ratings: int
    n_users: int
    n_films: int
    has_times: bool


class MemoryNeed(NamedTuple):
    """Bytes of a training.

    Attributes:
        fixed: with any batch size.
        per_pair: of each pair in a batch.
        smallest_batch: where an epoch has few steps, smaller batches are made so large.
        pairs_at_once: of a larger batch, only so many are held at a time.
    """

    fixed: float
    per_pair: float
    smallest_batch: float = 1
    pairs_at_once: float = math.inf

    def of_batch(self, batch_size: float) -> float:
        held = min(max(batch_size, self.smallest_batch), self.pairs_at_once)
        return self.fixed + held * self.per_pair

    def largest_batch(self, n_bytes: float) -> int | None:
        """The largest batch size that fits: below 1 if none does, None if all do."""
        if self.of_batch(math.inf) <= n_bytes:
            return None
        largest = math.floor((n_bytes - self.fixed) / self.per_pair)
        return largest if largest >= self.smallest_batch else 0


def memory_need(config: TrainingConfig, sizes: DataSizes) -> MemoryNeed | None:
    """What training a config takes; None if its architecture does not say."""
    memory = find_architecture(config.architecture).memory
    return memory(config, sizes) if memory else None


def descent_need(
    sizes: DataSizes, n_weights: float, pair_floats: float, evaluated_floats: float
) -> MemoryNeed:
    """The need of a model without anything else.

    Args:
        pair_floats: of a pair in a training step, the gradients included.
        evaluated_floats: of a pair that is evaluated, without gradient.
    """
    evaluation = EVAL_BATCH_SIZE["cuda"] * evaluated_floats * FLOAT_BYTES
    fixed = sizes.n_ratings * STORE_BYTES + n_weights * WEIGHT_BYTES + evaluation
    return MemoryNeed(fixed, pair_floats * FLOAT_BYTES)


def vae_extras(config: VaeConfig, sizes: DataSizes, width: int) -> MemoryNeed:
    """What neighbours in time and the likelihood add.

    Args:
        width: of a film's vector.
    """
    per_pair = LEVELS_FLOATS * FLOAT_BYTES if config.likelihood == "ordinal" else 0
    if config.neighbours == "off" or not sizes.has_times:
        return MemoryNeed(0, per_pair)
    sides = 1 if config.neighbours == "past" else 2
    window = CHUNK["cuda"] * sides * WINDOW * (width + NEIGHBOUR_FLOATS) * FLOAT_BYTES
    return MemoryNeed(sizes.n_ratings * NEIGHBOUR_BYTES + window, per_pair)
