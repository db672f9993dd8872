"""URLs of notifications: variables, and secrets that are neither stored nor shown."""

from __future__ import annotations

import sys

import pytest
from recsys_search.errors import ConfigError, OptionError
from recsys_search.search.notifications.endpoints import open_entry, open_options, read_endpoints

SECRET = "abcdefghijklmnop"


@pytest.fixture(autouse=True)
def variables(monkeypatch):
    monkeypatch.setenv("DISCORD_URL", f"discord://123456789/{SECRET}")
    monkeypatch.setenv("TOKEN", SECRET)
    monkeypatch.setenv("PASSWORD", SECRET)
    monkeypatch.setenv("NOBODY", "")
    monkeypatch.delenv("UNSET", raising=False)


def labels(*texts):
    return [endpoint.label for text in texts for endpoint in open_entry(1, text)]


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("$DISCORD_URL", "notify 1 (Discord, $DISCORD_URL)"),
        ("${DISCORD_URL}", "notify 1 (Discord, $DISCORD_URL)"),
        ("mailto://me:${PASSWORD}@mail.example.org", "notify 1 (E-Mail, $PASSWORD)"),
        ("json://user:$PASSWORD@localhost", "notify 1 (JSON, $PASSWORD)"),
        ("json://localhost:8080", "notify 1 (JSON)"),
        ("ntfy://my-topic", "notify 1 (ntfy)"),
        ("json://localhost?+X-Token=$TOKEN", "notify 1 (JSON, $TOKEN)"),
        ("${UNSET:-json://localhost}", "notify 1 (JSON, $UNSET)"),
    ],
)
def test_an_endpoint_is_named_by_its_service_and_its_variables(text, label):
    assert labels(text) == [label]


def test_an_entry_whose_variables_are_empty_sends_nothing():
    assert labels("$NOBODY", "${UNSET:-}") == []


@pytest.mark.parametrize(
    ("text", "what"),
    [
        (f"discord://123456789/{SECRET}", "webhook id"),
        ("discord://123456789/$TOKEN", "webhook id"),
        (f"mailto://me:{SECRET}@mail.example.org", "password"),
        (f"json://user:{SECRET}@$NAME", "password"),
        ("tgram://123456789:abcdefg_hijklmnop/12315544", "bot token"),
        (f"json://localhost?+X-Token={SECRET}", "header"),
        (f"${{UNSET:-json://user:{SECRET}@localhost}}", "password"),
        (f"https://discord.com/api/webhooks/123456789/{SECRET}", "webhook id"),
    ],
)
def test_a_secret_that_is_written_out_in_a_study_file_is_refused(text, what, monkeypatch):
    monkeypatch.setenv("NAME", "localhost")
    with pytest.raises(ConfigError, match=f"^notify 1: the {what} of ") as refused:
        open_entry(1, text)
    assert SECRET not in str(refused.value)


def test_a_secret_may_be_written_out_on_the_command_line():
    [endpoint] = open_options([f"discord://123456789/{SECRET}"])
    assert endpoint.label == "--notify 1 (Discord)"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("$UNSET", "variable UNSET is not set"),
        ("json://${no name}:x@localhost", r"has a \${ that starts no variable"),
        ("nonsense://$TOKEN", r"does not understand the URL \(\$TOKEN, which starts with nonsense"),
        ("$TOKEN", r"does not understand the URL \(\$TOKEN, which has no ://\)"),
        (SECRET, "this is not a URL"),
    ],
)
def test_errors_name_the_variable_and_show_no_value(text, message):
    with pytest.raises(ConfigError, match=f"^notify 1: .*{message}") as refused:
        open_entry(1, text)
    with pytest.raises(OptionError, match=f"^--notify: .*{message}"):
        open_options([text])
    assert SECRET not in str(refused.value)


@pytest.mark.parametrize(
    "entry", [5, [{"discord": SECRET}], [f"discord://1/{SECRET}\nx"], [SECRET], [""]]
)
def test_what_is_no_list_of_urls_is_refused_without_being_shown(entry):
    with pytest.raises(ValueError, match="must be a list of URLs") as refused:
        read_endpoints(entry)
    assert SECRET not in str(refused.value)


def test_without_apprise_the_error_names_the_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "apprise", None)
    with pytest.raises(ConfigError, match=r"needs apprise: pip install 'recsys-search\[notify\]'"):
        open_entry(1, "json://localhost")
