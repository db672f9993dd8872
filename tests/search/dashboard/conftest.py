"""The dashboard's app, called in this process."""

from __future__ import annotations

import gzip
import io
import json
from typing import Any, NamedTuple

import pytest
from recsys_search.search.dashboard.serve import dashboard_app


class Answer(NamedTuple):
    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        is_gzip = self.headers.get("Content-Encoding") == "gzip"
        return json.loads(gzip.decompress(self.body) if is_gzip else self.body)


def request(app, path, method="GET", document=None, **headers):
    """The answer of a WSGI app. Args: headers: such as `Host`, with _ for -."""
    started = []
    body = b"" if document is None else json.dumps(document).encode()
    path, _, query = path.partition("?")
    environ = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "SCRIPT_NAME": "",
        "SERVER_NAME": "localhost",
        "SERVER_PORT": "8080",
        "wsgi.url_scheme": "http",
        "wsgi.input": io.BytesIO(body),
        "wsgi.errors": io.StringIO(),
        "CONTENT_LENGTH": str(len(body)),
        "CONTENT_TYPE": "application/json",
        "HTTP_HOST": "localhost:8080",
        **{f"HTTP_{name.upper()}": value for name, value in headers.items()},
    }
    chunks = app(environ, lambda *args: started.append(args))
    status, answered = started[-1][:2]
    return Answer(int(status.split()[0]), dict(answered), b"".join(chunks))


@pytest.fixture
def ask():
    return request


@pytest.fixture
def page(workplace):
    """Calls the dashboard of the workplace: `page(path, method, document, writable=True)`."""

    def call(path, method="GET", document=None, *, writable=False):
        app = dashboard_app(workplace.storage, writable=writable)
        return request(app, path, method, document)

    return call
