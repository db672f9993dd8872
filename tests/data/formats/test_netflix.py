"""The files of the Netflix Prize."""

from __future__ import annotations

import pytest
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.errors import DataError

FIRST = "1:\n1488844,3,2005-09-06\n822109,5,2005-05-13\n2:\n1488844,4,2005-09-05\n"
SECOND = "3:\n822109,1,2004-01-01\n"
TITLES = "1,2003,Dinosaur Planet\n2,NULL,Isle of Man TT, 2004 Review\n3,1997,Caf\xe9\n"


def write(folder, **files):
    for name, text in files.items():
        (folder / f"{name}.txt").write_text(text)
    (folder / "movie_titles.csv").write_text(TITLES, encoding="latin-1")


def assert_read(ratings):
    assert ratings.user_ids.tolist() == [822109, 1488844]
    assert ratings.films.ids.tolist() == [1, 2, 3]
    assert ratings.user.tolist() == [0, 0, 1, 1]
    assert ratings.rating.tolist() == [5, 1, 3, 4]
    assert ratings.timestamp.tolist()[0] == 1115942400
    assert ratings.films.titles.tolist() == [
        "Dinosaur Planet",
        "Isle of Man TT, 2004 Review",
        "Café",
    ]
    assert ratings.films.year.tolist() == [2003, 0, 1997]


def test_the_combined_files_are_read_in_order(tmp_path):
    write(tmp_path, combined_data_1=FIRST, combined_data_2=SECOND)
    assert_read(read_ratings(tmp_path))


def test_one_file_per_film_is_read(tmp_path):
    write(tmp_path)
    (tmp_path / "training_set").mkdir()
    blocks = (FIRST + SECOND).split(":\n")
    for film in (1, 2, 3):
        body = blocks[film].rpartition("\n")[0] if film < 3 else blocks[film]
        text = f"{film}:\n{body.strip()}\n"
        (tmp_path / "training_set" / f"mv_{film:07}.txt").write_text(text)
    assert_read(read_ratings(tmp_path))


def test_blank_lines_at_the_end_of_a_film_do_not_matter(tmp_path):
    write(tmp_path, combined_data_1=FIRST.replace("2:", "\n\n2:") + "\n\n", combined_data_2=SECOND)
    assert_read(read_ratings(tmp_path))


def test_a_small_chunk_gives_the_same_ratings(tmp_path, monkeypatch):
    monkeypatch.setattr("recsys_search.data.formats.netflix._CHUNK_BYTES", 25)
    write(tmp_path, combined_data_1=FIRST, combined_data_2=SECOND.rstrip())
    assert_read(read_ratings(tmp_path))


def test_one_combined_file_can_be_named(tmp_path):
    write(tmp_path, combined_data_1=FIRST.replace("\n", "\r\n"))
    ratings = read_ratings(tmp_path / "combined_data_1.txt")
    assert (len(ratings), ratings.name) == (3, "combined_data_1")


@pytest.mark.parametrize(
    ("text", "line", "shown"),
    [
        (FIRST + "1488844,three,2005-09-06\n", 6, "'1488844,three,2005-09-06'"),
        (FIRST + "3:\n5,3\n", 7, "'5,3'"),
        ("1:\n5,3,2005-09-06\n6,,2005-09-06\n", 3, "'6,,2005-09-06'"),
        ("1:\n5,3,2005-09-06\n\n6,3,2005-09-06\n", 3, "''"),
        ("5,3,2005-09-06\n1:\n", 1, "'5,3,2005-09-06'"),
        (FIRST + "7;3;2005-09-06\n", 6, "'7;3;2005-09-06'"),
    ],
)
def test_an_invalid_line_is_named(tmp_path, text, line, shown):
    write(tmp_path, combined_data_1=text)
    with pytest.raises(DataError) as caught:
        read_ratings(tmp_path)
    assert str(caught.value) == (
        f"{tmp_path}/combined_data_1.txt line {line}: {shown} is neither a film such as 1: nor a "
        "rating such as 1488844,3,2005-09-06; fix or delete the line"
    )


def test_a_repeated_pair_is_named_with_its_lines(tmp_path):
    write(tmp_path, combined_data_1=FIRST, combined_data_2=SECOND + "1:\n822109,2,2004-01-01\n")
    with pytest.raises(DataError) as caught:
        read_ratings(tmp_path)
    assert str(caught.value).startswith(
        f"{tmp_path}/combined_data_2.txt line 4: user 822109 already rated film 1 on line 3; "
    )


def test_titles_of_another_form_are_an_error(tmp_path):
    write(tmp_path, combined_data_1=FIRST)
    (tmp_path / "movie_titles.csv").write_text("1,2003,A\nB\n")
    with pytest.raises(DataError, match=r"movie_titles\.csv line 2: 'B' has another form than "):
        read_ratings(tmp_path)
