"""Reading a MovieLens folder: the ratings it gives, and the error for each kind of broken file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.formats.text_ratings import read_exactly, read_fast
from recsys_search.data.tables.columns import ITEM, RATING, TIMESTAMP, USER
from recsys_search.data.tables.sources import Source
from recsys_search.data.tables.table import Table
from recsys_search.errors import DataError

HEADER = "userId,movieId,rating,timestamp\n"
GOOD = HEADER + "1,10,3.5,1000\n1,20,4,2000\n2,10,0.5,3000\n"


def write(folder: Path, ratings: str | bytes, movies: str | bytes | None = None) -> Path:
    for name, text in (("ratings.csv", ratings), ("movies.csv", movies)):
        if text is not None:
            (folder / name).write_bytes(text.encode() if isinstance(text, str) else text)
    return folder


def read_error(folder: Path) -> str:
    with pytest.raises(DataError) as caught:
        read_ratings(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


# Valid files


def test_ids_become_indices_and_rows_are_sorted_by_user_and_film(tmp_path):
    ratings = read_ratings(write(tmp_path, HEADER + "7,30,1,5\n2,30,2,6\n7,10,3,7\n"))
    assert ratings.user_ids.tolist() == [2, 7]
    assert ratings.films.ids.tolist() == [10, 30]
    assert ratings.user.tolist() == [0, 1, 1]
    assert ratings.film.tolist() == [1, 0, 1]
    assert ratings.rating.tolist() == [2, 3, 1]
    assert ratings.timestamp.tolist() == [6, 7, 5]
    assert ratings.scale == (1, 3)
    assert ratings.name == tmp_path.name
    assert ratings.expected is None


def test_columns_have_the_documented_dtypes(tmp_path):
    ratings = read_ratings(write(tmp_path, GOOD))
    columns = [ratings.user, ratings.film, ratings.user_ids, ratings.films.ids, ratings.timestamp]
    assert {column.dtype for column in columns} == {np.dtype(np.int64)}
    assert ratings.rating.dtype == np.float32


def test_column_order_and_extra_columns_do_not_matter_and_timestamp_is_optional(tmp_path):
    text = "tag,rating,movieId,userId\nwow,3.5,10,1\n,4,20,1\nNA,0.5,10,2\n"
    ratings = read_ratings(write(tmp_path, text))
    assert ratings.timestamp is None
    assert ratings.rating.tolist() == [3.5, 4, 0.5]
    assert ratings.films.ids.tolist() == [10, 20]


@pytest.mark.parametrize(
    "variant",
    [
        GOOD.replace("\n", "\r\n"),
        "\ufeff" + GOOD,
        GOOD.rstrip("\n"),
        GOOD + "\n  \n\n",
        GOOD.replace("1,10,3.5,1000", '"1","10","3.5","1000"'),
        GOOD.replace("1,10,3.5,1000", " 1, 10 ,\t3.5 , 1000 "),
        GOOD.replace("1,10,3.5,1000", "+1,10.0,35e-1,1000.0"),
        GOOD.replace("1,10,3.5,1000", "1,10,3.5,1.000e+3"),
        GOOD.replace("userId", '"userId"').replace("rating", " rating "),
    ],
    ids=[
        "crlf",
        "bom",
        "no-last-newline",
        "blank-lines",
        "quotes",
        "blanks",
        "spellings",
        "exact-exponent",
        "header",
    ],
)
def test_spelling_does_not_change_the_ratings(tmp_path, variant):
    (tmp_path / "plain").mkdir()
    plain = read_ratings(write(tmp_path / "plain", GOOD))
    assert read_ratings(write(tmp_path, variant)).fingerprint == plain.fingerprint


def test_ids_of_64_bits_are_kept_exactly(tmp_path):
    low, high = -(2**63), 2**63 - 1
    ratings = read_ratings(write(tmp_path, HEADER + f"{low},1.0,3,5\n{high},{2**53 + 1},3,5\n"))
    assert ratings.user_ids.tolist() == [low, high]
    assert ratings.films.ids.tolist() == [1, 2**53 + 1]


def test_one_rating_is_enough(tmp_path):
    assert read_ratings(write(tmp_path, HEADER + "1,10,3.5,1000\n")).scale == (3.5, 3.5)


def test_films_have_title_year_and_genres(tmp_path):
    movies = (
        "movieId,title,genres\n"
        '20,"Heat, The (1995) ",Crime|Action\n'
        "10,Toy Story,(no genres listed)\n"
        "99,Nobody Rates This (2001),Western\n"
    )
    films = read_ratings(write(tmp_path, GOOD, movies)).films
    assert films.titles.tolist() == ["Toy Story", "Heat, The (1995)"]
    assert films.year.tolist() == [0, 1995]
    assert films.genre_names == ("Action", "Crime")
    assert films.genres.tolist() == [[False, False], [True, True]]


def test_a_rated_film_missing_from_movies_csv_has_no_title_and_no_genre(tmp_path):
    films = read_ratings(
        write(tmp_path, GOOD, "title,movieId,genres\nHeat (1995),20,Crime\n")
    ).films
    assert films.titles.tolist() == ["", "Heat (1995)"]
    assert films.genres.tolist() == [[False], [True]]


def test_without_movies_csv_films_have_no_features(tmp_path):
    films = read_ratings(write(tmp_path, GOOD)).films
    assert films.titles is None
    assert films.year.tolist() == [0, 0]
    assert films.genres.shape == (2, 0)


def test_movielens_latest_small_is_read_whole(real_ratings_folder):
    ratings = read_ratings(real_ratings_folder)
    assert (len(ratings), ratings.n_users, ratings.n_films) == (100_836, 610, 9_724)
    assert ratings.scale == (0.5, 5)
    assert len(ratings.films.genre_names) == 19
    assert ratings.films.titles[0] == "Toy Story (1995)"
    assert ratings.films.year[0] == 1995


def table_of(path):
    return Table.with_header(Source(path), (USER, ITEM, RATING), (TIMESTAMP,))


def test_movielens_takes_the_fast_parser_and_both_parsers_agree(real_ratings_folder, assert_same):
    table = table_of(real_ratings_folder / "ratings.csv")
    fast = read_fast(table)
    assert fast is not None
    assert_same(fast, read_exactly(table))


def test_both_parsers_agree_on_every_damaged_file_that_the_fast_one_accepts(tmp_path, assert_same):
    rng = np.random.default_rng(0)
    path = tmp_path / "ratings.csv"
    alphabet = list(b'0159.,-+eE "\n\r\tNxn\0\xff|')
    accepted = 0
    for _ in range(600):
        text = bytearray(GOOD.encode())
        for at in rng.integers(len(HEADER), len(text), rng.integers(1, 4)):
            text[at] = rng.choice(alphabet)
        path.write_bytes(text)
        table = table_of(path)
        if (fast := read_fast(table)) is not None:
            accepted += 1
            assert_same(fast, read_exactly(table), repr(bytes(text)))
        else:
            try:
                read_ratings(tmp_path)
            except DataError as error:
                assert "\n" not in str(error)
    assert accepted > 40


# Error messages


def test_a_missing_folder_is_an_error(tmp_path):
    folder = tmp_path / "nowhere"
    assert read_error(folder) == (
        f"no folder or file '{folder}'; name one with ratings, such as ratings.csv, "
        "ratings.parquet, ratings.dat or u.data"
    )


def test_the_error_for_a_folder_without_ratings_says_what_to_add(tmp_path):
    assert read_error(tmp_path) == (
        f"{tmp_path} has no ratings.csv, ratings.parquet, ratings.dat or u.data; add a ratings.csv "
        "with the columns userId,movieId,rating,timestamp, and optionally a movies.csv with "
        "movieId,title,genres, or name the file of ratings itself"
    )


def test_a_folder_named_ratings_csv_is_an_error(tmp_path):
    (tmp_path / "ratings.csv").mkdir()
    assert read_error(tmp_path) == (
        f"{tmp_path}/ratings.csv cannot be read: Is a directory; name a readable file"
    )


HEADER_ERRORS = {
    "": " is empty; start it with the header userId,movieId,rating,timestamp",
    "\ufeff": " is empty; start it with the header userId,movieId,rating,timestamp",
    "\n" + GOOD: " line 1 is blank; start the file with the header userId,movieId,rating,timestamp",
    HEADER: " has no ratings below its header; add a line such as 1,296,4.5",
    "userId,movieId,value\n1,2,3\n": " has no column 'rating', found 'userId', 'movieId', 'value'; "
    "start it with the header userId,movieId,rating,timestamp, or say which columns to read with "
    "--columns user=NAME,item=NAME,rating=NAME",
    "1,2,3.5,4\n": " has no column 'userId', found '1', '2', '3.5', '4'; "
    "start it with the header userId,movieId,rating,timestamp, or say which columns to read with "
    "--columns user=1,item=2,rating=3",
    "userId,movieId,rating,rating\n1,2,3,4\n": " has 2 columns named 'rating'; keep one",
}


@pytest.mark.parametrize(("text", "message"), HEADER_ERRORS.items(), ids=map(ascii, HEADER_ERRORS))
def test_a_wrong_header_is_an_error(tmp_path, text, message):
    assert read_error(write(tmp_path, text)) == f"{tmp_path}/ratings.csv{message}"


STARS = "write stars such as 3.5"
ID = "write an id such as 17"
SECONDS = (
    "write seconds since 1970 such as 964982703, or a date such as 2000-07-30 18:45:03, or leave "
    "the times out with --columns timestamp=-"
)
EXPORT = "export the ids again, in full"
LINE_ERRORS = {
    "1,30,four,5": f": rating 'four' is not a number; {STARS}",
    "1,30,,5": f": rating is empty; {STARS}",
    "1,30, ,5": f": rating is empty; {STARS}",
    "1,30,NA,5": f": rating 'NA' is not a number; {STARS}",
    "1,30,nan,5": f": rating 'nan' is not a number; {STARS}",
    "1,30,True,5": f": rating 'True' is not a number; {STARS}",
    "1,30,inf,5": f": rating 'inf' is not finite; {STARS}",
    "1,30,-Infinity,5": f": rating '-Infinity' is not finite; {STARS}",
    "1,30,1e400,5": f": rating '1e400' is not finite; {STARS}",
    "1,30,1e39,5": f": rating '1e39' is not finite; {STARS}",
    '1,30,"3,5",5': f": rating '3,5' is not a number; {STARS}, or separate the columns by "
    "semicolons or tabs",
    "1.23457E+11,30,3,5": ": userId '1.23457E+11' is rounded, as spreadsheets write long numbers; "
    + EXPORT,
    "1,1e+30,3,5": f": movieId '1e+30' is rounded, as spreadsheets write long numbers; {EXPORT}",
    "1.5,30,3,5": f": userId '1.5' is not a whole number; {ID}",
    ",30,3,5": f": userId is empty; {ID}",
    "1,2.5,3,5": f": movieId '2.5' is not a whole number; {ID}",
    "1,,3,5": f": movieId is empty; {ID}",
    "1,30,3,2000-01-01": ": timestamp '2000-01-01' is not a number, as the other times are; "
    + SECONDS,
    "1,30,3,9.64983E+08": f": timestamp '9.64983E+08' is rounded, as spreadsheets write long "
    f"numbers; {SECONDS}",
    "1,30,3,": f": timestamp is empty; {SECONDS}",
    "1,30,3,-5": f": timestamp -5 is before 1970; {SECONDS}",
    "1,30,3,964982703000": ": timestamp 964982703000 is in another unit than 1000 "
    "({path} line 2); write all times in seconds since 1970",
    "1,30,3": " has 3 fields, the header has 4; fix or delete the line",
    "1,30,3,5,6": " has 5 fields, the header has 4; fix or delete the line",
    "1,30,3,5,": " has 5 fields, the header has 4; fix or delete the line",
    '1,30,"3,5': " opens a quote that is never closed; close it",
    '1,30,"3"4,5': " has mismatched quotes; close them, and double those within the text",
    "1,30\r,3,5": " has a bare carriage return; end lines with LF or CRLF",
    "1,30,3,5\0": " has a NUL byte; copy or download the file again",
    b"1,30,\xff,5": ": byte 0xff is not UTF-8; save the file as UTF-8",
    "1,20,1,5": ": user 1 already rated film 20 on line 3; keep one of the two, or choose with "
    "--duplicates newest or mean",
    "1,30," + "9" * 50 + "x,5": f": rating '{'9' * 37}...' is not a number; {STARS}",
}


@pytest.mark.parametrize(("line", "message"), LINE_ERRORS.items(), ids=map(ascii, LINE_ERRORS))
def test_an_error_in_a_line_names_its_number(tmp_path, line, message):
    line = line.encode() if isinstance(line, str) else line
    write(tmp_path, GOOD.encode() + line + b"\n")
    path = f"{tmp_path}/ratings.csv"
    assert read_error(tmp_path) == f"{path} line 5{message.replace('{path}', path)}"


def test_an_error_in_the_first_row_names_line_2(tmp_path):
    write(tmp_path, HEADER + "1,10,3.5,1000,7\n1,20,4,2000\n")
    assert read_error(tmp_path).startswith(f"{tmp_path}/ratings.csv line 2 has 5 fields")


def test_line_numbers_include_blank_lines_and_quoted_line_breaks(tmp_path):
    write(tmp_path, 'note,userId,movieId,rating\n\n"a\nb",1,10,3\n\nc,1,20,five\n')
    assert read_error(tmp_path).startswith(f"{tmp_path}/ratings.csv line 6: rating 'five'")


def test_a_short_line_followed_by_a_long_one_is_an_error(tmp_path):
    write(tmp_path, HEADER + "1,10,3\n1,20,4,2000,7\n")
    assert read_error(tmp_path).startswith(f"{tmp_path}/ratings.csv line 2 has 3 fields")


def test_utf_16_is_an_error(tmp_path):
    write(tmp_path, GOOD.encode("utf-16"))
    assert read_error(tmp_path) == (
        f"{tmp_path}/ratings.csv line 1 is UTF-16; save the file as UTF-8"
    )


MOVIES_ERRORS = {
    b"": " is empty; start it with the header movieId,title,genres",
    b"title,genres\nHeat,Crime\n": " has no column 'movieId', found 'title', 'genres'; "
    "start it with the header movieId,title,genres",
    b"movieId,title,genres\n10,Heat\n": " line 2 has 2 fields, the header has 3; "
    "fix or delete the line",
    b"movieId,title,genres\n10,Heat, The,Crime\n": " line 2 has 4 fields, the header has 3; "
    "fix or delete the line",
    b"movieId,title,genres\n10,H\xe9at,Crime\n": " line 2: byte 0xe9 is not UTF-8; "
    "save the file as UTF-8",
    b"movieId,title,genres\nten,A,\n": f" line 2: movieId 'ten' is not a whole number; {ID}",
    b"movieId,title,genres\n,Heat,Crime\n": f" line 2: movieId is empty; {ID}",
    b"movieId,title,genres\n10,A,\n20,B,\n10,C,\n": " line 4: movieId 10 is already used "
    "on line 2; keep one of the two",
    b'movieId,title,genres\n10,"Heat,Crime\n': " line 2 opens a quote that is never closed; "
    "close it",
}


@pytest.mark.parametrize(
    ("movies", "message"), MOVIES_ERRORS.items(), ids=map(ascii, MOVIES_ERRORS)
)
def test_an_error_in_movies_csv_names_file_and_line(tmp_path, movies, message):
    assert read_error(write(tmp_path, GOOD, movies)) == f"{tmp_path}/movies.csv{message}"
