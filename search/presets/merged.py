"""Batch sizes that make no difference, because a step is so costly that an epoch has few."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ..definition.study_file import StudySpec
from .fit import BATCH_SIZE, batched, proposed_batches

MAX_STEPS = "max_steps"


def describe_merged(spec: StudySpec, n_ratings: int) -> Iterator[str]:
    """A sentence for each architecture with batch sizes that all mean the same steps.

    Args:
        n_ratings: in the train split.
    """
    for architecture in batched(spec):
        most = getattr(spec.config({"architecture": architecture}), MAX_STEPS)
        if most is None or spec.space.always_sets(architecture, MAX_STEPS):
            continue
        least = math.ceil(n_ratings / most)
        sizes = sorted({size for size in proposed_batches(spec, architecture) if size < least})
        if sizes:
            yield (
                f"{architecture} takes at most {most} steps an epoch ({MAX_STEPS}), which is "
                f"{least:,} of {n_ratings:,} train ratings a step: a {BATCH_SIZE} of "
                f"{' or '.join(f'{size:,}' for size in sizes)} makes no difference"
            )
