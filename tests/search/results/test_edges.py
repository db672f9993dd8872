"""Axes at whose end the best trials are."""

from __future__ import annotations

import optuna
from optuna.distributions import CategoricalDistribution, FloatDistribution
from optuna.trial import TrialState
from pytest import mark
from recsys_search.search.definition.space import STORED, Space
from recsys_search.search.results.edges import edges


def space_of(**axes):
    return Space.model_validate(axes, context=STORED)


def trials(name, values, distribution):
    return [
        optuna.trial.create_trial(
            state=TrialState.COMPLETE,
            value=0.8 + number / 100,
            params={name: value},
            distributions={name: distribution},
        )
        for number, value in enumerate(values)
    ]


LOG = {"float": [1e-4, 1e-2], "log": True}


@mark.parametrize(
    ("values", "end"),
    [
        ([1e-4, 1.1e-4, 1.2e-4, 1e-4, 1.1e-4], "low"),
        ([1e-2, 9e-3, 9.5e-3, 1e-2, 9e-3], "high"),
        ([1e-4, 1e-4, 1e-4, 1e-4, 5e-4], None),  # one is inside
        ([1e-4, 1e-4, 1e-4, 1e-4, 1e-2], None),  # one is at the other end
        ([1e-4, 1e-4, 1e-4, 1e-4], None),  # too few
        ([1e-4, 1e-4, 1e-4, 1e-4, 1e-4, 1e-3], "low"),  # the sixth does not count
    ],
)
def test_all_of_the_five_best_must_be_at_one_end(values, end):
    ranked = trials("learning_rate", values, FloatDistribution(1e-4, 1e-2, log=True))
    found = edges(space_of(learning_rate=LOG), ranked)
    assert [(each["axis"], each["end"]) for each in found] == (
        [("learning_rate", end)] if end else []
    )


def test_an_end_at_zero_is_none():
    ranked = trials("free_bits", [0.0] * 5, FloatDistribution(0, 4))
    assert edges(space_of(free_bits={"float": [0, 4]}), ranked) == []
    ranked = trials("free_bits", [4.0] * 5, FloatDistribution(0, 4))
    assert [each["end"] for each in edges(space_of(free_bits={"float": [0, 4]}), ranked)] == [
        "high"
    ]


def test_a_choice_of_numbers_has_ends_and_one_of_words_has_none():
    ranked = trials("batch_size", [4096] * 5, CategoricalDistribution([8192, 4096, 16384]))
    found = edges(space_of(batch_size={"choice": [8192, 4096, 16384]}), ranked)
    assert found == [{"axis": "batch_size", "end": "low", "values": "one of 8192, 4096, 16384"}]
    for choices in (["off", "auto"], [False, True]):
        ranked = trials("x", [choices[0]] * 5, CategoricalDistribution(choices))
        assert edges(space_of(x={"choice": choices}), ranked) == []


def test_an_axis_that_not_all_of_the_best_have_is_left_out():
    axes = space_of(**{"two_tower.learning_rate": LOG})
    ranked = trials("mf.l2", [1.0] * 5, FloatDistribution(0.1, 1))
    assert edges(axes, ranked) == []
