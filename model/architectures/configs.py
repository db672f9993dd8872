"""Configs by the name of their architecture:

config = build_config("two_tower", kl_weight=5e-4)
config = replace(config, rating_dropout=0.3)
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields
from typing import Any

from pydantic import ValidationError

from ...base.messages import describe_detail, quoted, suggest
from ...errors import ConfigError
from ..config import TrainingConfig
from .table import architecture_names, find_architecture


def config_fields(architecture: str) -> set[str]:
    """Names of the fields of an architecture's config.

    Raises:
        ConfigError: no such architecture.
    """
    return {field.name for field in fields(find_architecture(architecture).config)}


def build_config(architecture: str, **values: Any) -> TrainingConfig:
    """The architecture's default config, with `values` replaced.

    Raises:
        ConfigError: no such architecture or field, or a value out of its range; `at` names it.
    """
    config_class = find_architecture(architecture).config
    known = config_fields(architecture)
    for name in values:
        if name not in known:
            message = f"{architecture} has no field named {quoted(name)}"
            raise ConfigError(message + suggest(name, sorted(known)), at=(name,))
    try:
        return config_class(**{**values, "architecture": architecture})
    except ValidationError as error:
        detail = error.errors()[0]
        raise ConfigError(describe_detail(detail), at=detail["loc"]) from None


def config_from_mapping(values: Mapping[str, Any]) -> TrainingConfig:
    """The config of a mapping that `config_to_mapping` or a person wrote.

    Raises:
        ConfigError: as `build_config`, or `architecture` is missing.
    """
    rest = dict(values)
    try:
        architecture = rest.pop("architecture")
    except KeyError:
        choices = ", ".join(architecture_names())
        raise ConfigError(f"architecture is missing; choose from {choices}") from None
    return build_config(architecture, **rest)
