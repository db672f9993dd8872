"""What is done to each answer."""

from __future__ import annotations

import gzip

import pytest
from recsys_search.search.dashboard.pages import READ_ONLY_BANNER, secured


@pytest.fixture
def finish(ask, workplace):
    def call(path, body, kind, **headers):
        def app(environ, start_response):
            start_response("200 OK", [("Content-Type", kind), ("Access-Control-Allow-Origin", "*")])
            return [body]

        return ask(secured(app, READ_ONLY_BANNER), path, **headers)

    return call


def test_the_pages_say_that_they_are_read_only(finish):
    page = b'<body><div id="dashboard"></div></body>'
    shown = finish("/dashboard/", page, "text/html").body.decode()
    assert "Read-only. To edit notes, start it with --writable." in shown
    assert shown.endswith('<div id="dashboard"></div></body>')


def test_no_other_site_may_frame_or_read_an_answer(finish):
    headers = finish("/artifacts/1/1/a", b"<script>", "text/html").headers
    assert "Access-Control-Allow-Origin" not in headers
    assert headers["Cross-Origin-Resource-Policy"] == "same-origin"
    assert headers["X-Frame-Options"] == "SAMEORIGIN"
    assert headers["Referrer-Policy"] == "no-referrer"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Cache-Control"] == "no-store"
    policy = headers["Content-Security-Policy"]
    assert "sandbox" in policy
    assert "default-src 'none'" in policy
    # A page of ours that leads on, once it has the token, is not a sandbox's to stop.
    assert "sandbox" not in finish("/", b"", "text/html").headers["Content-Security-Policy"]


def test_a_large_answer_is_compressed_for_those_who_can_read_it(finish):
    body = b"[" + b"1," * 5000 + b"1]"
    small = finish("/api/studies/1", body, "application/json", Accept_Encoding="gzip, br")
    assert small.headers["Content-Encoding"] == "gzip"
    assert gzip.decompress(small.body) == body
    assert finish("/api/studies/1", body, "application/json").body == body
