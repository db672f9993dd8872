"""`--notify` and `--tracker`, as a user gives them."""

from __future__ import annotations

import pytest


@pytest.mark.parametrize("command", ["start", "worker"])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--tracker", "wand"], "error: no tracker named 'wand'; did you mean wandb?"),
        (["--notify", "$UNSET_URL"], "error: --notify: variable UNSET_URL is not set"),
    ],
)
def test_outlets_that_cannot_work_are_wrong_usage(cli, command, options, message):
    study = ["--study", "small.yaml"] if command == "start" else []
    outcome = cli(command, *study, *options)
    assert outcome.code == 2
    assert outcome.err.startswith(message)
