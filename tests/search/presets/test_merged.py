"""A study says which of its batch sizes make no difference."""

from __future__ import annotations

from recsys_search.search.definition.study_file import load_study
from recsys_search.search.presets.merged import describe_merged


def test_batch_sizes_of_too_many_steps_are_named():
    breakthrough = load_study("breakthrough")
    [note] = describe_merged(breakthrough, 1_000_000)
    assert note == (
        "two_tower takes at most 32 steps an epoch (max_steps), which is 31,250 of 1,000,000 train "
        "ratings a step: a batch_size of 4,096 or 8,192 or 16,384 makes no difference"
    )


def test_batch_sizes_that_differ_need_no_word():
    assert list(describe_merged(load_study("breakthrough"), 100_000)) == []
