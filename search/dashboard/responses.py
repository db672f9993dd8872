"""Requests and responses of a WSGI app as values, for the layers in front of optuna-dashboard."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from http import HTTPStatus
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

READING_METHODS = ("GET", "HEAD", "OPTIONS")


@dataclass
class Response:
    """An answer in memory; the largest is a study of thousands of trials, tens of MB."""

    status: str
    headers: dict[str, str]
    body: bytes

    @property
    def content_type(self) -> str:
        return self.headers.get("Content-Type", "").partition(";")[0]

    def send(self, start_response: StartResponse) -> Iterable[bytes]:
        """Answer with it, as a WSGI app does."""
        self.headers["Content-Length"] = str(len(self.body))
        start_response(self.status, list(self.headers.items()))
        return [self.body]


def call(app: WSGIApplication, environ: WSGIEnvironment) -> Response:
    """What the app answers."""
    started: list[Any] = []

    def start_response(status: str, headers: list[tuple[str, str]], exc_info: Any = None) -> Any:
        started[:] = status, {name.title(): value for name, value in headers}
        return started.append  # the deprecated `write`, which nobody here uses

    chunks = app(environ, start_response)
    try:
        body = b"".join(chunks)
    finally:
        if hasattr(chunks, "close"):
            chunks.close()
    status, headers = started
    return Response(status, headers, body)


def json_response(status: HTTPStatus, document: Any) -> Response:
    body = json.dumps(document).encode()
    return Response(_line(status), {"Content-Type": "application/json"}, body)


def page_response(status: HTTPStatus, text: str, head: str = "") -> Response:
    """A page of one paragraph. Args: head: HTML for its head."""
    page = (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{status.phrase}'
        f"</title>{head}</head><body><p>{escape(text)}</p></body></html>"
    )
    return Response(_line(status), {"Content-Type": "text/html; charset=utf-8"}, page.encode())


def refuse(environ: WSGIEnvironment, status: HTTPStatus, reason: str) -> Response:
    """A refusal: JSON with its reason, in optuna-dashboard's form; for a browser, a page.

    The reason is also the line that the server reports.
    """
    discard_body(environ)
    environ["wsgi.errors"].write(f"{reason}\n")
    if "text/html" in environ.get("HTTP_ACCEPT", ""):
        return page_response(status, reason)
    return json_response(status, {"reason": reason})


def discard_body(environ: WSGIEnvironment) -> None:
    """Read the body to its end: a browser that cannot send it all does not read the answer."""
    left = body_length(environ)
    while left > 0 and (chunk := environ["wsgi.input"].read(min(left, 1 << 16))):
        left -= len(chunk)


def body_length(environ: WSGIEnvironment) -> int:
    """Bytes in the request's body, as it states."""
    length = environ.get("CONTENT_LENGTH", "")
    return int(length) if length.isdecimal() else 0


def _line(status: HTTPStatus) -> str:
    return f"{status.value} {status.phrase}"
