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
from recsys_search.search.dashboard.writes import OTHERS, READ_ONLY

SLOW_DASHBOARD = """
import time
from recsys_search.cli import main
from recsys_search.search.dashboard import serve

def app(environ, start_response):
    print("asked", flush=True)
    time.sleep(2)
    start_response("200 OK", [])
    return [b""]

serve.wsgi = lambda *args, **kwargs: app
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
            status, document = answer
            reason = document["reason"]
            assert status == 403
            assert reason.startswith((READ_ONLY, OTHERS))
            refused.append(f"{method} {path} refused: {reason}")
    assert len(refused) > 15
    assert f"PUT /api/studies/1/note refused: {READ_ONLY}" in refused
    assert f"DELETE /api/studies/1 refused: {OTHERS}; to delete a study: " in "".join(refused)
    assert files_below(job[0]) == before
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    # Its threads may say so in another order than they answer.
    assert sorted(stderr.splitlines()[: len(refused)]) == sorted(refused)
    assert "Traceback" not in stderr


def test_a_large_upload_is_read_before_it_is_refused(dashboard):
    _, address = dashboard
    answer = send(address, "POST", "/api/artifacts/1/1", bytes(20_000_000))
    assert answer == (403, {"reason": OTHERS})


def test_a_request_that_fails_is_reported_in_one_line(dashboard):
    process, address = dashboard
    assert send(address, "GET", "/api/studies/99/plot/slice")[0] == 500
    process.send_signal(signal.SIGINT)
    _, stderr = process.communicate(timeout=60)
    assert stderr.startswith("GET /api/studies/99/plot/slice failed: Exception: ")
    assert "Traceback" not in stderr


def test_a_client_may_leave_out_what_browsers_send(dashboard):
    _, address = dashboard
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    with closing(connection):
        connection.putrequest("GET", "/favicon.ico", skip_accept_encoding=True)
        connection.endheaders()
        assert connection.getresponse().status == 200


FAILING_DASHBOARD = """
from recsys_search.cli import main
from recsys_search.search.dashboard import serve

def app(environ, start_response):
    raise ValueError("no such thing\\nsecond line")

serve.wsgi = lambda *args, **kwargs: app
main(["dashboard", "--port", "0"])
"""


def test_an_error_outside_of_its_pages_is_one_line_without_the_query(job, start_python):
    process = start_python(FAILING_DASHBOARD, cwd=job[0], stderr=subprocess.PIPE)
    address = re.search(r"http://[^/]+", process.stderr.readline())[0]
    assert send(address, "GET", "/page?token=secret")[0] == 500
    assert process.stderr.readline() == "GET /page failed: ValueError: no such thing\n"


def test_ctrl_c_ends_the_dashboard_in_the_middle_of_a_response(job, start_python):
    process = start_python(SLOW_DASHBOARD, cwd=job[0], stderr=subprocess.PIPE)
    port = int(re.search(r":(\d+)/", process.stderr.readline())[1])
    with socket.create_connection(("127.0.0.1", port)) as browser:
        browser.sendall(b"GET / HTTP/1.0\r\nHost: localhost\r\n\r\n")
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


def test_an_address_that_is_not_of_this_machine_is_reported_in_one_line(done):
    code, _, err = done("dashboard", "--host", "192.0.2.1", "--port", 0)
    assert code == 1
    assert err.startswith("error: 192.0.2.1:0 cannot be served: ")
    assert err.endswith("; choose another --host\n")


@pytest.mark.skipif(not socket.has_ipv6, reason="this Python has no IPv6")
def test_it_listens_on_an_ipv6_address(job, start_python):
    try:
        socket.create_server(("::1", 0), family=socket.AF_INET6).close()
    except OSError:
        pytest.skip("this machine has no IPv6 loopback address")
    code = "from recsys_search.cli import main; main()"
    arguments = ("dashboard", "--host", "::1", "--port", 0)
    process = start_python(code, *arguments, cwd=job[0], stderr=subprocess.PIPE)
    line = process.stderr.readline()
    assert re.fullmatch(r"dashboard at http://\[::1\]:\d+/dashboard/\n", line)
    address = line.removeprefix("dashboard at ").removesuffix("/dashboard/\n")
    assert send(address, "GET", "/api/studies")[0] == 200


def test_beyond_this_machine_it_needs_a_token_which_it_prints(job, start_python):
    code = "from recsys_search.cli import main; main()"
    arguments = ("dashboard", "--host", "0.0.0.0", "--port", 0)
    process = start_python(code, *arguments, cwd=job[0], stderr=subprocess.PIPE)
    lines = [process.stderr.readline() for _ in range(3)]
    assert lines[2] == (
        "It listens beyond this machine: anyone with the address can read the studies.\n"
    )
    address, token = re.fullmatch(
        r"or at (http://127\.0\.0\.1:\d+)/dashboard/\?token=(\S{40,})\n", lines[1]
    ).groups()
    status, refusal = send(address, "GET", "/api/studies")
    assert (status, "?token=" in refusal["reason"]) == (401, True)
    connection = HTTPConnection(urlsplit(address).netloc, timeout=60)
    with closing(connection):
        connection.request("GET", f"/dashboard/?token={token}")
        answer = connection.getresponse()
        page, cookie = answer.read().decode(), answer.headers["Set-Cookie"]
    assert token not in page
    assert 'content="0;url=/dashboard/"' in page
    assert cookie.endswith("; Path=/; HttpOnly; SameSite=Strict")
    assert send(address, "GET", "/api/studies", Cookie=cookie.partition(";")[0])[0] == 200
    assert send(address, "GET", "/api/studies", Authorization=f"Bearer {token}")[0] == 200


def test_it_opens_its_page_in_a_browser_if_asked(job, start_python):
    code = """
import webbrowser
webbrowser.open = lambda address: print(address, flush=True) or True
from recsys_search.cli import main
main()
"""
    process = start_python(
        code, "dashboard", "--open", "--port", 0, cwd=job[0], stderr=subprocess.PIPE
    )
    assert process.stderr.readline() == f"dashboard at {process.stdout.readline()}"
