"""Configs are checked when they are built."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, asdict, replace

import pytest
import yaml
from pydantic import ValidationError
from recsys_search.errors import ConfigError
from recsys_search.model.architectures.configs import (
    build_config,
    config_fields,
    config_from_mapping,
)
from recsys_search.model.architectures.hybrid import HybridConfig
from recsys_search.model.architectures.table import architecture_names
from recsys_search.model.architectures.two_tower import TwoTowerConfig
from recsys_search.model.config import config_to_mapping


def test_the_defaults_of_the_two_tower_model():
    config = build_config("two_tower")
    assert type(config) is TwoTowerConfig
    assert (config.latent_dim, config.init_std, config.learning_rate) == (64, 0.02, 3e-3)
    assert (config.batch_size, config.grad_clip) == (4096, 1.0)
    assert 1e-4 <= config.kl_weight <= 1e-3
    assert 0.15 <= config.rating_dropout <= 0.5


def test_the_defaults_of_the_reference():
    config = build_config("hybrid")
    assert type(config) is HybridConfig
    assert (config.n_factors, config.latent_dim, config.dropout) == (200, 128, 0.4)
    assert config.hidden_dims == (1024, 512, 256, 128)
    assert not config.bias


CHANGES = {
    "two_tower": {"learning_rate": 1e-5, "seed": 7},
    "hybrid": {"hidden_dims": (8, 4), "kl_schedule": "cyclical"},
    "mf": {"l2": 0.02, "amp": "off"},
    "biases": {"film_shrinkage": 1.5},
}


@pytest.mark.parametrize("architecture", architecture_names())
def test_a_config_survives_yaml(architecture):
    config = build_config(architecture, **CHANGES[architecture])
    text = yaml.safe_dump(config_to_mapping(config))
    assert config_from_mapping(yaml.safe_load(text)) == config


@pytest.mark.parametrize("architecture", architecture_names())
def test_a_mapping_has_every_field_as_a_plain_value(architecture):
    mapping = config_to_mapping(build_config(architecture))
    assert mapping.keys() == config_fields(architecture)
    assert mapping["architecture"] == architecture
    assert not any(isinstance(value, tuple) for value in mapping.values())


def test_a_config_of_an_early_version_is_still_read():
    """Its fields are in another order."""
    written = """
        {architecture: two_tower, seed: 43, max_epochs: 60, patience: 15, batch_size: 16384,
        learning_rate: 0.003, lr_warmup_epochs: 0.0, weight_decay: 0.1, grad_clip: 1.0,
        kl_weight: 0.001, kl_schedule: linear, kl_warmup_epochs: 0.0, kl_cycles: 4, kl_target: 10.0,
        free_bits: 0.0, free_bits_per: sum, amp: auto, latent_dim: 32, norm_power: 0.6,
        rating_dropout: 0.3, init_std: 0.02, side: true}"""
    config = config_from_mapping(yaml.safe_load(written))
    assert config == build_config(
        "two_tower", seed=43, latent_dim=32, max_epochs=60, batch_size=16384
    )


@pytest.mark.parametrize(
    ("architecture", "ignored"),
    [("mf", {"kl_weight", "free_bits", "latent_dim"}), ("biases", {"seed", "max_epochs", "amp"})],
)
def test_a_baseline_has_no_unused_field(architecture, ignored):
    assert not ignored & config_fields(architecture)
    for name in ignored:
        with pytest.raises(ConfigError, match=f"^{architecture} has no field named '{name}'"):
            build_config(architecture, **{name: 1})


def test_biases_need_shrinkage():
    """Without it, a film without train ratings would have a bias of 0/0."""
    with pytest.raises(ConfigError, match=r"^film_shrinkage must be greater than 0, got 0$"):
        build_config("biases", film_shrinkage=0)


def test_replace_changes_one_field_and_leaves_the_original():
    base = build_config("hybrid")
    other = replace(base, dropout=0.1)
    assert (base.dropout, other.dropout) == (0.4, 0.1)
    assert {**asdict(base), "dropout": 0.1} == asdict(other)


def test_replace_validates_the_new_config():
    with pytest.raises(ValidationError, match="less than 1"):
        replace(build_config("hybrid"), dropout=1.5)


def test_a_config_is_frozen():
    with pytest.raises(FrozenInstanceError):
        build_config("hybrid").dropout = 0.1


def test_a_number_that_yaml_reads_as_text_is_a_number():
    """YAML 1.1 requires a dot in 3e-4."""
    config = config_from_mapping(
        {"architecture": "hybrid", **yaml.safe_load("learning_rate: 3e-4")}
    )
    assert config.learning_rate == 3e-4


COMPLAINTS = [
    ({"dropout": 1.5}, "dropout must be less than 1, got 1.5"),
    ({"dropout": -0.1}, "dropout must be at least 0, got -0.1"),
    ({"learning_rate": 0}, "learning_rate must be greater than 0, got 0"),
    ({"learning_rate": float("nan")}, "learning_rate must be a finite number, got nan"),
    ({"learning_rate": "fast"}, "learning_rate must be a number, got 'fast'"),
    ({"kl_weight": float("inf")}, "kl_weight must be a finite number, got inf"),
    ({"free_bits": -1}, "free_bits must be at least 0, got -1"),
    ({"batch_size": 1}, "batch_size must be at least 2, got 1"),
    ({"max_epochs": 0}, "max_epochs must be at least 1, got 0"),
    ({"n_factors": 1_000_001}, "n_factors must be at most 1000000, got 1000001"),
    (
        {"batch_size": 2**63},
        "batch_size must be less than 9223372036854775808, got 9223372036854775808",
    ),
    ({"n_factors": True}, "n_factors must be a whole number, got True"),
    ({"dropout": True}, "dropout must be a number, got True"),
    ({"kl_weight": 1e39}, "kl_weight must be at most 1e+38, got 1e+39"),
    ({"seed": 2**31}, "seed must be less than 2147483648, got 2147483648"),
    ({"amp": "x" * 300}, f"amp must be 'auto', 'bf16', 'fp16' or 'off', got '{76 * 'x'}..."),
    ({"n_factors": 2.5}, "n_factors must be a whole number, got 2.5"),
    ({"hidden_dims": [8, 0]}, "hidden_dims.1 must be at least 1, got 0"),
    ({"hidden_dims": []}, "hidden_dims must be a list of at least 1, got []"),
    ({"amp": "fp8"}, "amp must be 'auto', 'bf16', 'fp16' or 'off', got 'fp8'"),
    ({"seed": -1}, "seed must be at least 0, got -1"),
    ({"dropuot": 0.1}, "hybrid has no field named 'dropuot'; did you mean dropout?"),
]


@pytest.mark.parametrize(("values", "message"), COMPLAINTS)
def test_a_bad_value_is_refused_when_the_config_is_built(values, message):
    with pytest.raises(ConfigError) as caught:
        build_config("hybrid", **values)
    assert str(caught.value) == message


def test_a_field_of_another_architecture_is_refused_with_the_choices():
    with pytest.raises(
        ConfigError, match=r"^two_tower has no field named 'bias'; choose from amp, arch"
    ):
        build_config("two_tower", bias=True)


@pytest.mark.parametrize("name", ["two_towers", None, ["hybrid"]])
def test_an_unknown_architecture_is_refused(name):
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"architecture": name})
    choices = "two_tower, hybrid, mf, biases"
    assert str(caught.value) == f"no architecture named {name!r}; choose from {choices}"


def test_a_missing_architecture_is_refused():
    with pytest.raises(ConfigError) as caught:
        config_from_mapping({"dropout": 0.1})
    assert str(caught.value) == "architecture is missing; choose from two_tower, hybrid, mf, biases"


@pytest.mark.parametrize("word", ["yes", "no", "true", 1, 0])
def test_text_is_not_a_truth_value(word):
    """In YAML 1.2 `no` is text and must not become false."""
    with pytest.raises(ConfigError) as caught:
        build_config("two_tower", side=word)
    assert str(caught.value) == f"side must be true or false, got {word!r}"
