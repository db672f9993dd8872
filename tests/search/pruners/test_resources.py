"""Limits of GPU memory and of a trial's cost."""

from __future__ import annotations

import pytest
from recsys_search.search.pruners.resources import GpuMemory, TrialBudget


def test_memory_above_the_limit_ends_the_trial(progress):
    stop = GpuMemory().judge(progress(gpu_memory_share=[0.5, 0.93]))
    assert stop.stop_reason == "gpu-memory"
    assert stop.reason == (
        "93% of the GPU's memory is in use (limit 90%), 500 MiB at most by this trial, "
        "at batch size 2048"
    )


def test_memory_in_the_last_epoch_ends_nothing(progress):
    assert GpuMemory().judge(progress(n=2, gpu_memory_share=0.95, config={"max_epochs": 2})) is None


@pytest.mark.parametrize("share", [0.9, None])
def test_memory_at_its_limit_or_without_a_gpu_ends_nothing(progress, share):
    assert GpuMemory().judge(progress(n=1, gpu_memory_share=share)) is None


def test_a_budget_of_epochs_ends_the_trial_when_it_is_spent(progress):
    assert TrialBudget(epochs=3).judge(progress(n=2)) is None
    stop = TrialBudget(epochs=3).judge(progress(n=3))
    assert stop[:2] == ("budget", "3 epochs, the most that a trial may run")


def test_a_budget_of_seconds_counts_training_and_evaluation(progress):
    assert TrialBudget(seconds=6.5).judge(progress(n=3, epoch_s=2.0, train_s=1.0)) is None
    stop = TrialBudget(seconds=6.5).judge(progress(n=4, epoch_s=2.0, train_s=1.0))
    assert stop[:2] == ("budget", "8 s in 4 epochs; a trial may take 6.5 s")


def test_no_budget_ends_nothing(progress):
    assert TrialBudget().judge(progress(n=3)) is None
