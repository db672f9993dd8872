"""YAML with line numbers: what is refused, what plain scalars mean, and what is written."""

from __future__ import annotations

import math

import pytest
import yaml
from recsys_search.base.yaml_file import YamlFile, dump_yaml
from recsys_search.base.yaml_loader import MAX_BYTES, MAX_DEPTH
from recsys_search.errors import ConfigError


@pytest.fixture
def read(tmp_path):
    def read(text):
        path = tmp_path / "mine.yaml"
        path.write_bytes(text if isinstance(text, bytes) else text.encode())
        return YamlFile(path)

    return read


@pytest.fixture
def refusal(read, tmp_path):
    """The error for a text, without the folder in front of the file's name."""

    def refusal(text):
        with pytest.raises(ConfigError) as caught:
            read(text)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return refusal


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # No YAML, or no mapping.
        ("", "mine.yaml: the file is empty; write `key: value` lines"),
        ("# nothing but a comment\n", "mine.yaml: the file is empty"),
        ("- demo\n", "mine.yaml line 1: not a mapping of keys to values; write `key: value` lines"),
        ("3", "mine.yaml line 1: not a mapping"),
        (
            "a: demo\nb: [1\n",
            "mine.yaml line 3: not valid YAML: while parsing a flow sequence from line 2, expected",
        ),
        (
            'a: "x\nb: 1\n',
            "mine.yaml line 3: not valid YAML: while scanning a quoted scalar from line 1, found",
        ),
        ("a:\n\t- b\n", "mine.yaml line 2: not valid YAML: found character '\\t' that cannot"),
        ("a: 1\n---\nb: 2\n", "mine.yaml line 2: not valid YAML: expected a single document"),
        ("a: *b\n", "mine.yaml line 1: not valid YAML: found undefined alias"),
        ('a: 1\nb: "\\UFFFFFFFF"', "mine.yaml line 2: not valid YAML: a number in an escape"),
        ("a: 1\nb: \x00\n", "mine.yaml line 2: not valid YAML: character '\\x00' is not allowed; "),
        ("a: 1\rb: \x07", "mine.yaml line 2: not valid YAML: character '\\x07' is not allowed"),
        (b"a: 1\nb: \xff\n", "mine.yaml line 2: byte 0xff is not UTF-8; save the file as UTF-8"),
        ("a: b".encode("utf-16"), "mine.yaml line 1: byte 0xff is not UTF-8; save"),
        # Keys.
        ("a: 1\nb: 2\na: 3\n", "mine.yaml line 3: a is already on line 1; keep one of the two"),
        ("a:\n  - b: 1\n    b: 1", "mine.yaml line 3: b is already on line 2"),
        ('"a\\nb": 1\n"a\\nb": 1', "mine.yaml line 2: 'a\\nb' is already on line 1"),
        ("a: {1: 2}", "mine.yaml line 1: a key must be text, got 1"),
        ("a:\n  ~: 2", "mine.yaml line 2: a key must be text, got ~"),
        ("{[a]: 2}", "mine.yaml line 1: a key must be text, got a sequence"),
        # More than it seems.
        (
            "a: 1\nb: !!int x",
            "mine.yaml line 2: !!int is a tag, and tags are not supported; remove it",
        ),
        ("a: !!python/name:os.system", "mine.yaml line 1: !!python/name:os.system is a tag"),
        (
            "a:\n  b: &b [1, *b]",
            "mine.yaml line 2: contains an alias of itself; write the value out",
        ),
        ("a: " + 5000 * "[", "mine.yaml line 1: nested over 50 levels deep; check the brackets"),
        ("a: 9223372036854775808", "mine.yaml line 1: 9223372036854775808 exceeds 64 bits; "),
        ("a: -" + 5000 * "9", "mine.yaml line 1: -" + 56 * "9" + "... exceeds 64 bits; write"),
        (
            "# " + MAX_BYTES * "x",
            "mine.yaml: over 256 KiB, more than a config or study needs; name another file",
        ),
    ],
)
def test_invalid_yaml_is_refused_with_its_line(refusal, text, message):
    assert refusal(text).startswith(message)
    assert "; " in refusal(text) or " must " in refusal(text)  # what would work


# Each line holds ten times the values of the one before: 2, 21, 211, ..., 211,111 on the sixth.
# A merge key adds one to each.
LIST_BOMB = "l0: &l0 [x]\n" + "".join(
    f"l{n}: &l{n} [{', '.join(10 * [f'*l{n - 1}'])}]\n" for n in range(1, 10)
)
MERGE_BOMB = "l0: &l0 {x: 1}\n" + "".join(
    f"l{n}: &l{n} {{<<: [{', '.join(10 * [f'*l{n - 1}'])}]}}\n" for n in range(1, 10)
)


@pytest.mark.parametrize("text", [LIST_BOMB, MERGE_BOMB], ids=["lists", "merge keys"])
def test_aliases_of_aliases_are_counted_before_they_are_followed(refusal, text):
    assert refusal(text).startswith(
        "mine.yaml line 6: over 100000 values or 50 levels with aliases "
    )


def test_aliases_count_towards_the_depth_limit(refusal, read):
    deep, deeper = (30 * "[" + inner + 30 * "]" for inner in ("x", "*a"))
    read(f"a: &a {deep}")
    assert refusal(f"a: &a {deep}\nb: {deeper}").startswith("mine.yaml line 2: over 100000 values")
    read("a: " + (MAX_DEPTH - 2) * "[" + "x" + (MAX_DEPTH - 2) * "]")


def test_plain_scalars_are_read_as_yaml_1_2_does(read):
    data = read(
        "text: [no, off, 2026-01-31, 1:30, 0x10, 'true', \"1\"]\n"
        "numbers: [1e-4, 1., .5, 5, -0, +3, 1_000, -.inf]\n"
        "others: [true, False, ~, null, ]\n"
        "nothing:\n"
    ).data
    assert data["text"] == ["no", "off", "2026-01-31", "1:30", "0x10", "true", "1"]
    assert data["numbers"] == [1e-4, 1.0, 0.5, 5, 0, 3, 1000, -math.inf]
    assert data["others"] == [True, False, None, None]
    assert data["nothing"] is None


def test_a_byte_order_mark_and_windows_line_ends_are_accepted(read, refusal):
    assert read(b"\xef\xbb\xbfa: 1\r\nb: 2\r\n").data == {"a": 1, "b": 2}
    assert refusal(b"\xef\xbb\xbfa: 1\r\na: 2\r\n").startswith("mine.yaml line 2: a is already on")


@pytest.mark.parametrize(
    ("at", "line"),
    [
        (("b", "c"), 4),
        (("b", "list", 1, "x"), 7),
        (("b", "list", 1, "y"), 7),
        (("b", "missing"), 3),
        (("own", "c"), 10),  # its own c comes after the merged one
        (("own", "list"), 5),
        ((), None),
        (("missing",), None),
    ],
)
def test_an_error_names_the_line_of_the_deepest_key_in_the_file(read, at, line):
    text = """\
# a comment
a: 1
b: &b
  c: 2
  list:
    - x: 1
    - x: 2
own:
  <<: *b
  c: 3
"""
    file = read(text)
    where = file.path if line is None else f"{file.path} line {line}"
    assert str(file.refusal_at(at, "no good")) == f"{where}: no good"


def test_a_missing_file_is_left_to_the_caller(tmp_path):
    with pytest.raises(FileNotFoundError):
        YamlFile(tmp_path / "none.yaml")


def test_a_folder_is_refused(tmp_path):
    with pytest.raises(
        ConfigError, match=r": cannot be read: Is a directory; name a readable file"
    ):
        YamlFile(tmp_path)


def test_written_yaml_is_read_the_same_by_yaml_1_1_and_1_2(read):
    document = {
        # Text to both, but in quotes: without them one of the two would read something else.
        "text": ["no", "2026-01-31", "1:30", "0x10", "017", "=", "1e5", "1234e5", "0999", "<<", ""],
        "numbers": [1e-5, 1e16, 1e300, -0.5, 3, 2**62, math.inf],
        "others": [True, False, None],
    }
    text = dump_yaml(document)
    assert read(text).data == document
    assert yaml.safe_load(text) == document


def test_a_shared_list_is_written_twice():
    shared = [1, 2]
    assert "&" not in dump_yaml({"a": shared, "b": shared})


def test_other_users_of_pyyaml_are_not_affected():
    assert yaml.safe_load("a: 1e5\nb: no") == {"a": "1e5", "b": False}
    assert yaml.safe_dump({"a": "1e5"}) == "a: 1e5\n"


def test_variables_stay_as_they_are_written_under_the_keys_that_say_so(tmp_path, monkeypatch):
    monkeypatch.setenv("SECRET", "hush")
    path = tmp_path / "file.yaml"
    path.write_text('notify: ["json://${SECRET}@${UNSET}", {a: ${SECRET}}]\nname: ${SECRET}\n')
    file = YamlFile(path, verbatim=("notify",))
    assert file.data == {
        "name": "hush",
        "notify": ["json://${SECRET}@${UNSET}", {"a": "${SECRET}"}],
    }
    assert file.line_of(("notify", 0)) == 1
