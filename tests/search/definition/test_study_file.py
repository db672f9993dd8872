import json
import os
from threading import Thread

import optuna
import pytest
from recsys_search.errors import ConfigError, StudyError
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.definition.durations import parse_duration
from recsys_search.search.definition.study_file import (
    builtin_studies,
    load_study,
    spec_from_json,
    spec_to_json,
)

STUDY = """\
dataset: demo
base:
  patience: 3
  hybrid.patience: 7
  two_tower.max_epochs: 9
space:
  architecture: {choice: [two_tower, hybrid]}
  free_bits: {float: [0, 4]}
  hybrid.kl_weight: {float: [1e-3, 0.015], log: true}
  hybrid.bias: {choice: [false, true]}
  hybrid.dropout: {float: [0.2, 0.5], when: {hybrid.bias: true}}
  hybrid.hidden_dims:
    choice:
      - [512, 256, 128]
      - [1024, 512, 256, 128]
known:
  - {name: defaults, architecture: two_tower}
  - name: by_hand
    architecture: hybrid
    hidden_dims: [512, 256, 128]
    kl_weight: 5e-3
    dropout: 0.1
    weight_decay: 1e-3
pruners:
  - median: {startup_trials: 3}
trials: 8
timeout: 1h30m
"""


@pytest.fixture
def load(tmp_path):
    def load(text):
        path = tmp_path / "mine.yaml"
        path.write_text(text, encoding="utf-8")
        return load_study(str(path))

    return load


@pytest.fixture
def refusal(load, tmp_path):
    """The error on STUDY with one thing changed, without the folder in front of the file's name."""

    def refusal(old, new):
        assert STUDY.count(old) == 1
        with pytest.raises(ConfigError) as caught:
            load(STUDY.replace(old, new))
        return str(caught.value).removeprefix(f"{tmp_path}/")

    return refusal


def test_a_study_is_named_after_its_file_unless_it_has_a_name(load):
    assert load(STUDY).name == "mine"
    assert load(STUDY + "name: other\n").name == "other"


@pytest.fixture
def descriptor():
    """The path of a pipe that holds a text, as a shell's `<(...)` is."""
    opened = []

    def descriptor(text):
        reader, writer = os.pipe()
        opened.append(reader)
        os.write(writer, text.encode())
        os.close(writer)
        return f"/dev/fd/{reader}"

    yield descriptor
    for each in opened:
        os.close(each)


def test_a_study_is_read_from_a_pipe_once_and_named_in_the_file(descriptor):
    assert load_study(descriptor(STUDY + "name: piped\n")).name == "piped"


def test_a_study_from_a_descriptor_must_have_a_name(descriptor, tmp_path):
    path = descriptor(STUDY)
    message = (
        "name is missing, and a pipe has no file name to take instead; add a line such as `name:"
    )
    with pytest.raises(ConfigError, match=f"^{path}: {message}"):
        load_study(path)
    (tmp_path / "mine.yaml").write_text(STUDY)
    with (tmp_path / "mine.yaml").open() as file, pytest.raises(ConfigError, match="is missing"):
        load_study(f"/dev/fd/{file.fileno()}")


def test_a_study_from_a_named_pipe_is_named_after_it(tmp_path):
    os.mkfifo(tmp_path / "mine.yaml")
    writer = Thread(target=(tmp_path / "mine.yaml").write_text, args=[STUDY])
    writer.start()
    assert load_study(str(tmp_path / "mine.yaml")).name == "mine"
    writer.join()


def test_an_error_in_a_study_from_a_pipe_names_its_line(descriptor):
    path = descriptor("name: piped\ntrails: 1\n")
    with pytest.raises(
        ConfigError, match=rf"^{path} line 2: trails: unknown key; did you mean trials"
    ):
        load_study(path)


def test_variables_reach_the_study_as_values(load, monkeypatch):
    monkeypatch.setenv("TRIALS", "5")
    text = STUDY.replace("trials: 8", "trials: ${TRIALS}").replace("1h30m", "${TIMEOUT:-2h}")
    spec = load(text)
    assert (spec.trials, spec.timeout) == (5, "2h")
    assert "$" not in spec_to_json(spec)


def test_anchors_are_kept_in_a_key_that_is_ignored(load):
    text = STUDY.replace("base:\n", "x-small: &small {seed: 3}\nbase:\n  <<: *small\n")
    assert load(text).base["seed"] == 3


def test_fields_of_a_study_have_defaults(load):
    spec = load("dataset: demo\nbase: {architecture: hybrid}\nspace: {}\ntrials: 1\n")
    assert (spec.split.train, spec.split.seed) == (0.8, 42)
    assert (spec.objective.metric, spec.objective.target) == ("val_rmse", None)
    assert spec.sampler.auto.startup_trials == 10
    assert (spec.pruners, spec.known, spec.timeout) == ((), (), None)


def test_values_override_fixed_fields_the_base_and_defaults_in_this_order(load):
    spec = load(STUDY)
    config = spec.config({"architecture": "hybrid", "free_bits": 1.0}, {"grad_clip": 2, "seed": 7})
    assert config == build_config("hybrid", patience=7, free_bits=1, grad_clip=2, seed=7)
    config = spec.config({"architecture": "two_tower", "patience": 5}, {"patience": 4})
    assert config == build_config("two_tower", patience=5, max_epochs=9)


def test_the_base_names_the_architecture_if_no_axis_does(load):
    spec = load("dataset: demo\nbase: {architecture: hybrid}\nspace: {}\ntrials: 1\n")
    assert spec.config({}) == build_config("hybrid")


def test_a_known_config_is_split_into_params_and_fixed_fields(load):
    spec = load(STUDY)
    defaults, by_hand = spec.known_trials()
    assert (defaults.name, by_hand.name) == ("defaults", "by_hand")
    assert defaults.params == {"architecture": "two_tower", "free_bits": 0.0}
    assert defaults.fixed == {}
    assert by_hand.params == {
        "architecture": "hybrid",
        "free_bits": 2.0,
        "hybrid.kl_weight": 0.005,
        "hybrid.bias": False,
        "hybrid.hidden_dims": "512-256-128",
    }
    # Without the biases the axis of dropout does not apply, so its range does not bind.
    assert by_hand.fixed == {"dropout": 0.1, "weight_decay": 0.001}


def test_a_known_config_is_trained_as_it_was_written(load):
    spec = load(STUDY)
    study = optuna.create_study()
    known = spec.known_trials()[1]
    study.enqueue_trial(known.params)
    config = spec.config(spec.space.suggest(study.ask()), known.fixed)
    assert config == build_config(
        "hybrid",
        patience=7,
        hidden_dims=[512, 256, 128],
        kl_weight=0.005,
        dropout=0.1,
        weight_decay=0.001,
    )


def test_a_study_survives_json(load):
    spec = load(STUDY)
    text = spec_to_json(spec)
    assert "\n" not in text
    assert spec_from_json(text) == spec
    assert list(spec_from_json(text).space.axes) == list(spec.space.axes)


def test_json_that_is_not_a_study_is_refused():
    with pytest.raises(ConfigError, match=r"^the stored study: name is missing; add it$"):
        spec_from_json("{}")


@pytest.mark.parametrize("name", ["breakthrough", "demo"])
def test_a_built_in_study_loads_and_its_suggestions_build_configs(name):
    spec = load_study(name)
    assert spec.name == name
    assert spec_from_json(spec_to_json(spec)) == spec
    study = optuna.create_study(sampler=optuna.samplers.RandomSampler(seed=0))
    for known in spec.known_trials():
        study.enqueue_trial(known.params)
    for _ in range(30):
        trial = study.ask()
        values = spec.space.suggest(trial)
        spec.config(values)
        assert spec.space.values_of(trial.params) == values


def test_every_built_in_study_is_tested():
    assert set(builtin_studies()) == {"breakthrough", "demo"}


def test_breakthrough_first_tries_the_known_configs():
    spec = load_study("breakthrough")
    first, second, third = (
        spec.config(spec.space.values_of(known.params), known.fixed)
        for known in spec.known_trials()
    )
    assert first == build_config("two_tower", max_epochs=20, patience=15)
    assert second == build_config(
        "hybrid",
        n_factors=150,
        hidden_dims=[512, 256, 128],
        latent_dim=64,
        dropout=0.4,
        kl_weight=0.01,
        batch_size=2048,
        learning_rate=5e-4,
        kl_warmup_epochs=0,
        free_bits=0,
    )
    assert third == build_config("hybrid")  # whose defaults are the A6000 config


def test_the_note_of_breakthrough_explains_that_its_target_is_an_mse():
    target = load_study("breakthrough").objective.target
    assert (target.metric, target.below) == ("val_mse", 0.55)
    assert "RMSE below 0.742" in target.note


def test_an_unknown_study_is_refused_with_the_built_in_ones(tmp_path):
    message = "no built-in study and no file named 'brekthrough'; choose from breakthrough, demo, "
    with pytest.raises(StudyError, match=message):
        load_study("brekthrough")
    with pytest.raises(StudyError, match="choose from breakthrough, demo"):
        load_study(str(tmp_path))


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        # Unknown keys, at each depth.
        ("trials: 8", "trails: 8", "line 26: trails: unknown key; did you mean trials?"),
        ("startup_trials", "startup", "line 25: pruners median startup: unknown key; did you mean"),
        ("log: true", "lgo: true", "line 9: space hybrid.kl_weight lgo: unknown key; did you mean"),
        (
            "trials: 8",
            "split: {trian: 1}\ntrials: 8",
            "line 26: split trian: unknown key; did you mean train?",
        ),
        # The space.
        (
            "hybrid.dropout",
            "hybrid.droput",
            "line 11: space hybrid.droput: hybrid has no field named 'droput'; "
            "did you mean dropout?",
        ),
        ("[0.2, 0.5]", "[0.2, 1.5]", "line 11: space hybrid.dropout: dropout must be less than 1"),
        ("[0.2, 0.5]", "[0.5, 0.2]", "line 11: space hybrid.dropout float: low 0.5 is above high"),
        (
            "[0.2, 0.5]",
            "[0.2, x]",
            "line 11: space hybrid.dropout: float must be a number, got 'x'",
        ),
        (
            "{hybrid.bias: true}",
            "{hybrid.bais: true}",
            "line 11: space hybrid.dropout when hybrid.bais: no axis named 'hybrid.bais' is "
            "listed before this one; did you mean hybrid.bias?",
        ),
        (
            "      - [1024, 512, 256, 128]",
            "      - [512, 256, 128]",
            "line 15: space hybrid.hidden",
        ),
        (
            "  architecture: {choice: [two_tower, hybrid]}\n",
            "",
            "line 2: base: architecture is missing; name one here (two_tower, hybrid, mf, biases)",
        ),
        # The base.
        (
            "  hybrid.patience: 7",
            "  hybrid.patienc: 7",
            "line 4: base hybrid.patienc: hybrid has no field named 'patienc'; did you mean",
        ),
        ("patience: 3", "patience: 0", "line 3: base patience: patience must be at least 1, got 0"),
        ("patience: 3", "free_bits: 1", "line 3: base free_bits: the space has an axis for it"),
        ("patience: 3", "architecture: hybrid", "line 3: base architecture: the space has an axis"),
        # Known configs.
        (
            "5e-3",
            "0.02",
            "line 21: known kl_weight: hybrid.kl_weight 0.02 is not on its axis: 0.001 to 0.015",
        ),
        (
            "    kl_weight: 5e-3",
            "    kl_wait: 5e-3",
            "line 21: known kl_wait: hybrid has no field named 'kl_wait'; did you mean kl_weight?",
        ),
        (
            "weight_decay: 1e-3",
            "weight_decay: -1",
            "line 23: known weight_decay: weight_decay must",
        ),
        (
            "  free_bits: {float: [0, 4]}",
            "  free_bits: {float: [1, 4]}",
            "line 17: known: defaults: free_bits 0.0 is not on its axis: 1 to 4 "
            "(the default of free_bits; give one, or widen the axis)",
        ),
        (
            "    architecture: hybrid",
            "    architecture: hybird",
            "line 19: known architecture: by_hand: architecture must be one of two_tower, hybrid, "
            "got 'hybird'",
        ),
        (
            "    architecture: hybrid\n",
            "",
            "line 18: known: by_hand: architecture must be one of two_tower, hybrid",
        ),
        ("by_hand", "defaults", "line 18: known name: two configs are named defaults"),
        ("{name: defaults, ", "{", "line 17: known: a known config must have a name, such as"),
        # The rest.
        ("trials: 8", "", "mine.yaml: trials is missing"),
        ("trials: 8", "trials: 0", "line 26: trials must be at least 1, got 0"),
        ("1h30m", "10 min", "line 27: timeout: '10 min' is not a duration; write 2h, 10m, 90s, "),
        ("1h30m", "600", "line 27: timeout must be text, got 600"),
        ("dataset: demo", "dataset: ''", "line 1: dataset"),
        (
            "median:",
            "patient:",
            "line 25: pruners patient: unknown key; choose from collapse, divergence",
        ),
        (
            "trials: 8",
            "trials: 8\nsampler: {}",
            "line 27: sampler: must name one of tpe, gp, cmaes, random, grid and auto, such as",
        ),
        (
            "trials: 8",
            "trials: 8\nobjective: {target: {metric: mse, below: 1}}",
            "line 27: objective target metric: no metric named 'mse'; choose from val_rmse, val_",
        ),
        (
            "trials: 8",
            "trials: 8\nobjective:\n  target: {metric: val_mse}",
            "line 28: objective target: a target on val_mse must have below, such as below: 0.5",
        ),
        ("trials: 8", "trials: 8\ntrials: 9", "line 27: trials is already on line 26"),
        ("log: true", "log: true, log: false", "line 9: log is already on line"),
    ],
)
def test_an_error_names_the_line_the_key_and_the_remedy(refusal, old, new, message):
    if message.startswith("line"):
        message = f"mine.yaml {message}"
    assert refusal(old, new).startswith(message)


def test_plain_scalars_follow_yaml_1_2(load):
    spec = load(STUDY + "name: no\n")
    assert spec.name == "no"  # false in YAML 1.1
    assert spec.space.axes["hybrid.kl_weight"].bounds == (0.001, 0.015)
    assert spec.known[1]["kl_weight"] == 0.005  # 5e-3 is text in YAML 1.1


@pytest.mark.parametrize(
    ("text", "seconds"),
    [
        ("2h", 7200),
        ("10m", 600),
        ("90s", 90),
        ("1h30m", 5400),
        (" 1m5s ", 65),
        ("1d", 86_400),
        ("1d12h", 129_600),
        ("01:30:00", 5400),
        ("100:00:00", 360_000),
        ("1-12:00:00", 129_600),
    ],
)
def test_a_duration_is_read_in_days_hours_minutes_and_seconds(text, seconds):
    assert parse_duration(text) == seconds


@pytest.mark.parametrize(
    "text",
    ["", "10", "0s", "-1h", "1.5h", "30m1h", "2 hours", "9" * 400 + "h", "1:30", "1:60:00"],
)
def test_text_that_is_not_a_duration_is_refused_with_examples(text):
    with pytest.raises(ConfigError, match="is not a duration; write 2h, 10m, 90s, 1d12h, 1h30m or"):
        parse_duration(text)


@pytest.mark.parametrize(
    ("change", "at"),
    [
        ({"base": {"architecture": "two_tower", "neighbours": "both"}}, "base neighbours"),
        ({"space": {"neighbours": {"choice": ["off", "both"]}}}, "space neighbours"),
        ({"known": [{"name": "a", "neighbours": "both"}]}, "known neighbours"),
    ],
)
def test_what_the_split_does_not_allow_is_refused(load, change, at):
    study = {
        "dataset": "demo",
        "trials": 1,
        "base": {"architecture": "two_tower"},
        "space": {"kl_weight": {"float": [0.001, 0.002]}},
        "known": [],
        "split": {"method": "temporal", "train": 0.8, "validation": 0.1, "test": 0.1},
    }
    with pytest.raises(ConfigError, match=f"{at}: neighbours both uses ratings that are later"):
        load(json.dumps(study | change))
    load(json.dumps(study | change | {"split": {"method": "random"}}))


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        ("finish: {gain: -1}", "finish: gain must be greater than 0, got -1"),
        ("warm_start: {studies: [a], trust: 2}", "warm_start: trust must be at most 1, got 2"),
    ],
)
def test_the_members_of_a_union_are_not_in_a_message(tmp_path, entry, message):
    path = tmp_path / "s.yaml"
    path.write_text(f"dataset: demo\nbase: {{architecture: mf}}\ntrials: 20\n{entry}\n")
    with pytest.raises(ConfigError) as caught:
        load_study(str(path))
    assert message in str(caught.value)


@pytest.mark.parametrize("entry", ["small", "[small]"])
def test_short_forms_of_a_warm_start(tmp_path, entry):
    path = tmp_path / "s.yaml"
    path.write_text(f"dataset: demo\nbase: {{architecture: mf}}\ntrials: 20\nwarm_start: {entry}\n")
    assert load_study(str(path)).warm_start.studies == ("small",)
