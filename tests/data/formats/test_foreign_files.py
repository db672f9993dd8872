"""Ratings as other programs write them: other separators, names, ids, times and compressions."""

from __future__ import annotations

import bz2
import gzip
import lzma
import zipfile

import numpy as np
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.formats.text_ratings import read_fast
from recsys_search.data.tables.columns import ITEM, RATING, TIMESTAMP, USER, ReadOptions
from recsys_search.data.tables.sources import Source
from recsys_search.data.tables.table import Table
from recsys_search.errors import DataError

ROWS = [(1, 10, 3.5, 964982703), (1, 20, 4, 964981247), (2, 10, 0.5, 964982224)]
CSV = "userId,movieId,rating,timestamp\n" + "".join(",".join(map(str, row)) + "\n" for row in ROWS)
MOVIES = "movieId,title,genres\n10,Heat (1995),Crime\n"


@pytest.fixture
def plain(tmp_path):
    """The ratings of `CSV`."""
    (tmp_path / "plain").mkdir()
    (tmp_path / "plain" / "ratings.csv").write_text(CSV)
    return read_ratings(tmp_path / "plain")


def read_text(tmp_path, text, name="file.csv", **columns):
    path = tmp_path / name
    path.write_text(text)
    return read_ratings(path, ReadOptions(columns))


def error_of(tmp_path, text, name="file.csv", **columns):
    with pytest.raises(DataError) as caught:
        read_text(tmp_path, text, name, **columns)
    message = str(caught.value)
    assert "\n" not in message
    return message.removeprefix(f"{tmp_path / name} ")


# Separators and names


SAME = {
    "semicolons": CSV.replace(",", ";"),
    "quoted-semicolons": '"userId";"movieId";"rating";"timestamp"\n'
    + "".join('"' + '";"'.join(map(str, row)) + '"\n' for row in ROWS),
    "decimal-commas": CSV.replace(",", ";").replace(".", ","),
    "tabs": CSV.replace(",", "\t"),
    "bars": CSV.replace(",", "|"),
    "recbole": CSV.replace(
        "userId,movieId,rating,timestamp",
        "user_id:token,item_id:token,rating:float,timestamp:float",
    ).replace(",", "\t"),
    "surprise": CSV.replace("userId,movieId", "user,item"),
    "capitals": CSV.replace("userId,movieId,rating,timestamp", "UserID,MovieID,Rating,Timestamp"),
    "amazon": CSV.replace(
        "userId,movieId,rating,timestamp", "reviewerID,asin,overall,unixReviewTime"
    ),
    "book-crossing": CSV.replace("userId,movieId,rating", "User-ID,ISBN,Book-Rating"),
    "headerless-dat": "".join("::".join(map(str, row)) + "\n" for row in ROWS),
    "headerless-tabs": "".join("\t".join(map(str, row)) + "\n" for row in ROWS),
}


@pytest.mark.parametrize("text", SAME.values(), ids=SAME)
def test_a_file_by_any_name_gives_the_same_ratings(tmp_path, plain, text):
    ratings = read_text(tmp_path, text, "export.txt")
    assert ratings.fingerprint == plain.fingerprint
    assert (ratings.name, ratings.folder, ratings.notes) == ("export", None, ())


def test_columns_can_be_named(tmp_path, plain):
    text = CSV.replace("userId,movieId,rating,timestamp", "who,what,how,when")
    ratings = read_text(tmp_path, text, user="who", item="what", rating="how", timestamp="when")
    assert ratings.fingerprint == plain.fingerprint


def test_a_named_column_takes_precedence_over_well_known_names(tmp_path):
    text = "user,item,rating,stars\n1,10,1,5\n"
    assert read_text(tmp_path, text, rating="stars").rating.tolist() == [5]


@pytest.mark.parametrize("separator", [",", ";", "\t", "|", "::", " "])
def test_columns_of_a_file_without_a_header_can_be_numbered(tmp_path, plain, separator):
    rows = [(when, item, user, stars) for user, item, stars, when in ROWS]
    text = "".join(separator.join(map(str, row)) + "\n" for row in rows)
    ratings = read_text(tmp_path, text, user="3", item="2", rating="4", timestamp="1")
    assert ratings.fingerprint == plain.fingerprint


def test_a_missing_number_is_an_error(tmp_path):
    assert error_of(tmp_path, "1,2,3\n", user="1", item="2", rating="7") == (
        "line 1 has 3 fields, and --columns names number 7; count the columns from 1"
    )


def test_two_columns_that_could_be_meant_are_an_error(tmp_path):
    assert error_of(tmp_path, "user,item,asin,rating\n1,2,3,4\n") == (
        "has several columns that could be the item: 'item' and 'asin'; choose one with "
        "--columns item=item"
    )


def test_a_misspelt_column_has_a_suggestion(tmp_path):
    message = error_of(tmp_path, CSV, user="userid")
    assert message == (
        "has no column 'userid', found 'userId', 'movieId', 'rating', 'timestamp'; did you mean "
        "userId?"
    )


def test_unknown_names_are_shown_with_the_separator_that_divides_them(tmp_path):
    message = error_of(tmp_path, "Kunde;Artikel;Bewertung\na;b;3\n")
    assert message.startswith("has no column 'userId', found 'Kunde', 'Artikel', 'Bewertung'; ")


def test_numbered_columns_of_a_file_with_a_header_are_an_error(tmp_path):
    message = error_of(tmp_path, CSV, user="1", item="2", rating="3")
    assert message == (
        "line 1: rating 'rating' is not a number; write stars such as 3.5; if line 1 is a header, "
        "name its columns instead of numbering them"
    )


def test_a_named_column_that_is_missing_is_an_error(tmp_path):
    message = error_of(tmp_path, CSV, user="customer")
    assert message.startswith(
        "has no column 'customer', found 'userId', 'movieId', 'rating', 'timestamp'; "
    )


# Ids


TEXT_IDS = (
    "user,item,rating\n"
    "7d793037-a076-4b59-9cb2-b0c1fc9a0c3b,B00003CXC7,5\n"
    "00e1c1f0-0000-4b59-9cb2-b0c1fc9a0c3b,0005019281,3\n"
)


@pytest.mark.parametrize("end", ["", 'é,"B0",1\n'], ids=["fast", "exact"])
def test_ids_that_are_text_stay_as_they_are(tmp_path, end):
    ratings = read_text(tmp_path, TEXT_IDS + end)
    assert ratings.user_ids.tolist()[:2] == [
        "00e1c1f0-0000-4b59-9cb2-b0c1fc9a0c3b",
        "7d793037-a076-4b59-9cb2-b0c1fc9a0c3b",
    ]
    assert ratings.films.ids.tolist()[-1] == "B00003CXC7"
    assert "0005019281" in ratings.films.ids.tolist()
    assert sorted(ratings.rating.tolist())[-2:] == [3, 5]
    assert ratings.notes == ()


def test_text_ids_take_the_fast_parser(tmp_path):
    (tmp_path / "file.csv").write_text(TEXT_IDS)
    source = Source(tmp_path / "file.csv")
    assert read_fast(Table.with_header(source, (USER, ITEM, RATING), (TIMESTAMP,))) is not None


def test_leading_zeros_make_another_id(tmp_path):
    ratings = read_text(tmp_path, "user,item,rating\n007,1,5\n7,1,3\n07,1,2\n")
    assert ratings.user_ids.tolist() == ["007", "07", "7"]


def test_films_are_found_by_text_ids(tmp_path):
    (tmp_path / "ratings.csv").write_text(TEXT_IDS)
    (tmp_path / "movies.csv").write_text("asin,title\nB00003CXC7,Heat (1995)\n")
    films = read_ratings(tmp_path).films
    assert films.titles.tolist() == ["", "Heat (1995)"]
    assert films.genre_names == ()


def test_films_of_other_ids_are_noted(tmp_path):
    (tmp_path / "ratings.csv").write_text(CSV)
    (tmp_path / "movies.csv").write_text("movieId,title\n900,Heat (1995)\n")
    [note] = read_ratings(tmp_path).notes
    assert note == (
        f"{tmp_path}/movies.csv describes 0 of the 2 rated films; check that its ids match"
    )


def many(n, *more):
    return (
        "user,item,rating\n" + "".join(f"{i},{i % 7},{i % 5}\n" for i in range(n)) + "".join(more)
    )


def test_one_text_among_many_numbers_is_a_mistake(tmp_path):
    message = error_of(tmp_path, many(200, "1O,3,5\n"))
    assert message == "line 202: user '1O' is not a whole number; write an id such as 17"


def test_mostly_numbers_read_as_text_are_noted(tmp_path):
    ratings = read_text(tmp_path, many(50, "1O,3,5\n"))
    assert ratings.user_ids.dtype.kind == "U"
    assert ratings.notes == (
        f"the ids in user are read as text, because of '1O' ({tmp_path}/file.csv line 52); fix it "
        "if they should be numbers",
    )


@pytest.mark.parametrize(
    ("user", "problem"),
    [
        ("1.23457E+11", "is rounded, as spreadsheets write long numbers"),
        ("1e3", "is rounded, as spreadsheets write long numbers"),
        ("1.5", "is not a whole number"),
    ],
)
def test_a_rounded_id_is_refused_among_numbers(tmp_path, user, problem):
    assert error_of(tmp_path, many(200, f"{user},3,5\n")).startswith(
        f"line 202: user '{user}' {problem}; "
    )


@pytest.mark.parametrize("user", ["1.23457E+11", "1E+05", "2.5"])
def test_a_rounded_id_is_refused_among_text(tmp_path, user):
    text = "user,item,rating\n" + "".join(f"id{i},1,{i}\n" for i in range(5)) + f"{user},3,5\n"
    assert error_of(tmp_path, text).startswith(f"line 7: user '{user}' is ")


def test_hexadecimal_ids_may_look_like_numbers(tmp_path):
    ratings = read_text(tmp_path, "user,item,rating\n12e4,1,5\n12000,1,3\nab12,1,2\n")
    assert ratings.user_ids.tolist() == ["12000", "12e4", "ab12"]


def test_a_stray_quote_gives_no_endless_id(tmp_path):
    message = error_of(tmp_path, f"user,item,rating\nx{'a' * 300},1,5\n")
    assert "has 301 characters, the maximum is 256; shorten it, or close its quotes" in message


# Times


@pytest.mark.parametrize(
    "times",
    [
        ("964982703", "964981247"),
        ("964982703000", "964981247999"),
        ("964982703000000", "964981247999999"),
        ("964982703000000000", "964981247999999999"),
        ("964982703.25", "964981247.999"),
        ("9.64982703e8", "964981247"),
        ("2000-07-30 18:45:03", "2000-07-30 18:20:47"),
        ("2000-07-30T18:45:03Z", "2000-07-30T18:20:47.999Z"),
        ("2000-07-30T20:45:03+02:00", "2000-07-30T20:20:47+02:00"),
    ],
)
def test_times_are_read_in_every_unit(tmp_path, times):
    text = "user,item,rating,time\n" + "".join(f"{i},1,3,{time}\n" for i, time in enumerate(times))
    assert read_text(tmp_path, text).timestamp.tolist() == [964982703, 964981247]


@pytest.mark.parametrize("dates", [("2000-07-30", "1999-12-31"), ("20000730", "19991231")])
def test_dates_without_times_are_midnight_in_utc(tmp_path, dates):
    text = "user,item,rating,date\n" + "".join(f"{i},1,3,{date}\n" for i, date in enumerate(dates))
    assert read_text(tmp_path, text).timestamp.tolist() == [964915200, 946598400]


@pytest.mark.parametrize(
    ("time", "problem"),
    [
        ("30/07/2000", "'30/07/2000' is not a date in ISO 8601"),
        ("1965-01-01", "-157766400 is before 1970"),
        ("", "is empty"),
    ],
)
def test_other_text_is_no_time(tmp_path, time, problem):
    text = f"user,item,rating,date\n1,1,3,2000-07-30\n2,1,3,{time}\n"
    assert error_of(tmp_path, text).startswith(f"line 3: date {problem}; write seconds since 1970")


def test_times_that_are_no_seconds_are_noted(tmp_path):
    rows = "".join(f"{i},1,{i % 5},{36737.04 + i}\n" for i in range(100))
    [note] = read_text(tmp_path, f"user,item,rating,time\n{rows}").notes
    assert note.startswith("all times are before 1971: they are probably not seconds since 1970; ")


def test_times_can_be_left_out(tmp_path):
    text = "user,item,rating,date\n1,1,3,30.07.2000\n"
    assert error_of(tmp_path, text).endswith("leave the times out with --columns timestamp=-")
    assert read_text(tmp_path, text, timestamp="-").timestamp is None


# Compressed


def test_ratings_and_films_may_be_compressed(tmp_path, plain):
    for name, compress in (("gz", gzip.compress), ("bz2", bz2.compress), ("xz", lzma.compress)):
        folder = tmp_path / name
        folder.mkdir()
        (folder / f"ratings.csv.{name}").write_bytes(compress(CSV.encode()))
        (folder / f"movies.csv.{name}").write_bytes(compress(MOVIES.encode()))
        ratings = read_ratings(folder)
        assert (ratings.rating.tolist(), ratings.name) == (plain.rating.tolist(), name)
        assert ratings.films.year.tolist() == [1995, 0]
        assert len(read_ratings(folder / f"ratings.csv.{name}")) == 3


def write_zip(path, **files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, text in files.items():
            archive.writestr(name, text)


def test_a_zip_is_read_like_the_folder_in_it(tmp_path, plain):
    path = tmp_path / "ml-tiny.zip"
    junk = {"__MACOSX/ml/ratings.csv": "x", "ml/README.txt": "y"}
    write_zip(path, **junk, **{"ml/ratings.csv": CSV, "ml/movies.csv": MOVIES})
    ratings = read_ratings(path)
    assert ratings.rating.tolist() == plain.rating.tolist()
    assert (ratings.name, ratings.films.genre_names) == ("ml-tiny", ("Crime",))


def test_the_one_file_of_a_zip_may_have_any_name(tmp_path, plain):
    write_zip(tmp_path / "a.zip", **{"export 2024.csv": CSV})
    assert read_ratings(tmp_path / "a.zip").fingerprint == plain.fingerprint
    (tmp_path / "folder").mkdir()
    write_zip(tmp_path / "folder" / "ratings.csv.zip", **{"export.csv": CSV})
    assert read_ratings(tmp_path / "folder").fingerprint == plain.fingerprint


def test_two_files_of_ratings_in_a_zip_are_an_error(tmp_path):
    write_zip(tmp_path / "a.zip", **{"x/ratings.csv": CSV, "a/ratings.csv": CSV})
    with pytest.raises(DataError) as caught:
        read_ratings(tmp_path / "a.zip")
    assert str(caught.value) == (
        f"{tmp_path}/a.zip has several ratings.csv: a/ratings.csv and x/ratings.csv; unpack it, "
        "and name the folder or file to read"
    )


def test_an_error_in_a_zip_names_the_file_in_it(tmp_path):
    write_zip(tmp_path / "a.zip", **{"ml/ratings.csv": CSV + "1,30,five,0\n"})
    with pytest.raises(DataError) as caught:
        read_ratings(tmp_path / "a.zip")
    assert str(caught.value).startswith(f"{tmp_path}/a.zip/ml/ratings.csv line 5: rating 'five'")


@pytest.mark.parametrize("kept", [0, 10, 60])
def test_a_truncated_file_is_an_error(tmp_path, kept):
    path = tmp_path / "ratings.csv.gz"
    path.write_bytes(gzip.compress(CSV.encode() * 50)[:kept] or b"PK")
    with pytest.raises(DataError, match=r"is damaged: .*; copy or download it again"):
        read_ratings(tmp_path)


def test_a_file_that_is_no_zip_is_an_error(tmp_path):
    (tmp_path / "a.zip").write_text(CSV)
    with pytest.raises(DataError, match=r"a\.zip cannot be read as a zip: .*; copy or download"):
        read_ratings(tmp_path / "a.zip")


# The file itself


def test_a_file_with_a_name_of_movielens_has_its_folders_films(tmp_path, plain):
    (tmp_path / "ratings.csv").write_text(CSV)
    (tmp_path / "movies.csv").write_text(MOVIES)
    ratings = read_ratings(tmp_path / "ratings.csv")
    assert (ratings.name, ratings.films.genre_names) == (tmp_path.name, ("Crime",))
    (tmp_path / "ratings.csv").rename(tmp_path / "mine.csv")
    assert read_ratings(tmp_path / "mine.csv").films.genre_names == ()


def test_a_folder_of_other_files_says_what_to_name(tmp_path):
    (tmp_path / "mine.csv").write_text(CSV)
    with pytest.raises(DataError, match="or name the file of ratings itself"):
        read_ratings(tmp_path)


# Duplicates

TWICE = "user,item,rating,time\n1,10,1,50\n2,10,2,0\n1,10,4,30\n1,20,5,0\n1,10,2,30\n"


def test_duplicates_are_counted(tmp_path):
    assert error_of(tmp_path, TWICE) == (
        "line 4: user 1 already rated film 10 on line 2 (2 ratings repeat a pair); keep one of the "
        "two, or choose with --duplicates newest or mean"
    )


@pytest.mark.parametrize(
    ("duplicates", "text", "rating"),
    [
        ("newest", TWICE, 1),
        ("newest", TWICE.replace(",50", ",20"), 2),  # of two at one time, the last
        ("newest", "user,item,rating\n1,10,1\n1,20,5\n2,10,2\n1,10,4\n1,10,3\n", 3),
        ("mean", TWICE, 7 / 3),
    ],
)
def test_duplicates_are_merged(tmp_path, duplicates, text, rating):
    (tmp_path / "file.csv").write_text(text)
    ratings = read_ratings(tmp_path / "file.csv", ReadOptions(duplicates=duplicates))
    assert ratings.user.tolist() == [0, 0, 1]
    assert ratings.scale == (ratings.rating.min(), ratings.rating.max())
    np.testing.assert_allclose(ratings.rating, [rating, 5, 2], rtol=1e-6)
    kept = {"newest": "the newest", "mean": "the mean"}[duplicates]
    assert ratings.notes == (f"2 of 5 ratings repeat a user and film; kept {kept} of each",)
    if ratings.timestamp is not None and duplicates == "mean":
        assert ratings.timestamp.tolist() == [50, 0, 0]


# Odd ratings


@pytest.mark.parametrize(
    ("ratings", "note"),
    [
        ([1, 1, 1], "all ratings are 1: this is implicit data, in which "),
        ([0, 1, 1], "all ratings are 0 or 1: this is implicit data, likes or clicks; "),
        ([3, 4, 5] * 100 + [44], "ratings run from 3 to 44, but all except 1 of 301 from 3 to 5: "),
        ([-99, 3, 4, 5, *[4] * 199], "ratings run from -99 to 5, but all except 1 of 203 from "),
    ],
)
def test_odd_ratings_are_noted(tmp_path, ratings, note):
    rows = "".join(f"{i},1,{rating}\n" for i, rating in enumerate(ratings))
    [found] = read_text(tmp_path, f"user,item,rating\n{rows}").notes
    assert found.startswith(note)
    if len(ratings) > 3:
        line = 2 + max(range(len(ratings)), key=lambda i: abs(ratings[i]))
        assert f"({tmp_path}/file.csv line {line})" in found


@pytest.mark.parametrize("ratings", [[3, 4, 4.5], [0.5, 5] * 500, [1] * 990 + [5] * 10, [1, 2]])
def test_usual_ratings_have_no_note(tmp_path, ratings):
    rows = "".join(f"{i},1,{rating}\n" for i, rating in enumerate(ratings))
    assert read_text(tmp_path, f"user,item,rating\n{rows}").notes == ()
