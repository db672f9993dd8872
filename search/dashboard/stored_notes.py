"""Notes and figures as optuna-dashboard stores them: texts cut into system attributes of a study.

A note is a text with a version, which each change increments. optuna-dashboard writes the parts of
a text one at a time; here a text changes as a whole, in one transaction, so that processes which
write at the same time cannot mix theirs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from optuna.storages import RDBStorage

from ..storage.claims import StudyTransaction, study_transaction
from ..storage.studies import note_prefix

MAX_PART = 2045  # characters in an attribute: what optuna-dashboard takes


@dataclass(frozen=True)
class Note:
    """A note in Markdown. Version 0 is one that nobody has stored."""

    version: int
    body: str


def note_from_attrs(attrs: Mapping[str, Any], trial_id: int | None) -> Note:
    """A note among a study's system attributes.

    Args:
        trial_id: None for the study's note.
    """
    prefix = note_prefix(trial_id)
    return Note(int(attrs.get(f"{prefix}_ver", 0)), _join(attrs, f"{prefix}_str:"))


def read_note(transaction: StudyTransaction, trial_id: int | None) -> Note:
    """A note of the study."""
    return note_from_attrs(transaction.study_attrs(f"{note_prefix(trial_id)}_"), trial_id)


def write_note(transaction: StudyTransaction, trial_id: int | None, note: Note) -> None:
    """Store a note in place of the one that there is."""
    prefix = note_prefix(trial_id)
    transaction.set_study_attr(f"{prefix}_ver", note.version)
    _write(transaction, f"{prefix}_str:", note.body)


def remove_note(transaction: StudyTransaction, trial_id: int) -> None:
    """Remove a trial's note."""
    transaction.remove_study_attrs(f"{note_prefix(trial_id)}_")


def write_figure(transaction: StudyTransaction, name: str, figure: str) -> None:
    """Store a plotly figure in place of the one of the same name.

    Args:
        figure: as JSON.
    """
    _write(transaction, f"dashboard:plot_data:{name}:", figure)


def edit_note(
    storage: RDBStorage, study_id: int, trial_id: int | None, edited: Note
) -> Note | None:
    """Store a note that a person has edited, unless it has changed meanwhile.

    Returns:
        None, or the note as another has changed it.

    Raises:
        KeyError: there is no such trial.
        StudyError: there is no such study.
    """
    with study_transaction(storage, study_id) as transaction:
        if trial_id is not None and not transaction.has_trial(trial_id):
            raise KeyError(trial_id)
        stored = read_note(transaction, trial_id)
        if edited.version != stored.version + 1:
            return stored
        write_note(transaction, trial_id, edited)
    return None


def _write(transaction: StudyTransaction, prefix: str, text: str) -> None:
    parts = [text[start : start + MAX_PART] for start in range(0, len(text), MAX_PART)]
    stored = transaction.study_attrs(prefix)
    # optuna-dashboard joins as many parts as it finds, so those that are left over must go.
    if len(stored) > len(parts):
        transaction.remove_study_attrs(prefix)
        stored = {}
    for index, part in enumerate(parts):
        if stored.get(f"{prefix}{index}") != part:
            transaction.set_study_attr(f"{prefix}{index}", part)


def _join(attrs: Mapping[str, Any], prefix: str) -> str:
    n_parts = sum(name.startswith(prefix) for name in attrs)
    return "".join(attrs[f"{prefix}{index}"] for index in range(n_parts))
