"""Adds notes to a study's page where the storage has none: to ended trials, and to the study.

optuna-dashboard keeps the notes of trials among the attributes of their study, and searches all of
these for each trial. With 5,000 notes there its page takes ten times as long, and `status` too; so
the storage holds few (see `enrichment.py`), and the others are written when the page is asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from time import time
from typing import TYPE_CHECKING, Any

from optuna.storages import RDBStorage
from optuna.trial import FrozenTrial

from ...errors import ConfigError, NothingYet, StudyError
from ...model.evaluation.weighted import find_metric
from ..definition.study_file import spec_from_json
from ..results.reader import StudyReader
from ..storage.studies import SPEC
from ..storage.trials import CONFIG, trial_record
from .responses import Response, call
from .study_text import study_text
from .trial_text import trial_text

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

_STUDY = re.compile(r"/api/studies/(\d+)/?")
_NOT_ENDED = ("Running", "Waiting")
_MANY = 20  # from this many trials on, reading the whole study is faster than one by one


def with_notes(app: WSGIApplication, storage: RDBStorage, url: str) -> WSGIApplication:
    """The app, whose answer about a study has a note for it and for each ended trial.

    Args:
        url: of the storage.
    """
    notes = TrialNotes(storage)

    def add_notes(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = _STUDY.fullmatch(environ["PATH_INFO"])
        if not asked or environ["REQUEST_METHOD"] != "GET":
            return app(environ, start_response)
        response = call(app, environ)
        if response.status.startswith("200"):
            _add_notes(response, notes, int(asked[1]), url)
        return response.send(start_response)

    return add_notes


def _add_notes(response: Response, notes: TrialNotes, study_id: int, url: str) -> None:
    page = json.loads(response.body)
    is_noted = page["note"]["version"] > 0
    if not is_noted:  # a study of an earlier version
        page["note"]["body"] = _study_note(page["name"], url)
    ended = [
        trial
        for trial in page["trials"]
        if trial["state"] not in _NOT_ENDED and not trial["note"]["version"]
    ]
    if is_noted and not ended:
        return
    texts = notes.read(study_id, ended)
    for trial in ended:
        trial["note"]["body"] = texts.get(trial["trial_id"], "")
    response.body = json.dumps(page).encode()


def _study_note(name: str, url: str) -> str:
    """The note of a study of this program; empty for one of another program or version."""
    try:
        status = StudyReader(url, name).progress()
    except (ConfigError, StudyError, NothingYet):
        return ""
    return study_text(status, url, time())


class TrialNotes:
    """The notes of ended trials, each written once."""

    def __init__(self, storage: RDBStorage) -> None:
        self._storage = storage
        self._written: dict[int, tuple[Any, str]] = {}  # trial ID -> its version, and the text

    def read(self, study_id: int, trials: list[dict[str, Any]]) -> Mapping[int, str]:
        """Trial ID -> text, of trials of this program.

        Args:
            trials: as optuna-dashboard serialises them; all have ended.
        """
        versions = {trial["trial_id"]: _version(trial) for trial in trials}
        missing = [
            key
            for key, version in versions.items()
            if key not in self._written or self._written[key][0] != version
        ]
        for key, text in self._write(study_id, missing).items():
            self._written[key] = versions[key], text
        return {key: self._written[key][1] for key in versions if key in self._written}

    def _write(self, study_id: int, trial_ids: list[int]) -> dict[int, str]:
        if not trial_ids:
            return {}
        attrs = self._storage.get_study_system_attrs(study_id)
        try:
            spec = spec_from_json(attrs[SPEC])
        except (KeyError, ConfigError):  # of another program, or of another version
            return {}
        metric = find_metric(spec.objective.metric)
        bias = self._storage.get_study_user_attrs(study_id).get("bias_val_rmse")
        return {
            trial._trial_id: trial_text(
                trial_record(trial, metric), trial.system_attrs.get(CONFIG), metric, spec.name, bias
            )
            for trial in self._trials(study_id, trial_ids)
        }

    def _trials(self, study_id: int, trial_ids: list[int]) -> Iterable[FrozenTrial]:
        if len(trial_ids) < _MANY:
            return map(self._storage.get_trial, trial_ids)
        wanted = set(trial_ids)
        trials = self._storage.get_all_trials(study_id, deepcopy=False)
        return [trial for trial in trials if trial._trial_id in wanted]


def _version(trial: Mapping[str, Any]) -> tuple[str, int]:
    """What changes if an ended trial does: `trials rm` removes its attributes."""
    return trial["state"], len(trial["user_attrs"])
