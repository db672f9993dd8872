"""Environment variables in the values of a YAML file, and keys that only hold anchors."""

from __future__ import annotations

import pytest
from pydantic import ValidationError
from recsys_search.base.strict import Strict
from recsys_search.base.yaml_file import YamlFile, dump_yaml
from recsys_search.base.yaml_loader import MAX_BYTES
from recsys_search.errors import ConfigError


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Reads a text with these environment variables."""

    def read(text, **variables):
        for name in ("UNSET", "N"):
            monkeypatch.delenv(name, raising=False)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return YamlFile(path)

    return read


@pytest.fixture
def refusal(read, tmp_path):
    def refusal(text, **variables):
        with pytest.raises(ConfigError) as caught:
            read(text, **variables)
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return refusal


@pytest.mark.parametrize(
    ("written", "value", "expected"),
    [
        ("${N}", "20", 20),
        ("${N}", " 20\n", 20),  # as if it were written there
        ("${N:-30}", "20", 20),
        ("${N}", "1e-4", 1e-4),
        ("${N}", "true", True),
        ("${N}", "", None),
        ("${N}", "demo", "demo"),
        ("${N}${N}", "2", 22),
        ("-${N}.5", "2", -2.5),
        ("demo:${N}k", "20", "demo:20k"),
        ("'${N}'", "20", "20"),
        ('"${N}"', "true", "true"),
        ('"${N}"', "", ""),
        ('"${N}"', " 2 ", " 2 "),
        ("|-\n  ${N}\n", "20", "20"),
    ],
)
def test_a_plain_value_is_typed_as_if_it_were_written_there(read, written, value, expected):
    data = read(f"a: {written}\n", N=value).data
    assert (data["a"], type(data["a"])) == (expected, type(expected))


@pytest.mark.parametrize(
    ("written", "unset", "empty"),
    [
        ("${N:-20}", 20, 20),
        ("${N-20}", 20, None),
        ('"${N-20}"', "20", ""),
        ("${N:-}", None, None),
        ("${N:-a: b, [c] #d}", "a: b, [c] #d", "a: b, [c] #d"),
        ("${N:-$5}", "$5", "$5"),
        ("${N:-$${X}", "${X", "${X"),
    ],
)
def test_a_default_replaces_an_unset_variable_and_after_a_colon_an_empty_one(
    read, written, unset, empty
):
    assert read(f"a: {written}\n").data == {"a": unset}
    assert read(f"a: {written}\n", N="").data == {"a": empty}


def test_a_variable_needs_no_quotes_in_a_flow_mapping(read):
    text = "base: {architecture: mf, max_epochs: ${N:-30}, more: [${N-1}, ${N:-[}, $${N}]}"
    assert read(text).data["base"] == {
        "architecture": "mf",
        "max_epochs": 30,
        "more": [1, "[", "${N}"],
    }
    assert read(text, N="7").data["base"]["max_epochs"] == 7


@pytest.mark.parametrize(
    "value", ["a: b", "[1, 2]", "{a: 1}", "x # y", "'1'", "*a", "a\nb: 1", "$$"]
)
def test_a_value_is_never_parsed_as_structure(read, value):
    assert read("a: ${N}\nb: [${N}]", N=value).data == {"a": value, "b": [value]}


def test_a_value_is_not_searched_for_variables(read):
    assert read("a: ${N}", N="${UNSET}").data == {"a": "${UNSET}"}


@pytest.mark.parametrize("text", ["$", "$5", "$N", "a$$b", "$$", "$(N)", "100$"])
def test_a_value_without_a_variable_stays_as_it_is(read, text):
    assert read(f"a: {text}\nb: '{text}'", N="1").data == {"a": text, "b": text}


def test_two_dollars_next_to_a_variable_are_one(read):
    assert read("a: $${N}\nb: $$${N} $N\nc: $$$${N}", N="1").data == {
        "a": "${N}",
        "b": "$1 $N",
        "c": "$${N}",
    }


def test_keys_and_comments_have_no_variables(read):
    text = "${UNSET}: 1  # ${UNSET}\nb: &b x${N}\nc: {*b : ${N}}\n"
    assert read(text, N="2").data == {"${UNSET}": 1, "b": "x2", "c": {"x${N}": 2}}


def test_an_anchor_is_substituted_wherever_it_is_used(read):
    text = "a: &a ${N}\nb: [*a, &m {c: ${N}}]\nd: {<<: *m, e: *a}\n"
    assert read(text, N="3").data == {"a": 3, "b": [3, {"c": 3}], "d": {"c": 3, "e": 3}}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "a: 1\nb: [1, ${UNSET}]",
            "mine.yaml line 2: variable UNSET is not set; set it, or write ${UNSET:-default} "
            "(as literal text: $${UNSET})",
        ),
        ("a: {b: '${UNSET}'}", "mine.yaml line 1: variable UNSET is not set"),
        (
            "a: 1\nb: ${1x}",
            "mine.yaml line 2: '${1x}' does not start with a variable; write ${NAME} or "
            "${NAME:-default}, or $${ for a literal ${",
        ),
        ("a: '${'", "mine.yaml line 1: '${' does not start with a variable"),
        ("a: ${}", "mine.yaml line 1: '${}' does not start"),
        ("a: ${N", "mine.yaml line 1: '${N' does not start"),
        ("a: {b: ${N:+1}}", "mine.yaml line 1: '${N:+1}' does not start"),
        ("a: ${ N }", "mine.yaml line 1: '${ N }' does not start"),
        ("a: ${N:-${UNSET}}", "mine.yaml line 1: '${N:-${UNSET}}' does not start"),
        ("a: \ufdd0", "mine.yaml line 1: not valid YAML: character '\\ufdd0' is not allowed"),
    ],
)
def test_what_is_no_variable_with_a_value_is_refused_with_its_line(refusal, text, message):
    assert refusal(text).startswith(message)


@pytest.mark.parametrize(("value", "shown"), [("a\x07", "'\\x07'"), ("\udcff", "'\\udcff'")])
def test_a_value_that_no_file_may_contain_is_refused(refusal, value, shown):
    assert refusal("a: ${N}", N=value) == (
        f"mine.yaml line 1: variable N has the character {shown}, which is not allowed; "
        "set it to printable text"
    )


@pytest.mark.parametrize("text", ["a: " + 300 * "${N}", "b: x\na:\n" + 300 * "  - ${N}\n"])
def test_the_limit_on_size_holds_with_the_values(refusal, read, text):
    assert "too long with the values of its variables" in refusal(text, N=MAX_BYTES // 290 * "x")
    read(text, N=MAX_BYTES // 310 * "x")


def test_the_limits_on_numbers_hold_for_values(refusal):
    assert "exceeds 64 bits" in refusal("a: ${N}", N="9" * 30)


@pytest.mark.parametrize("text", ["${N}", "/data/${N}/x", "$${N}", "$$", "a$$${", "$"])
def test_text_that_is_written_is_read_the_same(read, text):
    document = {"a": text, "b": [{"c": text}], text: 1}
    assert read(dump_yaml(document), N="7").data == document


# Keys that are ignored.


def test_a_key_that_starts_with_x_holds_anchors_and_is_ignored(read):
    text = (
        "x-notes: [anything, {1: ${UNSET}}, 99999999999999999999999]\n"
        "x-small: &small {batch_size: 100, seed: ${N}}\n"
        "base:\n  <<: *small\n  seed: 2\n"
    )
    assert read(text, N="1").data == {"base": {"batch_size": 100, "seed": 2}}


def test_only_top_level_keys_are_ignored_merged_ones_included(read):
    text = "x-all: &all {x-more: 1, trials: 2}\n<<: *all\nbase: {x-here: 3}\n"
    assert read(text).data == {"trials": 2, "base": {"x-here": 3}}


def test_an_ignored_key_may_not_be_repeated(refusal):
    assert "x-a is already on line 1" in refusal("x-a: 1\nx-a: 2")


def test_what_an_anchor_holds_is_checked_where_it_is_used(refusal):
    text = "x-a: &a\n  lr: ${UNSET}\nbase: *a\n"
    assert refusal(text).startswith("mine.yaml line 2: variable UNSET is not set")


@pytest.mark.parametrize(
    ("text", "has_hint"),
    [
        ("common: &c {trials: 1}", True),
        ("common:\n  small: &s {trials: 1}\n  large: {}\n", True),
        ("common: {trials: 1}\nother: &s 1\n", False),
    ],
)
def test_the_error_for_an_unknown_key_says_where_anchors_go(read, text, has_hint):
    class Document(Strict):
        trials: int = 1

    file = read(text)
    with pytest.raises(ValidationError) as caught:
        Document.model_validate(file.data)
    message = str(file.refusal(caught.value))
    assert "line 1: common: unknown key; " in message
    assert message.endswith(" (if it only holds anchors, name it x-common)") == has_hint
