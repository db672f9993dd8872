"""The presets of `presets.yaml`: a machine's GPU, and what a study takes from it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pydantic import Field, ValidationError, model_validator

from ...base.messages import quoted, suggest
from ...base.strict import Count, Name, Positive, Strict
from ...base.yaml_file import YamlFile
from ...errors import OptionError
from ...model.config import Amp

AUTO = "auto"
GIB = 2**30
# Of the nominal memory, torch sees 94% where error correction takes a part, and 98% elsewhere.
SEEN_SHARE = 0.9
# CUDA, its libraries and gaps between tensors take the rest; `gpu_memory` stops trials above 90%.
USABLE_SHARE, CONTEXT_GIB = 0.9, 1.0


class Preset(Strict):
    """A machine with one GPU, or without; the fields are explained in `presets.yaml`."""

    name: Name
    gpu: Name | None = None
    memory_gb: Positive | None = None
    amp: Amp = "auto"
    batch_sizes: dict[str, Count] = Field(default_factory=dict)
    trials_per_gpu: Count = 1
    usd_per_hour: Positive | None = None

    @model_validator(mode="after")
    def _has_both(self) -> Self:
        if (self.gpu is None) != (self.memory_gb is None):
            raise ValueError("gpu and memory_gb need each other; add the missing one")
        return self

    @property
    def label(self) -> str:
        """The name, with the memory if there is a GPU."""
        return self.name if self.memory_gb is None else f"{self.name} ({self.memory_gb:.3g} GB)"

    def usable_bytes(self, share: float = 1.0) -> float | None:
        """Bytes for the tensors of a trial; None without a GPU.

        Args:
            share: of the GPU's memory that the trial may use.
        """
        if self.memory_gb is None:
            return None
        return (share * USABLE_SHARE * self.memory_gb - CONTEXT_GIB) * GIB

    def matches(self, gpu: str, total_bytes: int) -> bool:
        """Whether this is the preset of a GPU of this name and size."""
        if self.gpu is None or self.memory_gb is None:
            return False
        seen = total_bytes / GIB / self.memory_gb
        is_named = re.search(rf"\b{re.escape(self.gpu)}\b", gpu) is not None
        return is_named and SEEN_SHARE <= seen <= 1 / SEEN_SHARE


@cache
def read_presets() -> Mapping[str, Preset]:
    """All presets by name, in the file's order."""
    file = YamlFile(Path(__file__).with_name("presets.yaml"))
    presets = {}
    for name, fields in file.data.items():
        try:
            presets[name] = Preset.model_validate({"name": name, **fields})
        except ValidationError as error:
            raise file.refusal(error) from None
    return MappingProxyType(presets)


def find_preset(name: str) -> Preset:
    """The preset of this name; `auto` is not one.

    Raises:
        OptionError: there is none.
    """
    presets = read_presets()
    if name not in presets:
        raise OptionError(f"no preset named {quoted(name)}{suggest(name, (*presets, AUTO))}")
    return presets[name]
