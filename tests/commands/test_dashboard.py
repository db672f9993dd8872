"""The dashboard in a separate process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from contextlib import closing
from http.client import HTTPConnection
from urllib.parse import urlsplit
from urllib.request import urlopen

import optuna
import pytest
from optuna_dashboard import wsgi
from recsys_search.search.results.dashboard import READ_ONLY

SLOW_DASHBOARD = """
import time
from recsys_search.cli import main
from recsys_search.search.results import dashboard

def app(environ, start_response):
    print("asked", flush=True)
    time.sleep(2)
    start_response("200 OK", [])
    return [b""]

dashboard.wsgi = lambda *args, **kwargs: app
main(["dashboard", "--port", "0"])
"""


@pytest.fixture
def dashboard(job, start_python):
    """(process, address) of a dashboard on the finished study."""
    code = "from recsys_search.cli import main; main()"
    process = start_python(code, "dashboard", "--port", 0, cwd=job[0], stderr=subprocess.PIPE)
    line = process.stderr.readline()
    return process, re.fullmatch(r"dashboard at (http://127\.0\.0\.1:\d+)/dashboard/\n", line)[1]


def test_the_dashboard_shows_the_study_until_ctrl_c(dashboard):
    process, address = dashboard
    with urlopen(f"{address}/dashboard/", timeout=60) as page:
        assert page.status == 200
        assert b"<html" in page.read()
    with urlopen(f"{address}/api/studies", timeout=60) as answer:
        (study,) = json.load(answer)["study_summaries"]
    assert study["study_name"] == "small"
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in stderr


def send(address, method, path, body=None, **headers):
    """(status, JSON) of a request, with the headers that a browser sends."""
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    with closing(connection):
        connection.request(method, path, body, {"Accept-Encoding": "gzip", **headers})
        answer = connection.getresponse()
        text = answer.read()
    is_json = answer.headers["Content-Type"] == "application/json"
    return answer.status, json.loads(text) if is_json else text


def files_below(folder):
    """The contents of the storage; SQLite's -shm file is shared memory that readers use."""
    return {
        path: path.read_bytes()
        for path in [folder / "studies.db", *(folder / "studies.artifacts").rglob("*")]
        if path.is_file()
    }


def writing_requests(artifact):
    """(method, path) of every route of optuna-dashboard that is not for reading."""
    examples = {"study_id": "1", "trial_id": "1", "artifact_id": artifact, "history_id": "h"}
    return [
        (route.method, re.sub(r"<(\w+)[^>]*>", lambda match: examples[match[1]], route.rule))
        for route in wsgi(optuna.storages.InMemoryStorage()).routes
        if route.method not in ("GET", "HEAD", "OPTIONS")
    ]


def test_every_request_that_would_write_is_refused_with_the_reason(dashboard, job):
    process, address = dashboard
    before = files_below(job[0])
    (artifact, *_) = [path.name for path in before if re.fullmatch("[0-9a-f-]{36}", path.name)]
    refused = []
    for method, path in writing_requests(artifact):
        answer = send(address, method, path, b"{}", **{"Content-Type": "application/json"})
        if path.startswith("/api/llm/"):  # questions to a language model, which change nothing
            assert answer == (400, {"reason": "No access to the LLM provider."})
        else:
            assert answer == (403, {"reason": READ_ONLY})
            refused.append(f"{method} {path} failed: {READ_ONLY}")
    assert len(refused) > 15
    assert f"PUT /api/studies/1/note failed: {READ_ONLY}" in refused
    assert files_below(job[0]) == before
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    # Its threads may say so in another order than they answer.
    assert sorted(stderr.splitlines()[: len(refused)]) == sorted(refused)
    assert "Traceback" not in stderr


def test_a_large_upload_is_read_before_it_is_refused(dashboard):
    _, address = dashboard
    answer = send(address, "POST", "/api/artifacts/1/1", bytes(20_000_000))
    assert answer == (403, {"reason": READ_ONLY})


def test_a_request_that_fails_is_reported_in_one_line(dashboard):
    process, address = dashboard
    # In a JSON route, which logs its traceback, and in another, which prints it.
    assert send(address, "GET", "/api/studies/99/plot/slice")[0] == 500
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    with closing(connection):
        connection.putrequest("GET", "/favicon.ico", skip_accept_encoding=True)
        connection.endheaders()
        assert connection.getresponse().status == 500
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    slice_, icon, *_ = stderr.splitlines()
    assert slice_.startswith("GET /api/studies/99/plot/slice failed: Exception: ")
    assert icon.startswith("GET /favicon.ico failed: KeyError: ")
    assert "Traceback" not in stderr


FAILING_DASHBOARD = """
from recsys_search.cli import main
from recsys_search.search.results import dashboard

def app(environ, start_response):
    if environ["PATH_INFO"] == "/late":
        start_response("200 OK", [])
        yield b"text"
    raise ValueError("no such thing\\nsecond line")

dashboard.wsgi = lambda *args, **kwargs: app
main(["dashboard", "--port", "0"])
"""


def test_an_error_outside_of_its_pages_is_one_line_too(job, start_python):
    process = start_python(FAILING_DASHBOARD, cwd=job[0], stderr=subprocess.PIPE)
    address = re.search(r"http://[^/]+", process.stderr.readline())[0]
    for path in ("/early", "/late"):
        assert send(address, "GET", path)[0] == (500 if path == "/early" else 200)
        assert process.stderr.readline() == f"GET {path} failed: ValueError: no such thing\n"


def test_ctrl_c_ends_the_dashboard_in_the_middle_of_a_response(job, start_python):
    process = start_python(SLOW_DASHBOARD, cwd=job[0], stderr=subprocess.PIPE)
    port = int(re.search(r":(\d+)/", process.stderr.readline())[1])
    with socket.create_connection(("127.0.0.1", port)) as browser:
        browser.sendall(b"GET / HTTP/1.0\r\n\r\n")
        assert process.stdout.readline() == "asked\n"
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate(timeout=60)
    assert process.returncode in (0, 130)
    assert "Traceback" not in stderr


def test_a_port_in_use_is_reported_in_one_line(done):
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        outcome = done("dashboard", "--port", port)
    assert outcome == (
        1,
        "",
        f"error: 127.0.0.1:{port} cannot be served: Address already in use; "
        "choose another --port\n",
    )
