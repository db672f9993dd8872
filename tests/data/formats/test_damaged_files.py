"""Randomly damaged files are read or give a one-line error. Every run has the same damage."""

from __future__ import annotations

import re

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from recsys_search.data.formats.ratings_files import read_ratings
from recsys_search.data.ratings import Ratings
from recsys_search.errors import DataError

FLAGS = "|0" * 18
FOLDERS = {
    "csv": {
        "ratings.csv": "userId,movieId,rating,timestamp\n"
        "1,10,3.5,964982703\n1,20,4.0,964981247\n2,10,0.5,964982224\n",
        "movies.csv": "movieId,title,genres\n10,Toy Story (1995),Animation|Comedy\n"
        '20,"Misérables, Les (1998)",(no genres listed)\n',
        "users.csv": "userId,age,gender,occupation,groups\n1,24,M,writer,plan:pro|DE\n2,,F,,\n",
    },
    "dat": {
        "ratings.dat": "1::10::3.5::964982703\n1::20::4::964981247\n2::10::0.5::964982224\n",
        "movies.dat": "10::Toy Story (1995)::Animation|Comedy\n20::Misérables, Les::Drama\n",
        "users.dat": "1::F::1::10::48067\n2::M::56::16::70072\n",
    },
    "100k": {
        "u.data": "1\t10\t3\t964982703\n1\t20\t4\t964981247\n2\t10\t1\t964982224\n",
        "u.item": f"10|Toy Story (1995)|01-Jan-1995||http://a|1{FLAGS}\n"
        f"20|Misérables, Les|25-Dec-1998||http://b|1{FLAGS}\n",
        "u.genre": "".join(f"genre {number}|{number}\n" for number in range(19)),
        "u.user": "1|24|M|technician|85711\n2|53|F|other|94043\n",
    },
}
FILES = [(kind, name) for kind, files in FOLDERS.items() for name in files]

# Errors about a whole file, which name no line.
WHOLE_FILE = ("is empty", "has no ratings", "has no column", "columns named")

# fmt: off
JUNK = st.sampled_from([
    b"\0", b"\xff\xfe", b"\xef\xbb\xbf", b"\r", b"\n", b"\r\n", b'"', b'""', b",", b"::", b"\t",
    b"|", b"|||", b"nan", b"inf", b"-", b"1e999999", b"1e-999999", b"9" * 400, b"x" * 140_000,
    "\u0663\u2028\x85".encode(), b"\x85", b"\x1a", b"\x1c", b" ", b"True", b"0x10", b"1_0",
    b"%s%n", b"=1+1", b"{line}",
])
# fmt: on


@st.composite
def damage(draw, data):
    """`data` after one to four kinds of damage."""
    for _ in range(draw(st.integers(1, 4))):
        kind = draw(st.sampled_from(sorted(DAMAGE_KINDS)))
        data = DAMAGE_KINDS[kind](draw, data)
    return data


def flip(draw, data):
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def insert(draw, data):
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(JUNK) + data[at:]


def drop_field(draw, data):
    fields = re.split(rb"(,|::|\t|\||\n)", data)
    at = draw(st.integers(0, len(fields) - 1))
    return b"".join(fields[:at] + fields[at + 1 :])


def repeat_line(draw, data):
    lines = data.splitlines(keepends=True) or [b""]
    line = draw(st.sampled_from(lines))
    at = draw(st.integers(0, len(lines)))
    return b"".join([*lines[:at], line, *lines[at:]])


def truncate(draw, data):
    return data[: draw(st.integers(0, len(data)))]


def recode(draw, data):
    encoding = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "latin-1", "cp1252"]))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


DAMAGE_KINDS = {
    "flip": flip,
    "insert": insert,
    "drop field": drop_field,
    "repeat line": repeat_line,
    "truncate": truncate,
    "recode": recode,
}


@pytest.mark.parametrize(("kind", "name"), FILES, ids=[name for _, name in FILES])
def test_a_damaged_file_is_read_or_gives_a_one_line_error(tmp_path, kind, name):
    outcomes = []
    for other, text in FOLDERS[kind].items():
        (tmp_path / other).write_text(text, encoding="utf-8")
    assert len(read_ratings(tmp_path)) == 3  # before the damage

    @settings(
        max_examples=250,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(data=damage(FOLDERS[kind][name].encode()))
    def check(data):
        (tmp_path / name).write_bytes(data)
        try:
            ratings = read_ratings(tmp_path)
        except DataError as error:
            outcomes.append("error")
            assert_clear_error(str(error), tmp_path, name)
        else:
            outcomes.append("read")
            assert isinstance(ratings, Ratings)
        assert {entry.name for entry in tmp_path.iterdir()} == set(FOLDERS[kind])

    check()
    assert len(outcomes) >= 200
    assert set(outcomes) == {"error", "read"}


def assert_clear_error(message, folder, name):
    assert message.isprintable() or "\n" not in message
    assert len(message.splitlines()) == 1
    assert len(message) < 500 + len(str(folder))
    # A damaged u.genre may also show as a mismatch of u.item's flags.
    names = {name, "u.item"} if name == "u.genre" else {name}
    path = next((name for name in names if message.startswith(f"{folder / name}")), None)
    assert path, message
    line = re.match(rf"{re.escape(str(folder / path))} line [1-9][0-9]*[ :]", message)
    assert line or any(words in message for words in WHOLE_FILE), message
    assert "; " in message, message  # the remedy
