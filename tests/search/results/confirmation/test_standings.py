"""Which trials count as confirmed, and how they rank."""

from __future__ import annotations

from pytest import approx, mark
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.search.results.confirmation.standings import (
    Confirmation,
    cut_overlap,
    diverged_with,
    rank,
)


def numbers(standings):
    return [standing.number for standing in standings]


def test_the_lowest_mean_leads_and_the_others_are_compared_to_it_in_pairs():
    """Trial 1 is 0.1 behind with each seed: certainly, although their intervals overlap."""
    leader, sure, unsure = rank(
        {
            1: {1000: 0.9, 1001: 1.1},
            2: {1000: 0.8, 1001: 1.0},
            3: {1000: 1.2, 1001: 0.9},
        },
        [1000, 1001],
    )
    assert numbers([leader, sure, unsure]) == [2, 1, 3]
    assert leader.mean == approx((0.9, 0.9 - 1.2706205, 0.9 + 1.2706205))
    assert (leader.behind, leader.tie) == (None, False)
    assert sure.behind == approx((0.1, 0.1, 0.1))
    assert not sure.tie
    # Differences 0.4 and -0.1: mean 0.15, half width 12.7062 * 0.25.
    assert unsure.behind == approx((0.15, 0.15 - 3.17655, 0.15 + 3.17655))
    assert unsure.tie


def test_equal_values_are_a_tie():
    values = {1000: 0.9, 1001: 1.1}
    first, second = rank({2: values, 1: values}, values)
    assert (first.number, second.number, second.tie) == (1, 2, True)


def test_a_trial_without_all_the_seeds_is_not_confirmed():
    results = {1: {1000: 0.9, 1001: 0.8}, 2: {1000: 0.1}}
    assert numbers(rank(results, [1000, 1001])) == [1]
    assert rank(results, []) == rank({}, [1000, 1001]) == []


def test_seeds_beyond_the_requested_ones_are_used_if_all_trials_have_them():
    """A narrower call after a wider one discards nothing."""
    wide = {seed: 0.9 + seed / 1e5 for seed in (1000, 1001, 1002)}
    narrow = {1000: 0.95, 1001: 0.96}
    assert list(rank({1: wide}, [1000, 1001])[0].values) == [1000, 1001, 1002]
    assert [list(s.values) for s in rank({1: wide, 2: narrow}, narrow)] == 2 * [[1000, 1001]]
    assert numbers(rank({1: wide, 2: narrow}, wide)) == [1]


def test_a_trial_that_diverged_with_any_seed_is_not_confirmed():
    results = {1: {1000: 0.9, 1001: 0.8, 1002: None}, 2: {1000: 0.9, 1001: 0.9}}
    assert numbers(rank(results, [1000, 1001])) == [2]
    assert (diverged_with(results, 1), diverged_with(results, 2)) == (1002, None)


def test_results_are_read_from_a_studys_attributes():
    attrs = {
        "recsys_search:confirm:7:1000": 0.5,
        "recsys_search:confirm:7:1001": 0.5,
        "recsys_search:confirm:3:1000": None,
        "recsys_search:confirmed": [1000, 1001],
        "recsys_search:spec": "{}",
    }
    values = {"mean": 0.5, "low": 0.5, "high": 0.5, "seeds": 2, "against": None}
    recut = Confirmation.of(attrs, SplitSpec())
    assert recut.results == {7: {1000: 0.5, 1001: 0.5}, 3: {1000: None}}
    assert recut.figures == {7: {**values, "splits": 2}}
    one_cut = Confirmation.of(attrs, SplitSpec(method="temporal"))
    assert one_cut.figures == {7: {**values, "splits": 1}}
    del attrs["recsys_search:confirmed"]  # a first call that was cut off
    assert Confirmation.of(attrs, SplitSpec()).figures == {}


@mark.parametrize(
    ("split", "share"),
    [
        (SplitSpec(), 0.125),  # 10% over 80%
        (SplitSpec(method="temporal"), 0.0),
    ],
)
def test_fresh_cuts_overlap_by_validation_over_train(split, share):
    assert cut_overlap(split) == approx(share)
