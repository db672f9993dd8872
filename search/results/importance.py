"""Which axes of a study mattered, as `importance --json` prints it."""

from __future__ import annotations

from typing import Any

import numpy as np
import optuna

from ...errors import NothingYet
from ..prospects.importance import axis_shares
from ..prospects.outcomes import Outcome, outcomes
from ..prospects.surrogate import fit_surrogate
from ..storage.database import readable_storage
from ..storage.examples import example, storage_and_artifacts
from ..storage.studies import star_of
from ..storage.trials import read_trials
from .reader import StudyReader

MIN_TRIALS = 8  # of an architecture: fewer say nothing about ten axes


def axis_importance(storage_url: str, name: str | None = None) -> dict[str, Any]:
    """How much each axis mattered, for each architecture with enough trials.

    All trials count that trained for an epoch, pruned ones with the forecast of their end.

    Raises:
        NothingYet: no architecture has enough trials.
        StudyError, StorageError: as for `StudyReader`.
    """
    reader = StudyReader(storage_url, name)
    spec, storage = reader.spec, readable_storage(storage_url)
    study = optuna.load_study(study_name=spec.name, storage=storage)
    star = star_of(storage.get_study_system_attrs(study._study_id))
    known = outcomes(read_trials(study, storage), reader.metric, star)
    trained = {name: _count(name, spec.architectures, known) for name in spec.architectures}
    enough = {each: n for each, n in trained.items() if n >= MIN_TRIALS}
    if not enough:
        more = max(spec.trials, len(known) + MIN_TRIALS)
        places = storage_and_artifacts(storage_url)
        start = example("start", "--study", spec.name, "--trials", more, *places)
        raise NothingYet(
            f"{spec.name} has too few trials to say which axes matter: it has "
            f"{max(trained.values())} of one architecture, and {MIN_TRIALS} are needed; continue "
            f"with: {start}"
        )
    surrogate, rng = fit_surrogate(spec.space, known), np.random.default_rng(0)
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
        "edges": reader.progress()["edges"],
    }


def _count(architecture: str, architectures: tuple[str, ...], known: list[Outcome]) -> int:
    """How many of the outcomes are of the architecture."""
    only = architectures[0]
    return sum(each.params.get("architecture", only) == architecture for each in known)
