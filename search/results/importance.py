"""Which axes of a study mattered, as `importance --json` prints it."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import numpy as np

from ...errors import NothingYet
from ..prospects.importance import axis_shares
from ..prospects.surrogate import fit_surrogate
from ..storage.examples import example, storage_and_artifacts
from .study_data import StudyData

MIN_TRIALS = 8  # of an architecture: fewer say nothing about ten axes


def axis_importance(storage_url: str, name: str | None = None) -> dict[str, Any]:
    """How much each axis mattered, for each architecture with enough trials.

    All trials count that trained for an epoch, pruned ones with the forecast of their end.

    Raises:
        NothingYet: no architecture has enough trials.
        StudyError, StorageError: as for `StudyReader`.
    """
    return importance_of(StudyData.read(storage_url, name, with_reports=False))


@lru_cache(maxsize=2)  # several figures ask for it
def importance_of(study: StudyData) -> dict[str, Any]:
    """The same of a study that has been read.

    Raises:
        NothingYet: no architecture has enough trials.
    """
    spec = study.spec
    trained = {name: len(study.outcomes_of(name)) for name in spec.architectures}
    enough = {each: n for each, n in trained.items() if n >= MIN_TRIALS}
    if not enough:
        more = max(spec.trials, len(study.outcomes) + MIN_TRIALS)
        places = storage_and_artifacts(study.url)
        start = example("start", "--study", spec.name, "--trials", more, *places)
        raise NothingYet(
            f"{spec.name} has too few trials to say which axes matter: it has "
            f"{max(trained.values())} of one architecture, and {MIN_TRIALS} are needed; continue "
            f"with: {start}"
        )
    surrogate, rng = fit_surrogate(spec.space, study.outcomes), np.random.default_rng(0)
    rows = {}
    for architecture in enough:
        overall = axis_shares(surrogate, architecture, rng)
        near_best = axis_shares(surrogate, architecture, rng, near_best=True)
        rows[architecture] = [
            {
                "axis": axis,
                "overall": share._asdict(),
                "near_best": near_best[axis]._asdict() if axis in near_best else None,
            }
            for axis, share in overall.items()
        ]
    return {
        "study": spec.name,
        "trials": trained,
        "architectures": rows,
        "edges": study.status["edges"],
    }
