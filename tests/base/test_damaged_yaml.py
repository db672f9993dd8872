"""config.yaml and study files damaged at random: read correctly or refused in one line.

The same damage in every run.
"""

from __future__ import annotations

import re
from decimal import Decimal

import optuna
import pytest
import yaml
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.runs.experiment import Experiment, read_experiment, write_experiment
from recsys_search.search.definition.study_file import load_study, spec_from_json, spec_to_json
from recsys_search.search.pruners.trial_pruner import TrialPruner

STUDY = """\
name: damaged
dataset: demo
split: {method: random, train: 0.8, validation: 0.1, test: 0.1, seed: 42}
objective:
  metric: val_rmse
  target: {metric: val_mse, below: 0.55, note: an MSE}
base:
  patience: 3
  hybrid.patience: 7
  amp: "off"
space:
  architecture: {choice: [two_tower, hybrid]}
  free_bits: {float: [0, 4]}
  hybrid.kl_weight: {float: [1e-3, 0.015], log: true}
  hybrid.bias: {choice: [false, true]}
  hybrid.dropout:
    float: [0.2, 0.5]
    when: {hybrid.bias: true}
  hybrid.hidden_dims:
    choice:
      - [512, 256, 128]
      - [1024, 512, 256, 128]
  two_tower.latent_dim: {int: [32, 128], step: 32}
known:
  - {name: defaults, architecture: two_tower}
  - name: by_hand
    architecture: hybrid
    hidden_dims: [512, 256, 128]
    kl_weight: 5e-3
    weight_decay: 1e-3
sampler: {tpe: {seed: 42, startup_trials: 10}}
pruners:
  - median: {startup_trials: 3, warmup_epochs: 10, interval_epochs: 1}
  - plateau: {chance: 0.05, checks: 2, delta: 0.001}
  - hyperband: {least_epochs: 1, most_epochs: 27, reduction_factor: 3}
  - budget: {seconds: 60}
trials: 8
timeout: 1h30m
"""

# Complaints about a whole file, or about what it lacks, which have no line to name.
WHOLE_FILE = ("the file is empty; ", " is missing; add it", "over 256 KiB")


def bomb(lowest, level):
    """Ten levels of aliases, each ten times the one below: a billion values on one line."""
    levels = [f"l0: &l0 {lowest}"]
    for n in range(1, 10):
        below = ", ".join(10 * [f"*l{n - 1}"])
        levels.append(f"l{n}: &l{n} {level.format(below)}")
    return f"{{{', '.join(levels)}}}"


# fmt: off
SCALARS = [
    "~", "null", "true", "no", "-1", "0", "1", "7", "1.5", "1e2", "-1e-9", "1e308", "-1e308",
    "1e400", ".nan", ".inf", "-.inf", "0x10", "1_0", "007", "1:30", "9" * 18, "9" * 20,
    "-" + "9" * 400, "9" * 5000, "2026-01-31", "'0.5'", '""', "' '", "text", "val_mse", "hybrid",
    "hybrid.bias", "x" * 300, "[]", "[1, 2]", "{}", "{a: 1}", "*nowhere", "&a 1", "!!int x",
    '"\\ud800"', '"a\\nb\\u2028c"', "\N{GRINNING FACE}",
]
VALUES = [
    *SCALARS, "", "[[1], [2]]", "[true, x]", "[0.1, .inf]", f"[{', '.join(300 * 'x')}]",
    "{a: 1, a: 2}", "{1: 2}", "{~: 1}", "{[1]: 2}", '{"a\\nb": 1}', "{? [a] : b}",
    "[" * 40 + "]" * 40, "[" * 500, "{a: " * 100, "- " * 100, "? " * 100,
    "&a [*a]", "&a {a: *a}", "{<<: {seed: 1}}", "{<<: 1}", "<<", "[&b 1, *b, *b]",
    "${NOWHERE}", "${", "x-${N:",
    bomb("[x]", "[{}]"), bomb("{x: 1}", "{{<<: [{}]}}"),
    "!!python/object/apply:os.system [exit]", "!!int ''", "!!bool x", "!!float ''", "!own x",
    "!!timestamp x", "!!binary x", "!!set {a}", "! x",
    '"open', "'open", "[1,", "{a:", "a: b: c", "@x", "`x", "%x", "- x", "|", ">", "# x", "&", "*",
    '"\\UFFFFFFFF"', '"\\x00"', "a\u2028b",
]
JUNK = [
    b"\0", b"\x07", b"\x7f", b"\xff\xfe", b"\xef\xbb\xbf", b"\xc2\x85", b"\r", b"\n", b"\r\n",
    b"\t", b"  ", b'"', b"'", b":", b": ", b"- ", b"#", b"{", b"}", b"[", b"]", b",", b"&a ",
    b"*a", b"!!str ", b"? ", b"|", b"=", b"<<: *a\n", b"%YAML 9.9\n", b"---\n", b"...\n",
    b"x" * 300_000,
]
# fmt: on


def put(draw, data):
    """Another value behind a key."""
    lines = data.split(b"\n")
    at = draw(st.integers(0, len(lines) - 1))
    key, colon, _ = lines[at].partition(b": ")
    lines[at] = key + (colon or b" ") + draw(st.sampled_from(VALUES)).encode()
    return b"\n".join(lines)


def swap(draw, data):
    """Another value, maybe within a list or a mapping on one line."""
    words = list(re.finditer(rb"(?<=[ \[{])[\w.+-]+(?=[,\]}\n])", data))
    if not words:
        return data
    word = draw(st.sampled_from(words))
    return data[: word.start()] + draw(st.sampled_from(SCALARS)).encode() + data[word.end() :]


def misspell(draw, data):
    """A name with two letters swapped."""
    words = list(re.finditer(rb"[a-z_]{3,}", data))
    if not words:
        return data
    start = draw(st.sampled_from(words)).start()
    return data[:start] + data[start + 1 : start + 2] + data[start : start + 1] + data[start + 2 :]


def repeat_line(draw, data):
    lines = data.splitlines(keepends=True) or [b""]
    line = draw(st.sampled_from(lines))
    at = draw(st.integers(0, len(lines)))
    return b"".join([*lines[:at], line, *lines[at:]])


def drop_line(draw, data):
    lines = data.splitlines(keepends=True) or [b""]
    at = draw(st.integers(0, len(lines) - 1))
    return b"".join(lines[:at] + lines[at + 1 :])


def indent(draw, data):
    lines = data.splitlines(keepends=True) or [b""]
    at = draw(st.integers(0, len(lines) - 1))
    lines[at] = draw(st.sampled_from([b" ", b"  ", b"\t", b""])) + lines[at].lstrip(b" ")
    return b"".join(lines)


def insert(draw, data):
    at = draw(st.integers(0, len(data)))
    return data[:at] + draw(st.sampled_from(JUNK)) + data[at:]


def flip(draw, data):
    at = draw(st.integers(0, max(len(data) - 1, 0)))
    return data[:at] + bytes([draw(st.integers(0, 255))]) + data[at + 1 :]


def truncate(draw, data):
    return data[: draw(st.integers(0, len(data)))]


def recode(draw, data):
    encoding = draw(st.sampled_from(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-8-sig"]))
    return data.decode("utf-8", "replace").encode(encoding, "replace")


ACCIDENTS = [put, swap, misspell, repeat_line, drop_line, indent, insert, flip, truncate, recode]
# What a person gets wrong comes most often.
OFTEN = [put, put, put, swap, swap, swap, swap, *ACCIDENTS]


@st.composite
def damage(draw, data):
    """`data` with one or two random damages."""
    for _ in range(draw(st.integers(1, 2))):
        data = draw(st.sampled_from(OFTEN))(draw, data)
    return data


def damaged(data, n):
    """Calls a test with `n` damaged versions of `data`."""
    steady = settings(
        max_examples=n,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate, Phase.shrink],  # without tracing every line, which is slow
        suppress_health_check=list(HealthCheck),
    )
    return lambda test: steady(given(data=damage(data))(test))


@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_a_damaged_config_is_read_correctly_or_refused_in_one_line(tmp_path, architecture):
    path = tmp_path / "config.yaml"
    outcomes = []
    write_experiment(path, exported(architecture))

    @damaged(path.read_bytes(), 300)
    def check(data):
        path.write_bytes(data)
        try:
            experiment = read_experiment(path)
        except ConfigError as error:
            outcomes.append("refused")
            assert_is_good_message(str(error), path)
        else:
            outcomes.append("read")
            assert_as_written(experiment, path)
            write_experiment(path, experiment)
            assert repr(read_experiment(path)) == repr(experiment)
        assert [entry.name for entry in tmp_path.iterdir()] == ["config.yaml"]

    check()
    assert len(outcomes) >= 280
    assert 20 <= outcomes.count("read") <= len(outcomes) - 150


def test_a_damaged_study_can_be_run_or_is_refused_in_one_line(tmp_path):
    path = tmp_path / "study.yaml"
    outcomes = []

    @damaged(STUDY.encode(), 400)
    def check(data):
        path.write_bytes(data)
        try:
            spec = load_study(str(path))
        except ConfigError as error:
            outcomes.append("refused")
            assert_is_good_message(str(error), path)
        else:
            outcomes.append("read")
            assert spec_from_json(spec_to_json(spec)) == spec
            assert_can_be_run(spec)
        assert [entry.name for entry in tmp_path.iterdir()] == ["study.yaml"]

    check()
    assert len(outcomes) >= 380
    assert 10 <= outcomes.count("read") <= len(outcomes) - 200


def exported(architecture):
    """As `best --export` writes it."""
    return Experiment(
        config=build_config(architecture, learning_rate=1e-5),
        dataset="/données/ml-latest-small",
        split=SplitSpec(),
        fingerprint="0123456789abcdef",
        origin={"study": "mine", "trial": 7},
        metrics={"val_rmse": 0.8155, "best_epoch": 3, "noise_rmse": None},
        environment={"torch": "2.13.0", "commit": None, "threads": 2},
    )


def assert_is_good_message(message, path):
    assert message.isprintable()
    assert len(message) < 700 + len(str(path))
    found = re.fullmatch(rf"{re.escape(str(path))}( line [1-9][0-9]*)?: (.*)", message)
    assert found, message
    line, complaint = found.groups()
    assert line or any(words in complaint for words in WHOLE_FILE), message
    # Either way a reader knows what would work.
    assert " must " in complaint or "; " in complaint, message


def assert_as_written(experiment, path):
    """The values equal those that an untyped YAML reader finds in the file."""
    document = yaml.load(path.read_bytes(), yaml.BaseLoader)
    data = document["data"]
    for config, written in (
        (experiment.config, document["config"]),
        (experiment.split, data.get("split", {})),
    ):
        for name in written.keys() - {"<<"}:
            assert_same(getattr(config, name), written[name])
    assert experiment.dataset == data["dataset"]
    assert_same(experiment.fingerprint, data.get("fingerprint", "null"))


def assert_same(value, text):
    if text in ("", "~", "null"):  # then there is a default
        assert not isinstance(value, str) or value == text
    elif isinstance(value, bool):
        assert text in (("true", "yes", "1") if value else ("false", "no", "0"))
    elif isinstance(value, int):
        assert Decimal(text) == value
    elif isinstance(value, float):
        assert float(text) == value
    elif isinstance(value, tuple):
        assert [Decimal(each) for each in text] == list(value)
    else:
        assert value == text


def assert_can_be_run(spec):
    sampler = optuna.samplers.RandomSampler(seed=0)
    study = optuna.create_study(sampler=sampler, pruner=TrialPruner(spec.pruners))
    for known in spec.known_trials():
        study.enqueue_trial(known.params)
    for _ in range(4):
        trial = study.ask()
        values = spec.space.suggest(trial)
        assert spec.space.values_of(trial.params) == values
        spec.config(values)
        trial.report(1.0, step=1)
        trial.should_prune()
