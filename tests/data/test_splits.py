"""Cutting ratings into train, validation and test."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, fields

import numpy as np
import pytest
from pydantic import ValidationError
from recsys_search.data.demo import demo_ratings
from recsys_search.data.splits import Split, SplitSpec, open_test, split_ratings
from recsys_search.errors import ConfigError, DataError, one_line


@pytest.fixture(scope="module")
def ratings():
    return demo_ratings(1_000)


def pairs(part):
    return set(zip(part.user.tolist(), part.film.tolist(), strict=True))


def test_every_rating_is_in_exactly_one_part(ratings):
    split, test = split_ratings(ratings, SplitSpec()), open_test(ratings, SplitSpec())
    assert [len(split.train), len(split.validation), len(test)] == [800, 100, 100]
    assert pairs(split.train) | pairs(split.validation) | pairs(test) == pairs(ratings)


def test_the_cut_is_that_of_the_seeds_permutation(ratings):
    shuffled = np.random.default_rng(7).permutation(1_000)
    split = split_ratings(ratings, SplitSpec(seed=7))
    expected = ratings.take(np.sort(shuffled[800:900]))
    assert split.validation.fingerprint == expected.fingerprint


def test_parts_stay_sorted_and_keep_the_whole_datasets_indices_and_scale(ratings):
    for part in (split_ratings(ratings, SplitSpec()).train, open_test(ratings, SplitSpec())):
        assert (np.diff(part.user * ratings.n_films + part.film) > 0).all()
        assert (part.n_users, part.n_films) == (ratings.n_users, ratings.n_films)
        assert part.scale == ratings.scale


def test_a_split_has_no_word_of_the_test_part():
    names = {field.name for field in fields(Split)}
    assert names == {"train", "validation", "spec", "fingerprint"}


def test_a_fingerprint_is_repeatable_and_differs_with_ratings_and_spec(ratings):
    spec = SplitSpec()
    fingerprints = {
        split_ratings(ratings, spec).fingerprint,
        split_ratings(ratings, SplitSpec(seed=43)).fingerprint,
        split_ratings(ratings, SplitSpec.parse("70/20/10")).fingerprint,
        split_ratings(demo_ratings(1_000, seed=1), spec).fingerprint,
    }
    assert len(fingerprints) == 4
    assert {len(fingerprint) for fingerprint in fingerprints} == {16}
    assert split_ratings(ratings, SplitSpec.parse("80/10/10")).fingerprint in fingerprints


def test_without_a_test_share_no_row_is_left_over(ratings):
    spec = SplitSpec(train=0.5, validation=0.5, test=0)
    split = split_ratings(ratings.take(np.arange(5)), spec)
    assert [len(split.train), len(split.validation)] == [2, 3]
    with pytest.raises(DataError, match=r"^the split 50/50/0 has no test part; give it one"):
        open_test(ratings, spec)


def test_a_part_that_comes_out_empty_is_refused(ratings):
    few = ratings.take(np.arange(3))
    with pytest.raises(
        DataError, match=r"^3 ratings are too few for the split: validation's 10 % comes out empty"
    ):
        split_ratings(few, SplitSpec())
    with pytest.raises(DataError, match=r"^1 ratings are too few .* validation"):
        open_test(ratings.take(np.arange(1)), SplitSpec())


@pytest.mark.parametrize("text", ["80/10/10", "0.8/0.1/0.1", " 80 / 10 / 10 "])
def test_percentages_and_fractions_are_parsed(text):
    assert SplitSpec.parse(text) == SplitSpec()


def test_parse_keeps_the_seed():
    assert SplitSpec.parse("90/10/0", seed=3) == SplitSpec(
        train=0.9, validation=0.1, test=0, seed=3
    )


SHAPE = "split must be train/validation/test such as 80/10/10, got "
PARSE_COMPLAINTS = {
    "80/20": SHAPE + "'80/20'",
    "": SHAPE + "''",
    "a/b/c": SHAPE + "'a/b/c'",
    "80/10/20": "split must sum to 100 or to 1, got '80/10/20', which sums to 110",
    "nan/1/1": "split must sum to 100 or to 1, got 'nan/1/1', which sums to nan",
    "0/50/50": "split '0/50/50': train must be greater than 0, got 0.0",
    "110/10/-20": "split '110/10/-20': train must be at most 1, got 1.1",
}


@pytest.mark.parametrize(("text", "told"), PARSE_COMPLAINTS.items())
def test_a_split_that_does_not_hold_together_is_told(text, told):
    with pytest.raises(ConfigError) as caught:
        SplitSpec.parse(text)
    assert str(caught.value) == told


SPEC_COMPLAINTS = [
    ({"train": 0.9}, "train, validation and test must sum to 1, got 0.9 + 0.1 + 0.1 = 1.1"),
    ({"validation": 0}, "validation must be greater than 0, got 0"),
    ({"method": "time"}, "method must be 'random', got 'time'"),
    ({"seed": -1}, "seed must be at least 0, got -1"),
    ({"trian": 0.8}, "no field named 'trian'"),
]


@pytest.mark.parametrize(("values", "told"), SPEC_COMPLAINTS)
def test_a_bad_spec_is_told_when_it_is_built(values, told):
    with pytest.raises(ValidationError) as caught:
        SplitSpec(**values)
    assert one_line(caught.value) == told


def test_a_spec_is_frozen():
    with pytest.raises(FrozenInstanceError):
        SplitSpec().train = 0.5
