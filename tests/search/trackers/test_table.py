"""The entries of a study file's `trackers`."""

from __future__ import annotations

import pytest
from pydantic import TypeAdapter, ValidationError
from recsys_search.base.messages import format_detail
from recsys_search.errors import ConfigError, OptionError
from recsys_search.search.trackers import tracker
from recsys_search.search.trackers.mlflow import Mlflow
from recsys_search.search.trackers.table import Trackers, named_tracker, read_tracker
from recsys_search.search.trackers.tensorboard import TensorBoard
from recsys_search.search.trackers.wandb import Wandb

ENTRIES = TypeAdapter(Trackers)


def refusal(entry):
    with pytest.raises(ValidationError) as refused:
        ENTRIES.validate_python(entry)
    return format_detail(refused.value.errors()[0])


def test_names_and_tables():
    uri = "http://localhost:5000"
    entries = ["tensorboard", {"mlflow": {"uri": uri}}, {"wandb": None}]
    trackers = ENTRIES.validate_python(entries)
    assert trackers == (TensorBoard(), Mlflow(uri=uri), Wandb())
    assert ENTRIES.validate_python("wandb") == (Wandb(),)
    assert ENTRIES.validate_json(ENTRIES.dump_json(trackers)) == trackers


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (["wandbb"], "did you mean wandb?"),
        ([{"wandb": {"mode": "off"}}], "mode must be 'online' or 'offline', got 'off'"),
        ([{"wandb": {"modus": "offline"}}], "unknown key; did you mean mode?"),
        (["wandb", "wandb"], "wandb is listed twice; keep one of the two"),
        ([5], "a tracker must be a table"),
        ([{}], "must name one of tensorboard, mlflow, wandb"),
    ],
)
def test_errors(entry, message):
    assert message in refusal(entry)


def test_a_password_is_not_stored_and_not_shown():
    message = refusal([{"mlflow": {"uri": "https://me:hush@mlflow.example.org"}}])
    assert "MLFLOW_TRACKING_PASSWORD" in message
    assert "hush" not in message


def test_a_tracker_of_the_command_line():
    assert named_tracker("mlflow") == Mlflow()
    with pytest.raises(OptionError, match="no tracker named 'mlfow'; did you mean mlflow"):
        named_tracker("mlfow")


@pytest.mark.parametrize(
    ("name", "package"), [("tensorboard",) * 2, ("mlflow",) * 2, ("wandb",) * 2]
)
def test_a_missing_package_is_an_error_that_names_the_extra(name, package, monkeypatch):
    monkeypatch.setattr(tracker, "find_spec", lambda wanted: None)
    with pytest.raises(ConfigError) as refused:
        read_tracker(name).check()
    assert str(refused.value) == (
        f"tracker {name} needs {package}: pip install 'recsys-search[{name}]'"
    )
