"""MovieLens' older formats: ratings.dat with movies.dat, and u.data with u.item."""

from __future__ import annotations

import numpy as np
import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.formats.text_ratings import read_exactly, read_fast
from recsys_search.data.tables.sources import Source
from recsys_search.data.tables.table import Table
from recsys_search.errors import DataError

RATINGS_CSV = "userId,movieId,rating,timestamp\n1,10,3.5,1000\n1,20,4,2000\n2,10,0.5,3000\n"
RATINGS_DAT = "1::10::3.5::1000\n1::20::4::2000\n2::10::0.5::3000\n"
U_DATA = "2\t10\t0.5\t3000\n1\t10\t3.5\t1000\n1\t20\t4\t2000\n"
SEPARATORS = {"ratings.dat": "::", "u.data": "\t"}
GOOD = {"ratings.dat": RATINGS_DAT, "u.data": U_DATA}

U_GENRE = "unknown|0\nAction|1\nCrime|2\n\n"
U_ITEM = (
    "10|Toy Story (1995)|01-Jan-1995||http://a|0|1|1\n"
    "20|Mis\xe9rables, Les|25-Dec-1998||http://b|1|0|0\n"
    "99|Nobody Rates This|||http://c|1|0|0\n"
)


def write(folder, **files):
    """Files named with _ for the dot; text is written as Latin-1."""
    for name, text in files.items():
        data = text if isinstance(text, bytes) else text.encode("latin-1")
        (folder / name.replace("_", ".")).write_bytes(data)
    return folder


def read_error(folder):
    with pytest.raises(DataError) as caught:
        read_ratings(folder)
    message = str(caught.value)
    assert "\n" not in message
    return message


def table(path):
    names = ("userId", "movieId", "rating")
    return Table.without_header(Source(path), SEPARATORS[path.name], names, ("timestamp",))


# Valid files


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_all_formats_hold_the_same_ratings(tmp_path, name, end):
    (tmp_path / "csv").mkdir()
    expected = read_ratings(write(tmp_path / "csv", ratings_csv=RATINGS_CSV)).fingerprint
    write(tmp_path, **{name: GOOD[name].replace("\n", end)})
    assert read_fast(table(tmp_path / name)) is not None
    assert read_ratings(tmp_path).fingerprint == expected
    write(tmp_path, **{name: "\xef\xbb\xbf" + GOOD[name].replace("\n", f" {end}{end}")})
    assert read_ratings(tmp_path).fingerprint == expected


def test_ratings_keep_their_folder_for_the_official_folds(tmp_path):
    assert read_ratings(write(tmp_path, u_data=U_DATA)).folder == tmp_path


@pytest.mark.parametrize("name", GOOD)
def test_the_timestamp_may_be_left_out(tmp_path, name):
    write(tmp_path, **{name: SEPARATORS[name].join(("1", "10", "3.5")) + "\n"})
    ratings = read_ratings(tmp_path)
    assert (ratings.rating.tolist(), ratings.timestamp) == ([3.5], None)


def test_ratings_csv_takes_precedence_over_the_older_formats(tmp_path):
    write(tmp_path, ratings_csv="userId,movieId,rating\n1,1,5\n", ratings_dat=RATINGS_DAT)
    assert len(read_ratings(tmp_path)) == 1


@pytest.mark.parametrize("encoding", ["latin-1", "utf-8"])  # ml-1m, ml-10m
def test_movies_dat_has_titles_years_and_genres(tmp_path, encoding):
    movies = "10::Toy Story (1995)::Animation|Children's\n20::Mis\xe9rables, Les (1998)::Drama\n"
    write(tmp_path, ratings_dat=RATINGS_DAT, movies_dat=movies.encode(encoding))
    films = read_ratings(tmp_path).films
    assert films.titles.tolist() == ["Toy Story (1995)", "Mis\xe9rables, Les (1998)"]
    assert films.year.tolist() == [1995, 1998]
    assert films.genre_names == ("Animation", "Children's", "Drama")
    assert films.genres.tolist() == [[True, True, False], [False, False, True]]


def test_u_item_has_titles_years_and_flags_named_by_u_genre(tmp_path):
    films = read_ratings(write(tmp_path, u_data=U_DATA, u_item=U_ITEM, u_genre=U_GENRE)).films
    assert films.titles.tolist() == ["Toy Story (1995)", "Mis\xe9rables, Les"]
    assert films.year.tolist() == [1995, 1998]  # the second from its release date
    assert films.genre_names == ("Action", "Crime")  # "unknown" is not a genre
    assert films.genres.tolist() == [[True, True], [False, False]]


def test_without_u_genre_the_flags_are_those_of_movielens_100k(tmp_path):
    flags = ["0"] * 19
    flags[1] = flags[18] = "1"
    item = "10|Toy Story (1995)|||http://a|" + "|".join(flags) + "\n"
    films = read_ratings(write(tmp_path, u_data=U_DATA, u_item=item)).films
    assert films.genre_names == ("Action", "Western")


@pytest.mark.parametrize("name", GOOD)
def test_both_parsers_agree_on_every_damaged_file_that_the_fast_one_accepts(
    tmp_path, name, assert_same
):
    rng = np.random.default_rng(0)
    path = tmp_path / name
    alphabet = list(b'0159.,:::\t\t-+eE "\n\r\tN\0\xff')
    accepted = 0
    for _ in range(600):
        text = bytearray(GOOD[name].encode())
        for at in rng.integers(0, len(text), rng.integers(1, 4)):
            text[at] = rng.choice(alphabet)
        path.write_bytes(text)
        try:
            damaged = table(path)
        except DataError:
            continue
        if (fast := read_fast(damaged)) is not None:
            accepted += 1
            assert_same(fast, read_exactly(damaged), repr(bytes(text)))
    assert accepted > 40


# Error messages


STARS = "write stars such as 3.5"
LINE_ERRORS = {
    "1::30::four::5": f": rating 'four' is not a number; {STARS}",
    "1::30::::5": f": rating is empty; {STARS}",
    "1::30::3": " has 3 fields separated by {sep}, expected 4; fix or delete the line",
    "1::30::3::5::": " has 5 fields separated by {sep}, expected 4; fix or delete the line",
    "1::1.5::3::5": ": movieId '1.5' is not a whole number; write an id such as 17",
    "1::30::3::-5": ": timestamp -5 is before 1970; write seconds since 1970 such as 964982703, "
    "or a date such as 2000-07-30 18:45:03, or leave the times out with --columns timestamp=-",
    "1::30\r::3::5": " has a bare carriage return; end lines with LF or CRLF",
    "1::30::3::5\0": " has a NUL byte; copy or download the file again",
    "1::30::\xff::5": f": rating '\xff' is not a number; {STARS}",
    "1::20::1::5": ": user 1 already rated film 20 on line {first}; keep one of the two, or "
    "choose with --duplicates newest or mean",
}


@pytest.mark.parametrize("name", GOOD)
@pytest.mark.parametrize(("line", "message"), LINE_ERRORS.items(), ids=map(ascii, LINE_ERRORS))
def test_an_error_in_a_line_names_its_number(tmp_path, name, line, message):
    write(tmp_path, **{name: GOOD[name] + line.replace("::", SEPARATORS[name]) + "\n"})
    expected = message.format(
        sep={"ratings.dat": "::", "u.data": "tabs"}[name],
        first={"ratings.dat": 2, "u.data": 3}[name],
    )
    assert read_error(tmp_path) == f"{tmp_path}/{name} line 4{expected}"


@pytest.mark.parametrize(
    ("name", "example"),
    [("ratings.dat", "1::296::4.5::964982703"), ("u.data", "1<tab>296<tab>4<tab>964982703")],
)
@pytest.mark.parametrize("text", ["", "\n", " \n\r\n"])
def test_a_file_without_ratings_is_an_error(tmp_path, name, example, text):
    write(tmp_path, **{name: text})
    assert read_error(tmp_path) == (
        f"{tmp_path}/{name} has no ratings; add a line such as {example}"
    )


def test_a_wrong_separator_is_an_error(tmp_path):
    write(tmp_path, ratings_dat="1,10,3.5,1000\n")
    assert read_error(tmp_path) == (
        f"{tmp_path}/ratings.dat line 1 has 1 fields separated by ::, expected 4; "
        "fix or delete the line"
    )


def test_unpaired_colons_are_an_error(tmp_path):
    write(tmp_path, ratings_dat=RATINGS_DAT + "1:::30:3::5\n")
    assert read_error(tmp_path).startswith(f"{tmp_path}/ratings.dat line 4 has 3 fields")


FLAG = "write 1 if the film has the genre, else 0"
FILM_ERRORS = {
    ("u.item", "10|A|||a|0|1|x\n"): f"u.item line 1: flag Crime 'x' is not 0 or 1; {FLAG}",
    ("u.item", "10|A|||a|0|1|\n"): f"u.item line 1: flag Crime '' is not 0 or 1; {FLAG}",
    ("u.item", "10|A|||a|0|1\n"): "u.item line 1 has 7 fields separated by |, expected 8; "
    "fix or delete the line",
    ("u.item", "x|A|||a|0|1|1\n"): "u.item line 1: movieId 'x' is not a whole number; "
    "write an id such as 17",
    ("u.item", U_ITEM + U_ITEM): "u.item line 4: movieId 10 is already used on line 1; "
    "keep one of the two",
    ("u.genre", "a|0\nb|2\n"): "u.genre line 2: number '2' is out of order; "
    "number the genres 0, 1, 2 and so on; this one is 1",
    ("u.genre", "a|0\na|1\n"): "u.genre line 2: genre 'a' is repeated; "
    "number 0 has the same name; rename one of the two",
    ("u.genre", "a|0\nb\n"): "u.genre line 2 has 1 fields separated by |, expected 2; "
    "fix or delete the line",
    ("u.genre", "a|none\n"): "u.genre line 1: number 'none' is not a whole number; write 0",
    ("u.item", "10|" + "A" * 1_001 + "|||a|0|1|1\n"): "u.item line 1: the title has 1001 "
    "characters, the maximum is 1000; shorten it, or close its quotes",
}


@pytest.mark.parametrize(
    ("name", "text", "message"), [(*key, message) for key, message in FILM_ERRORS.items()]
)
def test_an_error_in_a_film_file_names_file_and_line(tmp_path, name, text, message):
    write(tmp_path, u_data=U_DATA, u_item=U_ITEM, u_genre=U_GENRE)
    write(tmp_path, **{name: text})
    assert read_error(tmp_path) == f"{tmp_path}/{message}"


def test_over_a_thousand_genres_are_an_error(tmp_path):
    genres = "|".join(f"g{number}" for number in range(1_001))
    write(tmp_path, ratings_dat=RATINGS_DAT, movies_dat=f"10::A::{genres}\n")
    assert read_error(tmp_path) == (
        f"{tmp_path}/movies.dat line 1: the file has over 1000 genres by this line; "
        "keep only genres in that column, separated by |"
    )
