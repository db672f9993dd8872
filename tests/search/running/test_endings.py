"""The few words of each ending."""

from __future__ import annotations

import pytest
from optuna.trial import create_trial
from recsys_search.search.definition.limits import Limit
from recsys_search.search.running.endings import beyond_limits, failed, interrupted, same_config

KL = Limit("kl_weight", 0.02, 0.015, 0.33)
EARLIER = create_trial(value=0.9)
EARLIER.number = 12
SIZE = Limit("net_parameters", 3, 2, 0.5)


@pytest.mark.parametrize(
    ("ending", "words"),
    [
        (beyond_limits([KL]), "kl_weight too high"),
        (beyond_limits([KL, SIZE]), "2 limits exceeded"),
        (same_config(EARLIER), "same as trial 12"),
        (interrupted("out of time (2h)", "after epoch 3"), "stopped after epoch 3"),
        (failed(ValueError("no such thing")), "ValueError"),
    ],
)
def test_an_ending_has_at_most_four_words(ending, words):
    assert ending.brief == words
    assert len(words.split()) <= 4
