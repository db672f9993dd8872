"""The dashboard in a separate process."""

from __future__ import annotations

import json
import re
import signal
import socket
import subprocess
from urllib.request import urlopen

import pytest

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
