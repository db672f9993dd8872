"""Who may use the dashboard."""

from __future__ import annotations

import pytest
from recsys_search.search.dashboard.access import Access, guarded

TOKEN = "secret-token"


def app(environ, start_response):
    start_response("200 OK", [])
    return [b"shown"]


@pytest.fixture
def local():
    return guarded(app, Access.of("127.0.0.1", ("127.0.0.1", 8080), ()))


@pytest.fixture
def wide():
    return guarded(app, Access.of("0.0.0.0", ("0.0.0.0", 8080), ("lab.example",), TOKEN))


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:8080", "LocalHost.", "127.0.0.1:9999", "[::1]:8080"]
)
def test_it_answers_for_the_names_of_this_machine(ask, local, host):
    assert ask(local, "/", Host=host).status == 200


@pytest.mark.parametrize(
    "host",
    ["evil.example", "127.0.0.1.evil.example", "localhost@evil.example", "", "192.168.0.7", "[:"],
)
def test_it_does_not_answer_for_a_name_that_a_stranger_points_here(ask, local, host):
    answer = ask(local, "/api/studies", Host=host)
    assert answer.status == 421
    assert "--allow-host" in answer.json["reason"]


def test_a_host_name_may_be_allowed(ask, wide):
    bearer = {"Authorization": f"Bearer {TOKEN}"}
    assert ask(wide, "/", Host="lab.example", **bearer).status == 200
    assert ask(wide, "/", Host="192.168.0.7:8080", **bearer).status == 200
    assert ask(wide, "/", Host="evil.example", **bearer).status == 421


@pytest.mark.parametrize(
    "headers",
    [
        {"Origin": "http://evil.example"},
        {"Origin": "null"},
        {"Origin": "http://localhost:9999"},
        {"Referer": "http://evil.example/page"},
        {"Sec_Fetch_Site": "cross-site"},
        {"Sec_Fetch_Site": "same-site", "Origin": "http://localhost:8080"},
    ],
)
def test_a_write_from_another_site_is_refused(ask, local, headers):
    answer = ask(local, "/api/studies/1/note", "PUT", {}, **headers)
    assert answer.status == 403
    assert "is not a page of this dashboard" in answer.json["reason"]


@pytest.mark.parametrize(
    "headers",
    [{}, {"Origin": "http://localhost:8080", "Sec_Fetch_Site": "same-origin"}],
    ids=["a program", "its own page"],
)
def test_a_write_from_here_reaches_the_app(ask, local, headers):
    assert ask(local, "/api/studies/1/note", "PUT", {}, **headers).body == b"shown"


def test_without_the_token_nothing_is_shown(ask, wide):
    for headers in (
        {},
        {"Authorization": "Bearer other"},
        {"Cookie": "recsys_search_8080="},
        {"Cookie": f"recsys_search_9999={TOKEN}"},
    ):
        assert ask(wide, "/api/studies", **headers).status == 401
    assert ask(wide, "/dashboard/?token=other").status == 401


def test_a_person_gets_a_page_that_says_where_the_token_is(ask, wide):
    answer = ask(wide, "/dashboard/", Accept="text/html,*/*")
    assert answer.status == 401
    assert b"<p>this dashboard needs its token" in answer.body


def test_the_address_with_the_token_sets_a_cookie_and_leads_to_the_page_without_it(ask, wide):
    answer = ask(wide, f"/dashboard/studies/1?a=1&token={TOKEN}")
    assert answer.headers["Set-Cookie"] == (
        f"recsys_search_8080={TOKEN}; Path=/; HttpOnly; SameSite=Strict"
    )
    assert b"url=/dashboard/studies/1?a=1" in answer.body
    cookie = f"other={{1}}; recsys_search_8080={TOKEN}"
    assert ask(wide, "/dashboard/studies/1", Cookie=cookie).body == b"shown"


def test_the_address_with_the_token_leads_to_no_other_site(ask, wide):
    answer = ask(wide, f"//evil.example/?token={TOKEN}")
    assert b"url=/evil.example/" in answer.body


def test_a_token_of_the_user_is_needed_on_loopback_too(ask):
    shared = guarded(app, Access.of("127.0.0.1", ("127.0.0.1", 8080), (), TOKEN))
    assert ask(shared, "/").status == 401
    assert ask(shared, "/", Authorization=f"Bearer {TOKEN}").status == 200


def test_a_random_token_is_another_each_time():
    tokens = {Access.of("::", ("::", 8080), ()).token for _ in range(3)}
    assert len(tokens) == 3
    assert min(map(len, tokens)) >= 40
