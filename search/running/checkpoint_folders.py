"""The folders of a study's checkpoints: one for all attempts at a trial.

A checkpoint is needed until the end of its trial is stored, and afterwards for a trial that stopped
although its training was sound: it can go on later. Any process may tidy up at any time, also after
a crash at any point: what to keep follows from the folders and the stored trials alone.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple

from optuna import Study
from optuna.trial import FrozenTrial

from ...base.folders import Folder
from ...base.messages import format_error
from ...model.evaluation.metrics import Metric
from ...model.evaluation.weighted import find_metric
from ..definition.sizes import parse_size
from ..definition.study_file import StudySpec
from ..storage.studies import checkpoint_prefix
from ..storage.trials import first_attempt, is_counted, trial_record
from .endings import is_frozen


class CheckpointFolder(NamedTuple):
    """A folder with checkpoints.

    Attributes:
        trial: the last attempt; None if the storage has no such trial.
    """

    name: str
    n_bytes: int
    trial: FrozenTrial | None

    @property
    def is_frozen(self) -> bool:
        """Whether it is that of a trial that ended and could go on."""
        trial = self.trial
        return trial is not None and is_frozen(trial.state, trial.user_attrs.get("stop_reason"))

    @property
    def is_needed(self) -> bool:
        """Whether the trial is running, waiting, or to be run again."""
        trial = self.trial
        return trial is not None and not (trial.state.is_finished() and is_counted(trial))


def folder_name(trial: FrozenTrial, trials: Sequence[FrozenTrial], study: Study) -> str:
    """The folder that all attempts at a trial share. Args: trials: of the study, by number."""
    return f"{checkpoint_prefix(study)}{first_attempt(trial, trials).number}"


def tidy_checkpoints(
    study: Study, spec: StudySpec, checkpoints: Folder, notify: Callable[[str], None]
) -> None:
    """Remove the checkpoints that no trial needs any more, and those that were never completed.

    Those of frozen trials are kept while they fit within `keep_checkpoints`; beyond it, the trials
    with the worst values lose theirs first.

    Args:
        checkpoints: the folder of all studies' checkpoints.
        notify: called with a message if it cannot be read; the next call tries again.
    """
    try:
        folders = list_checkpoints(study, checkpoints)
        for folder in folders:
            checkpoints.child(folder.name).remove_abandoned()
    except OSError as error:
        notify(f"checkpoints cannot be tidied up: {format_error(error)}")
        return
    metric = find_metric(spec.objective.metric)
    frozen = [folder for folder in folders if folder.is_frozen]
    gone = [folder for folder in folders if not (folder.is_needed or folder.is_frozen)]
    gone += beyond_limit(frozen, parse_size(spec.keep_checkpoints), metric)
    for folder in gone:
        checkpoints.child(folder.name).delete()


def list_checkpoints(study: Study, checkpoints: Folder) -> list[CheckpointFolder]:
    """The study's checkpoint folders, each with the last attempt at its trial.

    Raises:
        OSError: the folder cannot be read.
    """
    prefix = checkpoint_prefix(study)
    # The folders first: each one's trial is then among those that are read afterwards.
    sizes = {
        int(number): n_bytes
        for name, n_bytes in checkpoints.sizes().items()
        if name.startswith(prefix) and (number := name.removeprefix(prefix)).isdecimal()
    }
    trials = study.get_trials(deepcopy=False) if sizes else []
    last = {first_attempt(trial, trials).number: trial for trial in trials}
    return [
        CheckpointFolder(f"{prefix}{number}", n_bytes, last.get(number))
        for number, n_bytes in sorted(sizes.items())
    ]


def beyond_limit(
    folders: Sequence[CheckpointFolder], limit_bytes: int, metric: Metric
) -> list[CheckpointFolder]:
    """The folders to remove so that the others fit: those of the trials with the worst values."""

    def rank(folder: CheckpointFolder) -> tuple[float, int]:
        assert folder.trial is not None
        value = trial_record(folder.trial, metric)["value"]
        cost = math.inf if value is None or math.isnan(value) else metric.cost(value)
        return cost, folder.trial.number

    total = sum(folder.n_bytes for folder in folders)
    removed = []
    for folder in sorted(folders, key=rank, reverse=True):
        if limit_bytes and total <= limit_bytes:
            break
        removed.append(folder)
        total -= folder.n_bytes
    return removed


def count_kept(study: Study, spec: StudySpec, checkpoints: Folder) -> dict[str, int] | None:
    """How many frozen trials have a checkpoint, as `status --json` prints it.

    None if the folder cannot be read.
    """
    try:
        kept = [folder for folder in list_checkpoints(study, checkpoints) if folder.is_frozen]
    except OSError:
        return None
    return {
        "trials": len(kept),
        "bytes": sum(folder.n_bytes for folder in kept),
        "limit_bytes": parse_size(spec.keep_checkpoints),
    }
