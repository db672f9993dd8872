"""Which trials are near enough to the best one to be complete when a rule ends them."""

from __future__ import annotations

from dataclasses import replace

import pytest
from optuna.trial import TrialState, create_trial
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.pruners.hopeless import Hopeless
from recsys_search.search.running.ended_trials import is_exhausted
from recsys_search.search.running.endings import is_contender


@pytest.mark.parametrize(("architecture", "noise"), [("two_tower", 0.002), ("hybrid", 0.006)])
def test_a_contender_is_within_seed_noise_of_the_incumbent(progress, architecture, noise):
    def contends(best):
        trial = progress(val_rmse=[0.9, best, 0.9], incumbent=0.8)
        return is_contender(replace(trial, config=build_config(architecture)))

    assert contends(0.8 + 0.9 * noise)
    assert not contends(0.8 + 1.1 * noise)


def test_a_study_that_has_measured_its_seed_noise_uses_it(progress):
    """The same trial in a study whose seeds agree, and in one whose seeds differ by more."""
    ended = [[0.86] * 8 + [0.85, 0.849]] * 60
    trial = progress(val_rmse=0.83, n=8, incumbent=0.8, ended=ended)
    assert not is_contender(trial)
    assert Hopeless().judge(trial)
    noisy = replace(trial, learned_noise=0.04)
    assert is_contender(noisy)
    assert Hopeless().judge(noisy) is None


def test_the_first_trial_is_a_contender(progress):
    assert is_contender(progress(val_rmse=[1.2]))
    assert not is_contender(progress(val_rmse=[float("nan")]))


@pytest.mark.parametrize(
    ("state", "stop_reason", "exhausted"),
    [
        (TrialState.COMPLETE, None, True),
        (TrialState.PRUNED, "plateau", True),
        (TrialState.PRUNED, "overfit-gap", True),
        (TrialState.PRUNED, "budget", False),
        (TrialState.PRUNED, "hopeless", False),
        (TrialState.PRUNED, "median", False),
        (TrialState.PRUNED, "diverged", False),
        (TrialState.PRUNED, "known-limit", False),
    ],
)
def test_others_learn_from_exhausted_trials(state, stop_reason, exhausted):
    value = 0.9 if state == TrialState.COMPLETE else None
    attrs = {"stop_reason": stop_reason} if stop_reason else {}
    assert is_exhausted(create_trial(state=state, value=value, user_attrs=attrs)) == exhausted


def test_a_contender_is_never_hopeless(progress):
    """A hybrid's seed noise is more than `near`: at its last epoch the trial would be complete."""
    ended = [[0.86] * 8 + [0.85, 0.849]] * 60
    trial = {"n": 8, "incumbent": 0.80, "ended": ended}
    assert Hopeless().judge(progress(val_rmse=0.8059, **trial)) is None
    assert Hopeless().judge(progress(val_rmse=0.86, **trial)) is not None
