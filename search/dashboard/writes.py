"""What may be changed from a browser: notes, with `--writable`, and nothing else.

optuna-dashboard itself gets a storage that cannot write. A note is stored here, in one transaction,
so that it cannot mix with one that a worker writes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from http import HTTPStatus
from typing import TYPE_CHECKING

from ...errors import StorageError, StudyError
from ..storage.database import writable_storage
from .responses import (
    READING_METHODS,
    Response,
    body_length,
    json_response,
    refuse,
)
from .stored_notes import Note, edit_note

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READ_ONLY = (
    "this dashboard is read-only, so nothing was changed; to edit notes, start it with: "
    "recsys-search dashboard --writable"
)
OTHERS = "the dashboard stores nothing but notes, and those only with --writable"
CHANGED = (
    "the note has changed since this page was loaded; copy your text, reload the page and edit it "
    "again"
)
MAX_NOTE = 100_000  # bytes of a request

_NOTE = re.compile(r"/api/studies/(\d+)(?:/(\d+))?/note/?")
# POST requests below this path send a question to a language model; they store nothing.
_QUESTIONS = "/api/llm/"
# What optuna-dashboard offers and this program does more carefully: (method, path) -> how.
_COMMANDS = {
    ("DELETE", r"/api/studies/\d+"): "to delete a study: recsys-search studies rm NAME",
    ("POST", r"/api/studies/\d+/rename"): "to rename it: recsys-search studies rename OLD NEW",
    ("POST", r"/api/studies"): "to create a study: recsys-search start --study FILE",
    ("POST", r"/api/trials/\d+/tell"): "to end running trials: recsys-search stop --study NAME",
}


def restricted(app: WSGIApplication, storage_url: str, *, writable: bool) -> WSGIApplication:
    """The app, with requests that would write refused with a reason.

    Args:
        writable: store notes.
    """

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        method, path = environ["REQUEST_METHOD"], environ["PATH_INFO"]
        if method in READING_METHODS or path.startswith(_QUESTIONS):
            return app(environ, start_response)
        note = _NOTE.fullmatch(path) if method == "PUT" else None
        if writable and note:
            trial_id = None if note[2] is None else int(note[2])
            response = _save(environ, storage_url, int(note[1]), trial_id)
        else:
            reason = READ_ONLY if note else _describe(method, path)
            response = refuse(environ, HTTPStatus.FORBIDDEN, reason)
        return response.send(start_response)

    return checked


def _describe(method: str, path: str) -> str:
    """Why a change other than that of a note is refused, and which command makes it."""
    for (of_method, pattern), command in _COMMANDS.items():
        if method == of_method and re.fullmatch(f"{pattern}/?", path):
            return f"{OTHERS}; {command}"
    return OTHERS


def _save(
    environ: WSGIEnvironment, storage_url: str, study_id: int, trial_id: int | None
) -> Response:
    """Store a note as the request has it."""
    if body_length(environ) > MAX_NOTE:
        reason = f"a note may have {MAX_NOTE:,} bytes; shorten it"
        return refuse(environ, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, reason)
    if (edited := _read_note(environ)) is None:
        reason = "a note is JSON with its version, a number, and its body, a text"
        return refuse(environ, HTTPStatus.BAD_REQUEST, reason)
    try:
        with writable_storage(storage_url) as storage:
            other = edit_note(storage, study_id, trial_id, edited)
    except (KeyError, StudyError):
        reason = "there is no such study or trial; it may have been removed"
        return refuse(environ, HTTPStatus.NOT_FOUND, reason)
    except StorageError as error:
        return refuse(environ, HTTPStatus.SERVICE_UNAVAILABLE, str(error))
    if other is not None:
        note = {"version": other.version, "body": other.body}
        return json_response(HTTPStatus.CONFLICT, {"reason": CHANGED, "note": note})
    return json_response(HTTPStatus.OK, {})


def _read_note(environ: WSGIEnvironment) -> Note | None:
    """The note in the request; None if it is not one."""
    try:
        document = json.loads(environ["wsgi.input"].read(body_length(environ)))
        version, body = document["version"], document["body"]
    except (ValueError, KeyError, TypeError):
        return None
    is_note = isinstance(version, int) and isinstance(body, str)
    return Note(version, body) if is_note else None
