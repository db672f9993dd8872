"""Splitting ratings into train, validation and test."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, fields, replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError
from recsys_search.base.messages import format_validation_error
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.ratings import Films, Ratings, Scale
from recsys_search.data.splits.methods import METHODS, SHARES
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import Split, open_test, split_fingerprint, split_ratings
from recsys_search.errors import ConfigError, DataError


@pytest.fixture(scope="module")
def ratings():
    return demo_ratings(1_000)


def pairs(part):
    return set(zip(part.user.tolist(), part.film.tolist(), strict=True))


def rated(*rows, folder=None):
    """Ratings of 3 stars each, from (user id, film id, timestamp)."""
    user_id, film_id, timestamp = np.array(sorted(rows), np.int64).T
    user_ids, user = np.unique(user_id, return_inverse=True)
    film_ids, film = np.unique(film_id, return_inverse=True)
    n_films = len(film_ids)
    return Ratings(
        name="tiny",
        user_ids=user_ids,
        films=Films(
            ids=film_ids,
            titles=None,
            year=np.zeros(n_films, np.int16),
            genres=np.zeros((n_films, 0), bool),
            genre_names=(),
        ),
        user=user,
        film=film,
        rating=np.full(len(user), 3, np.float32),
        timestamp=timestamp,
        scale=Scale(1, 5),
        folder=folder,
    )


def ids(part):
    """(user id, film id) of each rating, in order."""
    users, films = part.user_ids[part.user], part.films.ids[part.film]
    return list(zip(users.tolist(), films.tolist(), strict=True))


def parts(ratings, spec):
    """Train, validation and test."""
    split = split_ratings(ratings, spec)
    return split.train, split.validation, open_test(ratings, spec)


def test_every_rating_is_in_exactly_one_part(ratings):
    split, test = split_ratings(ratings, SplitSpec()), open_test(ratings, SplitSpec())
    assert [len(split.train), len(split.validation), len(test)] == [800, 100, 100]
    assert pairs(split.train) | pairs(split.validation) | pairs(test) == pairs(ratings)


def test_a_random_split_follows_the_seeds_permutation(ratings):
    shuffled = np.random.default_rng(7).permutation(1_000)
    split = split_ratings(ratings, SplitSpec(seed=7))
    expected = ratings.take(np.sort(shuffled[800:900]))
    assert split.validation.fingerprint == expected.fingerprint


def test_parts_stay_sorted_and_keep_the_whole_datasets_indices_and_scale(ratings):
    for part in (split_ratings(ratings, SplitSpec()).train, open_test(ratings, SplitSpec())):
        assert (np.diff(part.user * ratings.n_films + part.film) > 0).all()
        assert (part.n_users, part.n_films) == (ratings.n_users, ratings.n_films)
        assert part.scale == ratings.scale


def test_a_split_holds_nothing_of_the_test_part():
    names = {field.name for field in fields(Split)}
    parts, texts = {"train", "validation"}, {"spec", "fingerprint", "cut_notes"}
    assert names == parts | texts | {"n_users_kept_in_train"}


def test_a_fingerprint_is_reproducible_and_changes_with_ratings_and_spec(ratings):
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


def test_fingerprints_of_random_splits_match_earlier_versions():
    ratings = rated((1, 10, 0), (1, 20, 60), (2, 10, 86_400))
    assert split_fingerprint(ratings, SplitSpec()) == "e267a3ec86d21125"
    halves = SplitSpec(train=0.5, validation=0.5, test=0, seed=7)
    assert split_fingerprint(ratings, halves) == "48f57d5262bcdd8a"


def test_without_a_test_share_no_row_is_left_over(ratings):
    spec = SplitSpec(train=0.5, validation=0.5, test=0)
    split = split_ratings(ratings.take(np.arange(5)), spec)
    assert [len(split.train), len(split.validation)] == [2, 3]
    with pytest.raises(DataError, match=r"^the split 50/50/0 has no test part; choose one"):
        open_test(ratings, spec)


def test_an_empty_part_is_refused(ratings):
    few = ratings.take(np.arange(3))
    with pytest.raises(DataError) as caught:
        split_ratings(few, SplitSpec())
    assert str(caught.value) == (
        "3 ratings are too few for the split: its validation part of 10 % is empty; "
        "use more ratings or a larger share"
    )
    with pytest.raises(DataError, match=r"^1 ratings are too few .* validation"):
        open_test(ratings.take(np.arange(1)), SplitSpec())


NOON = 1_000_000


def test_a_temporal_split_holds_out_the_newest_ratings():
    ratings = rated(
        (1, 10, NOON + 4), (1, 20, NOON + 1), (2, 10, NOON + 3), (2, 20, NOON), (2, 30, NOON + 2)
    )
    train, validation, test = parts(ratings, SplitSpec.parse("temporal:60/20/20"))
    assert ids(train) == [(1, 20), (2, 20), (2, 30)]
    assert ids(validation) == [(2, 10)]
    assert ids(test) == [(1, 10)]


def test_among_ratings_of_the_same_second_the_last_user_and_film_are_the_newest():
    same = ((user, film, NOON) for user in (1, 2) for film in (10, 20))
    ratings = rated(*same, (3, 10, NOON - 1))
    train, validation, test = parts(ratings, SplitSpec.parse("temporal:60/20/20"))
    assert ids(train) == [(1, 10), (1, 20), (3, 10)]
    assert [ids(validation), ids(test)] == [[(2, 10)], [(2, 20)]]


def test_leave_last_k_holds_out_each_users_newest_ratings():
    ratings = rated(
        *((1, film, NOON - film) for film in (10, 20, 30, 40, 50)),  # film 10 is the newest
        *((2, film, NOON) for film in (10, 20, 30, 40, 50, 60)),
        *((3, film, NOON) for film in (10, 20, 30, 40)),
        (4, 10, NOON),
    )
    train, validation, test = parts(ratings, SplitSpec.parse("leave-last-2"))
    assert ids(test) == [(1, 10), (1, 20), (2, 50), (2, 60)]
    assert ids(validation) == [(1, 30), (1, 40), (2, 30), (2, 40)]
    too_few = [(3, 10), (3, 20), (3, 30), (3, 40), (4, 10)]
    assert ids(train) == [(1, 50), (2, 10), (2, 20), *too_few]


def test_leave_last_k_reports_how_many_users_have_no_held_out_ratings():
    ratings = rated((1, 10, 0), (1, 20, 1), (1, 30, 2), (2, 10, 0), (2, 20, 1), (3, 10, 0))
    split = split_ratings(ratings, SplitSpec.parse("leave-last-1"))
    assert split.n_users_kept_in_train == 2
    [note] = split.notes
    assert note == (
        f"2 of {ratings.n_users} users have too few ratings for a leave-last-1 split: all their "
        "ratings are in train, and none is evaluated"
    )
    assert split_ratings(ratings, SplitSpec(train=0.6, validation=0.2, test=0.2)).notes == ()
    without_user_3 = ratings.take(np.arange(5))
    spec = SplitSpec(method="leave-last-k")
    assert split_ratings(without_user_3, spec).n_users_kept_in_train == 1


def test_leave_last_k_is_refused_if_no_user_has_enough_ratings():
    with pytest.raises(DataError) as caught:
        split_ratings(rated((1, 10, 0), (1, 20, 1)), SplitSpec.parse("leave-last-3"))
    assert str(caught.value) == (
        "a leave-last-3 split needs users with at least 7 ratings, but no user in tiny has more "
        "than 2; choose a smaller k, or another split such as 80/10/10"
    )
    with pytest.raises(DataError, match=r"^a leave-last-9\S+ split needs users"):
        split_ratings(rated((1, 10, 0)), SplitSpec(method="leave-last-k", k=2**63 - 1))


@pytest.mark.parametrize(
    ("text", "split"), [("temporal:80/10/10", "temporal"), ("leave-last-2", "leave-last-2")]
)
def test_a_split_by_time_refuses_ratings_without_timestamps(ratings, text, split):
    for cut in (split_ratings, open_test):
        with pytest.raises(DataError) as caught:
            cut(replace(ratings, timestamp=None), SplitSpec.parse(text))
        assert str(caught.value) == (
            f"demo has no timestamps, which a {split} split needs; add a timestamp column, or "
            "choose a split that does not use time, such as 80/10/10"
        )


MANY = [(user, film, NOON + film) for user in range(1, 5) for film in range(10, 15)]


@pytest.fixture
def folds(tmp_path):
    """A folder with the files of fold u1, whose test part is user 4's ratings."""
    lines = [f"{user}\t{film}\t3\t{timestamp}\n" for user, film, timestamp in MANY]
    (tmp_path / "u1.base").write_text("".join(reversed(lines[:15])))
    (tmp_path / "u1.test").write_text("".join(lines[15:]))
    return tmp_path


def test_an_official_fold_is_read_from_its_files(folds):
    train, validation, test = parts(
        rated(*MANY, folder=folds), SplitSpec(method="u1", validation=0.2)
    )
    assert ids(test) == [(4, film) for film in range(10, 15)]
    assert len(validation) == 3
    assert sorted(ids(train) + ids(validation)) == [row[:2] for row in MANY[:15]]


def test_a_folds_validation_part_depends_on_the_seed_but_not_on_the_order_of_lines(folds):
    ratings = rated(*MANY, folder=folds)
    cuts = [ids(parts(ratings, SplitSpec.parse("u1", seed=seed))[1]) for seed in (1, 2, 3, 1)]
    assert cuts[0] == cuts[3]
    assert len({tuple(cut) for cut in cuts}) > 1
    base = folds / "u1.base"
    base.write_text("".join(sorted(base.read_text().splitlines(keepends=True))))
    assert ids(parts(ratings, SplitSpec.parse("u1", seed=1))[1]) == cuts[0]


def test_a_folds_fingerprint_changes_with_its_files(folds):
    ratings = rated(*MANY, folder=folds)
    before = split_fingerprint(ratings, SplitSpec.parse("u1"))
    assert split_fingerprint(ratings, SplitSpec.parse("u1")) == before
    base, test = folds / "u1.base", folds / "u1.test"
    *lines, last = base.read_text().splitlines(keepends=True)
    base.write_text("".join(lines))
    test.write_text(last + test.read_text())
    assert split_ratings(ratings, SplitSpec.parse("u1")).fingerprint != before


FOLD_REMEDY = "take the official folds from the folder of MovieLens 100K (ml-100k)"


def test_a_dataset_without_the_folds_files_is_refused(tmp_path):
    for ratings, place in (
        (rated(*MANY), "tiny"),
        (rated(*MANY, folder=tmp_path), f"{tmp_path}"),
    ):
        for function in (split_ratings, open_test, split_fingerprint):
            with pytest.raises(DataError) as caught:
                function(ratings, SplitSpec.parse("ua"))
            assert str(caught.value) == (
                f"{place} has no ua.base and ua.test; {FOLD_REMEDY}, or choose another split such "
                "as 80/10/10"
            )


FOLD_COMPLAINTS = {
    "1\t10\t3\t0\n": f"{{base}} and u1.test do not contain each of the 20 ratings of tiny exactly "
    f"once; {FOLD_REMEDY}",  # a rating in both files
    "4\t10\t3\t0\n": f"{{base}} and u1.test do not contain each of the 20 ratings of tiny exactly "
    f"once; {FOLD_REMEDY}",  # ratings in neither file
    "4\t10\t3\t0\n4\t99\t3\t0\n": f"{{test}} line 2: tiny has no rating of film 99 by user 4; "
    f"{FOLD_REMEDY}",
    "4\tten\t3\t0\n": "{test} line 1: movieId 'ten' is not a whole number; write an id such as 17",
    "": f"{{test}} is empty; {FOLD_REMEDY}",
}


@pytest.mark.parametrize(("text", "message"), FOLD_COMPLAINTS.items())
def test_a_fold_that_does_not_match_the_ratings_is_refused(folds, text, message):
    (folds / "u1.test").write_text(text)
    with pytest.raises(DataError) as caught:
        split_ratings(rated(*MANY, folder=folds), SplitSpec.parse("u1"))
    assert str(caught.value) == message.format(base=folds / "u1.base", test=folds / "u1.test")


rows = st.lists(
    st.tuples(st.integers(1, 4), st.integers(1, 12), st.integers(0, 6)),
    min_size=10,
    max_size=40,
    unique_by=lambda row: row[:2],
)
specs = st.one_of(
    st.builds(SplitSpec, seed=st.integers(0, 9)),
    st.just(SplitSpec.parse("temporal:60/20/20")),
    st.builds(SplitSpec, method=st.just("leave-last-k"), k=st.integers(1, 3)),
)


@given(rows, specs)
def test_every_method_puts_every_rating_in_exactly_one_part(rows, spec):
    ratings = rated(*rows)
    try:
        cut = parts(ratings, spec)
    except DataError as error:
        assert "no user in tiny has more than" in str(error)
        return
    assert sorted(row for part in cut for row in ids(part)) == ids(ratings)
    assert all(len(part) and ids(part) == sorted(ids(part)) for part in cut)
    again = parts(ratings, spec)
    assert [ids(part) for part in again] == [ids(part) for part in cut]


@given(rows)
def test_a_temporal_split_trains_on_no_rating_newer_than_a_held_out_one(rows):
    train, validation, test = parts(rated(*rows), SplitSpec.parse("temporal:60/20/20"))
    assert train.timestamp.max() <= validation.timestamp.min()
    assert validation.timestamp.max() <= test.timestamp.min()


@pytest.mark.parametrize("text", ["80/10/10", "0.8/0.1/0.1", " 80 / 10 / 10 "])
def test_percentages_and_fractions_are_parsed(text):
    assert SplitSpec.parse(text) == SplitSpec()


def test_parse_keeps_the_seed():
    assert SplitSpec.parse("90/10/0", seed=3) == SplitSpec(
        train=0.9, validation=0.1, test=0, seed=3
    )


PARSED = {
    "random:70/20/10": SplitSpec(train=0.7, validation=0.2, test=0.1),
    "temporal:70/20/10": SplitSpec(method="temporal", train=0.7, validation=0.2, test=0.1),
    "leave-last-2": SplitSpec(method="leave-last-k", k=2),
    "u1": SplitSpec(method="u1"),
    "ub": SplitSpec(method="ub", validation=0.1, seed=42),
}


@pytest.mark.parametrize(("text", "spec"), PARSED.items())
def test_each_method_is_parsed_and_printed(text, spec):
    assert SplitSpec.parse(text) == spec
    assert str(spec) == text.removeprefix("random:")


def test_parse_passes_the_seed_only_to_methods_that_shuffle():
    assert SplitSpec.parse("u5", seed=3).seed == 3
    assert SplitSpec.parse("temporal:80/10/10", seed=3).seed is None
    assert SplitSpec.parse("leave-last-1", seed=3).seed is None


@pytest.mark.parametrize("method", METHODS)
def test_a_spec_survives_a_round_trip(method):
    spec = SplitSpec(method=method)
    assert SplitSpec(**asdict(spec)) == spec
    assert SplitSpec(**spec.to_mapping()) == spec
    adapter = TypeAdapter(SplitSpec)
    assert adapter.validate_json(adapter.dump_json(spec)) == spec


@pytest.mark.parametrize("method", METHODS)
def test_every_form_of_a_method_is_parsed(method):
    spec = SplitSpec(method=method)
    percent = {name: 100 * (getattr(spec, name) or 0) for name in SHARES}
    for form in METHODS[method].forms:
        assert SplitSpec.parse(form.format(k=spec.k, **percent)) == spec


SHAPE = (
    "split must look like 80/10/10, temporal:80/10/10, leave-last-1, u1, u2, u3, u4, u5, ua or "
    "ub, got "
)
PARSE_COMPLAINTS = {
    "80/20": SHAPE + "'80/20'",
    "": SHAPE + "''",
    "a/b/c": SHAPE + "'a/b/c'",
    "80/10/20": "split must sum to 100 or to 1, got '80/10/20', which sums to 110",
    "nan/1/1": SHAPE + "'nan/1/1'",
    "leave-last-0": "split 'leave-last-0': k must be at least 1, got 0",
    "leave-last--1": SHAPE + "'leave-last--1'",
    "u6": SHAPE + "'u6'",
    "leave-last-2:80/10/10": SHAPE + "'leave-last-2:80/10/10'",
    "0/50/50": "split '0/50/50': train must be greater than 0, got 0.0",
    "110/10/-20": "split '110/10/-20': train must be at most 1, got 1.1",
}


@pytest.mark.parametrize(("text", "message"), PARSE_COMPLAINTS.items())
def test_an_invalid_split_text_is_refused(text, message):
    with pytest.raises(ConfigError) as caught:
        SplitSpec.parse(text)
    assert str(caught.value) == message


SPEC_COMPLAINTS = [
    ({"train": 0.9}, "train, validation and test must sum to 1, got 0.9 + 0.1 + 0.1 = 1.1"),
    ({"validation": 0}, "validation must be greater than 0, got 0"),
    (
        {"method": "time"},
        "method: no split named 'time'; choose from random, temporal, leave-last-k, "
        "u1, u2, u3, u4, u5, ua, ub",
    ),
    (
        {"method": "temporal", "seed": 42},
        "a temporal split takes no seed, got 42; leave it out (it takes train, validation, test)",
    ),
    (
        {"method": "leave-last-k", "train": 0.8},
        "a leave-last-k split takes no train, got 0.8; leave it out (it takes k)",
    ),
    (
        {"k": 2},
        "a random split takes no k, got 2; leave it out (it takes train, validation, test, seed)",
    ),
    (
        {"method": "u1", "test": 0.2},
        "a u1 split takes no test, got 0.2; leave it out (it takes validation, seed)",
    ),
    ({"method": "u1", "validation": 1}, "validation must be less than 1, got 1"),
    ({"seed": -1}, "seed must be at least 0, got -1"),
    ({"trian": 0.8}, "trian: unknown key; did you mean train?"),
]


@pytest.mark.parametrize(("values", "message"), SPEC_COMPLAINTS)
def test_an_invalid_spec_is_refused_on_construction(values, message):
    with pytest.raises(ValidationError) as caught:
        SplitSpec(**values)
    assert format_validation_error(caught.value) == message


def test_a_spec_is_frozen():
    with pytest.raises(FrozenInstanceError):
        SplitSpec().train = 0.5


# Recuts.


@given(
    seed=st.integers(0, 2**32),
    n=st.integers(20, 60),
    test=st.sampled_from([0, 0.1, 0.3]),
    timed=st.booleans(),
)
def test_a_recut_shuffles_train_and_validation_without_test_rows(seed, n, test, timed):
    ratings = demo_ratings(1_000).take(np.arange(0, 1_000, 1_000 // n)[:n])
    ratings = ratings if timed else replace(ratings, timestamp=None)
    spec = SplitSpec(train=0.9 - test, validation=0.1, test=test)
    split = split_ratings(ratings, spec)
    recut = split.recut(seed)
    assert [len(recut.train), len(recut.validation)] == [len(split.train), len(split.validation)]
    assert pairs(recut.train).isdisjoint(pairs(recut.validation))
    kept = split.train.union(split.validation)
    assert recut.train.union(recut.validation).fingerprint == kept.fingerprint
    if test:
        assert pairs(open_test(ratings, spec)).isdisjoint(pairs(recut.train) | pairs(kept))


def test_the_union_of_two_parts_is_the_whole_dataset(ratings):
    even, odd = ratings.take(np.arange(0, 1_000, 2)), ratings.take(np.arange(1, 1_000, 2))
    merged = odd.union(even)
    assert merged.fingerprint == ratings.fingerprint
    assert (merged.expected == ratings.expected).all()


def test_a_recut_stays_sorted_and_depends_on_its_seed(ratings):
    split = split_ratings(ratings, SplitSpec())
    cuts = [split, split.recut(42), split.recut(1000), split.recut(1001)]
    for part in (part for cut in cuts for part in (cut.train, cut.validation)):
        assert (np.diff(part.user * ratings.n_films + part.film) > 0).all()
    assert len({cut.fingerprint for cut in cuts}) == 4
    assert len({cut.validation.fingerprint for cut in cuts}) == 4
    again = split.recut(1000)
    assert again.fingerprint == cuts[2].fingerprint
    assert again.validation.fingerprint == cuts[2].validation.fingerprint


def test_a_recut_of_an_official_fold_excludes_its_test_file(folds):
    ratings = rated(*MANY, folder=folds)
    split = split_ratings(ratings, SplitSpec(method="u1", validation=0.4))
    recut, test = split.recut(1000), open_test(ratings, split.spec)
    assert set(ids(recut.train) + ids(recut.validation)).isdisjoint(ids(test))
    assert sorted(ids(recut.train) + ids(recut.validation)) == sorted(
        ids(split.train) + ids(split.validation)
    )
    assert ids(recut.validation) != ids(split.validation)


@pytest.mark.parametrize("text", ["temporal:80/10/10", "leave-last-1"])
def test_a_split_by_time_cannot_be_recut(ratings, text):
    split = split_ratings(ratings, SplitSpec.parse(text))
    assert not split.spec.is_random
    with pytest.raises(ValueError, match="is cut by time, so it cannot be recut"):
        split.recut(1000)
