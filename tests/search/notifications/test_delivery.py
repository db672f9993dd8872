"""Messages to endpoints: one that is dead or hangs is reported once, and holds nothing up."""

from __future__ import annotations

import socket
from contextlib import closing

import pytest
from recsys_search.search.notifications import delivery
from recsys_search.search.notifications.delivery import Delivery, Message
from recsys_search.search.notifications.endpoints import open_options

SECRET = "abcdefghijklmnop"


@pytest.fixture
def send():
    """`send(urls, n)`: send n messages; returns the warnings."""

    def send(urls, n=1):
        warnings = []
        sender = Delivery(open_options(urls), warnings.append)
        for number in range(n):
            sender.send(Message(f"title {number}", "body", "warning"))
        sender.close()
        return warnings

    return send


def test_messages_arrive_in_order(inbox, send):
    assert send([inbox.url], 3) == []
    assert [message["title"] for message in inbox.messages] == ["title 0", "title 1", "title 2"]
    assert {(each["message"], each["type"]) for each in inbox.messages} == {("body", "warning")}


def test_a_dead_endpoint_is_reported_once_and_without_its_url(inbox, send, unused_port, caplog):
    dead = f"json://user:{SECRET}@localhost:{unused_port}"
    assert send([dead, inbox.url], 3) == [
        "--notify 1 (JSON): a notification was not delivered: the service cannot be reached, or "
        "refused the message; trials go on"
    ]
    assert len(inbox.messages) == 3
    assert SECRET not in caplog.text


def test_a_refused_message_is_reported(inbox, send):
    inbox.status = 500
    [warning] = send([inbox.url])
    assert "refused the message" in warning


def test_an_endpoint_that_hangs_is_given_up_at_the_end(send, monkeypatch):
    monkeypatch.setattr(delivery, "CLOSE_S", 0.2)
    with closing(socket.create_server(("localhost", 0))) as silent:
        [warning] = send([f"json://localhost:{silent.getsockname()[1]}"])
    assert warning == (
        "--notify 1 (JSON): a notification was not delivered: it does not answer in time; trials "
        "go on"
    )


def test_an_exception_in_apprise_is_reported_without_its_text(inbox, send, monkeypatch):
    def fail(*args, **options):
        raise OSError(f"json://user:{SECRET}@localhost")

    monkeypatch.setattr("apprise.Apprise.notify", fail)
    [warning] = send([inbox.url])
    assert "OSError in apprise" in warning
    assert SECRET not in warning
