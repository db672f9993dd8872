"""This program's studies in a storage, which may also hold those of other programs.

A study of this program has the system attribute `SPEC` from the moment it is created.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from optuna import Study
from optuna.storages import RDBStorage
from optuna.storages._rdb.models import StudyDirectionModel, StudyModel, StudySystemAttributeModel
from optuna.study import StudyDirection
from sqlalchemy.exc import IntegrityError

from ...errors import StudyError
from .urls import redact

SPEC = "recsys_search:spec"  # the study file as JSON, after the command line's overrides
CHECKPOINTS = "recsys_search:checkpoints"  # in the names of the study's checkpoint folders
FINGERPRINT = "recsys_search:fingerprint"  # of the ratings that the study was created on
# Architecture -> what another seed may change, in stars, as `confirm` has measured it.
SEED_NOISE = "recsys_search:seed_noise"
STAR = "recsys_search:star"  # what a star is worth in the ratings' units: `Scale.star`
PRESET = "recsys_search:preset"  # what a preset has decided for the study; absent without one
DETACHED = "recsys_search:detached"  # whether no `start` runs it that would report its end
STOPPED = "recsys_search:stopped"  # when `stop` asked its workers to leave; absent or None if not


def note_prefix(trial_id: int | None) -> str:
    """How the names of the attributes begin in which optuna-dashboard stores a note.

    Args:
        trial_id: None for the study's note.
    """
    return "dashboard:note" if trial_id is None else f"dashboard:{trial_id}:note"


def read_stored_specs(storage: RDBStorage) -> dict[str, str]:
    """This program's studies in a storage: name -> spec, as `spec_from_json` takes it.

    They are not parsed here: one that another version wrote must not hide the others.
    """
    return {
        study.study_name: study.system_attrs[SPEC]
        for study in storage.get_all_studies()
        if SPEC in study.system_attrs
    }


def star_of(attrs: Mapping[str, Any]) -> float:
    """What a star is worth in the ratings' units; 1 for a study of an earlier version.

    Args:
        attrs: the study's system attributes.
    """
    star: float = attrs.get(STAR, 1.0)
    return star


def check_exists(name: str, specs: Mapping[str, str], url: str) -> None:
    """Refuse a name that no study of this program has.

    Args:
        specs: as `read_stored_specs` returns them.

    Raises:
        StudyError: with the names that there are.
    """
    if name not in specs:
        names = ", ".join(sorted(specs)) or "no studies yet"
        raise StudyError(f"no study named {name!r} in {redact(url)}; it holds: {names}")


def read_study_id(name: str, storage: RDBStorage) -> int:
    """The ID of a study that was there a moment ago.

    Raises:
        StudyError: another process has deleted it.
    """
    try:
        return storage.get_study_id_from_name(name)
    except KeyError:
        raise StudyError("the study has been deleted or renamed by another process") from None


def check_name_is_free(name: str, storage: RDBStorage, url: str) -> None:
    """Refuse a name that a study of another program has, even one without trials.

    Raises:
        StudyError: there is such a study.
    """
    if is_taken(name, storage) and name not in read_stored_specs(storage):
        raise StudyError(
            f"{redact(url)} holds a study named {name} that another program created; "
            "give the file another name, or choose another --storage"
        )


def create_study(
    name: str, direction: str, system_attrs: dict[str, Any], storage: RDBStorage
) -> None:
    """Create a study together with its attributes, unless there is one of that name.

    Optuna creates a study first and sets its attributes afterwards; a crash in between would leave
    one that looks like another program's. Here it is one transaction.
    """
    if is_taken(name, storage):
        return
    model = StudyModel(
        study_name=name,
        directions=[StudyDirectionModel(objective=0, direction=StudyDirection[direction.upper()])],
        system_attributes=[
            StudySystemAttributeModel(key=key, value_json=json.dumps(value))
            for key, value in system_attrs.items()
        ],
    )
    try:
        with storage.scoped_session() as session, session.begin():
            session.add(model)
    except IntegrityError:  # another process has created it meanwhile
        pass


def checkpoint_prefix(study: Study) -> str:
    """How the names of a study's checkpoint folders begin; the first trial's number follows.

    The study's own key tells it from a study with the same id in another storage, which may use the
    same folder, or that was deleted. Studies of older versions have none.
    """
    attrs = study._storage.get_study_system_attrs(study._study_id)
    key = attrs.get(CHECKPOINTS)
    return f"{study._study_id}-{key}-" if key else f"{study._study_id}-"


def is_taken(name: str, storage: RDBStorage) -> bool:
    """Whether any program's study has the name."""
    return any(study.study_name == name for study in storage.get_all_studies())
