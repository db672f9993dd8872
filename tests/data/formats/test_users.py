"""Users' ages, genders, occupations and groups, in MovieLens' formats and in one's own files."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.errors import DataError

RATINGS = "userId,movieId,rating\n1,10,3.5\n1,20,4\n2,10,0.5\n3,10,2\n"
U_DATA = "3\t10\t2\t881250949\n1\t10\t3\t891717742\n2\t10\t1\t878887116\n"
RATINGS_DAT = "1::10::3::978300760\n2::10::1::978302109\n3::10::2::978301968\n"

# The first lines of MovieLens 100K's and 1M's files, and one of a user without ratings.
U_USER = (
    "1|24|M|technician|85711\n2|53|F|other|94043\n3|23|M|writer|32067\n74|39|M|scientist|T8H1N\n"
)
U_OCCUPATION = "administrator\nartist\ndoctor\nother\nscientist\ntechnician\nwriter\n"
USERS_DAT = "1::F::1::10::48067\n2::M::56::16::70072\n3::M::25::15::55117\n8::M::25::12::11413-2\n"

AGE = "write whole years from 1 to 120, or leave it empty if unknown"


def write(folder, **files):
    """Files named with _ for the dot, in MovieLens' older encoding."""
    for name, text in files.items():
        path = folder / (name if name == "u_occupation" else name.replace("_", "."))
        path.write_bytes(text.encode("latin-1"))
    return folder


def read_error(folder):
    with pytest.raises(DataError) as caught:
        read_ratings(folder)
    return str(caught.value)


def groups_of(users):
    """The names of each user's groups."""
    return [[users.group_names[i] for i in np.flatnonzero(row)] for row in users.groups]


def test_u_user_has_ages_genders_and_occupations(tmp_path):
    ratings = read_ratings(write(tmp_path, u_data=U_DATA, u_user=U_USER, u_occupation=U_OCCUPATION))
    assert ratings.users.age.tolist() == [24, 53, 23]
    assert groups_of(ratings.users) == [
        ["gender M", "occupation technician"],
        ["gender F", "occupation other"],
        ["gender M", "occupation writer"],
    ]
    assert ratings.notes == ()


def test_users_dat_has_genders_age_codes_and_occupation_codes(tmp_path):
    ratings = read_ratings(write(tmp_path, ratings_dat=RATINGS_DAT, users_dat=USERS_DAT))
    assert ratings.users.age.tolist() == [1, 56, 25]
    assert groups_of(ratings.users) == [
        ["gender F", "occupation 10"],
        ["gender M", "occupation 16"],
        ["gender M", "occupation 15"],
    ]


def test_the_older_formats_are_read_as_latin_1(tmp_path):
    users = U_USER.replace("writer", "po\xe8te")
    assert (
        "occupation po\xe8te"
        in read_ratings(write(tmp_path, u_data=U_DATA, u_user=users)).users.group_names
    )


@pytest.mark.parametrize(
    "users",
    [
        "userId,age,gender,occupation,groups,zip\n3,,F,,DE|plan:pro,1\n1,30,M,writer,DE,2\n",
        "User-ID;Age;Sex;Job;Group\n1;30.0;M;writer;DE\n3;NULL;F;unknown;plan:pro | DE\n",
        "age\tgroups\tprofession\tgender\tuid\n\tplan:pro|DE\t\tF\t3\n30\tDE\twriter\tM\t1\n",
    ],
)
def test_columns_of_users_csv_are_found_by_their_names(tmp_path, users):
    ratings = read_ratings(write(tmp_path, ratings_csv=RATINGS, users_csv=users))
    assert ratings.users.age.tolist() == [30, 0, 0]
    assert groups_of(ratings.users) == [
        ["DE", "gender M", "occupation writer"],
        [],  # not in the file
        ["DE", "gender F", "plan:pro"],
    ]
    assert ratings.notes == ()


def test_users_csv_may_have_the_name_of_the_ratings_column(tmp_path):
    (tmp_path / "ratings.csv").write_text("who,item,rating\nann,1,3\nbob,1,4\n")
    (tmp_path / "users.csv").write_text("who,age\nbob,40\nann,30\n")
    users = read_ratings(tmp_path, ReadOptions({"user": "who"})).users
    assert users.age.tolist() == [30, 40]
    assert users.groups.shape == (2, 0)


def test_users_parquet_is_read_like_users_csv(tmp_path):
    pytest.importorskip("pyarrow")
    write(tmp_path, ratings_csv=RATINGS)
    columns = {"userId": [3, 1, 2], "age": [None, 30, 0], "gender": ["F", "M", None]}
    pd.DataFrame(columns).to_parquet(tmp_path / "users.parquet")
    ratings = read_ratings(tmp_path)
    assert ratings.users.age.tolist() == [30, 0, 0]
    assert groups_of(ratings.users) == [["gender M"], [], ["gender F"]]
    pd.DataFrame(columns | {"age": [1, 2, 121]}).to_parquet(tmp_path / "users.parquet")
    assert read_error(tmp_path) == (
        f"{tmp_path}/users.parquet row 3: age '121' is not in 0 to 120; {AGE}"
    )
    pd.DataFrame({"person": [1], "age": [30]}).to_parquet(tmp_path / "users.parquet")
    assert read_error(tmp_path) == (
        f"{tmp_path}/users.parquet has no column 'userId', found 'person', 'age'; "
        "name its columns userId, age, gender, occupation, groups"
    )


def test_a_ratings_file_by_its_own_name_has_the_users_next_to_it(tmp_path):
    write(tmp_path, ratings_csv=RATINGS, views_csv=RATINGS, users_csv="userId,age\n1,30\n2,40\n")
    assert read_ratings(tmp_path / "ratings.csv").users is not None
    assert read_ratings(tmp_path / "views.csv").users is None


@pytest.mark.parametrize(
    ("users", "note"),
    [
        ("userId,age\n900,30\n1,30\n", "describes 1 of the 3 users; check that its ids match"),
        ("userId,age\n900,30\n", "describes 0 of the 3 users; check that its ids match"),
        (
            "userId,zip\n1,1\n2,2\n3,3\n",
            "says nothing about the users; write any of the columns age, gender, occupation, "
            "groups",
        ),
    ],
)
def test_a_file_that_does_not_fit_is_noted(tmp_path, users, note):
    ratings = read_ratings(write(tmp_path, ratings_csv=RATINGS, users_csv=users))
    assert ratings.notes == (f"{tmp_path}/users.csv {note}",)
    assert (ratings.users is None) == ("1,30" not in users)


def test_both_parts_of_a_split_have_the_users(tmp_path):
    ratings = read_ratings(write(tmp_path, u_data=U_DATA, u_user=U_USER))
    split = split_ratings(ratings, SplitSpec(train=0.5, validation=0.5, test=0))
    assert split.train.users is split.validation.users is ratings.users
    assert split.refit().train.users is ratings.users


def test_only_data_with_users_has_another_fingerprint(tmp_path):
    write(tmp_path, ratings_csv=RATINGS, users_csv="userId,age\n900,30\n")
    without = read_ratings(tmp_path)
    assert without.users is None
    assert without.fingerprint == "33b9836b23c29a8f"  # as before users were read
    seen = {without.fingerprint}
    for users in ("userId,age\n1,30\n", "userId,age\n1,31\n", "userId,gender\n1,F\n"):
        seen.add(read_ratings(write(tmp_path, users_csv=users)).fingerprint)
    assert len(seen) == 4
    assert replace(read_ratings(tmp_path), users=None).fingerprint == without.fingerprint


# Error messages

LONG = "x" * 101
ERRORS = {
    ("users.dat", "1::F::1::10\n"): "line 1 has 4 fields separated by ::, expected 5; "
    "fix or delete the line",
    ("users.dat", "1::F::young::10::1\n"): f"line 1: age 'young' is not a whole number; {AGE}",
    ("users.dat", "one::F::1::10::1\n"): "line 1: userId 'one' is not a whole number; "
    "write an id such as 17",
    ("u.user", "1|24|M|writer|1\n2|-1|M|writer|1\n"): f"line 2: age '-1' is not in 0 to 120; {AGE}",
    ("u.user", "1|24|M|writer|1\n1|24|M|writer|1\n"): "line 2: userId 1 is already used on line 1; "
    "keep one of the two",
    ("users.csv", ""): "is empty; start it with the header userId,age,gender,occupation,groups",
    ("users.csv", "name,age\nann,30\n"): "has no column 'userId', found 'name', 'age'; start it "
    "with the header userId,age,gender,occupation,groups",
    ("users.csv", "user,Age\n1,30\n2,30.5\n"): f"line 3: Age '30.5' is not a whole number; {AGE}",
    ("users.csv", "user,age\n1,30\n2,1985\n"): f"line 3: age '1985' is not in 0 to 120; {AGE}",
    ("users.csv", "user,age\n1,30\n,40\n"): "line 3: user is empty; write an id such as 17",
    ("users.csv", "user,age\n1,30,5\n"): "line 2 has 3 fields, the header has 2; "
    "fix or delete the line",
    ("users.csv", "user,job,profession\n1,a,b\n"): "has several columns that could be the "
    "occupation: 'job' and 'profession'; rename the one to be read to occupation",
    ("users.csv", f"user,groups\n1,{LONG}\n"): f"line 2: '{LONG[:37]}...' has 101 characters, the "
    "maximum is 100; shorten it, or close its quotes",
    ("users.csv", f"user,groups\n1,{'|'.join(map(str, range(1_001)))}\n"): "line 2: the file has "
    "over 1000 genders, occupations and groups by this line; keep columns that many users share",
}


@pytest.mark.parametrize(
    ("name", "text", "message"), [(*key, message) for key, message in ERRORS.items()]
)
def test_an_error_in_a_users_file_names_file_and_line(tmp_path, name, text, message):
    ratings = {"users.dat": RATINGS_DAT, "u.user": U_DATA, "users.csv": RATINGS}[name]
    named = {"users.dat": "ratings_dat", "u.user": "u_data", "users.csv": "ratings_csv"}[name]
    write(tmp_path, **{named: ratings, name: text})
    assert read_error(tmp_path) == f"{tmp_path}/{name} {message}"
