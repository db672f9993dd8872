"""The architectures by name. Knows no torch until one of them is looked up.

To add an architecture, write a module in this folder that defines its config, its model and
`ARCHITECTURE`, and add its name to `BUILT_IN`. From outside of the package:

    register_architecture(Architecture(config=MyConfig, model=MyModel))
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import TYPE_CHECKING, Any

from ...base.messages import quoted
from ...errors import ConfigError
from ..config import TrainingConfig

if TYPE_CHECKING:
    from ..components.rating_model import RatingModel
    from ..store.train_store import TrainStore
    from .memory import DataSizes, MemoryNeed

# Each is also the name of its module in this folder. Messages list them in this order.
BUILT_IN = ("two_tower", "hybrid", "mf", "biases")
REGISTERED: dict[str, Architecture] = {}


@dataclass(frozen=True, kw_only=True)
class Architecture:
    """What training and search need to know about an architecture.

    Attributes:
        config: its `architecture` field has a default, which names the architecture.
        model: called with a config and a train store.
        default_space: field -> axis as a study file writes it, searched by a study without a
            space.
        memory: called with a config and the sizes of the data; what a preset fits batch sizes by.
            None leaves its batch sizes as they are.
    """

    config: type[TrainingConfig]
    model: Callable[[Any, TrainStore], RatingModel]
    default_space: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    memory: Callable[[Any, DataSizes], MemoryNeed] | None = None

    @property
    def name(self) -> str:
        return self.config.architecture


def register_architecture(architecture: Architecture) -> None:
    """Make an architecture available in this process; a second one of the same name replaces it.

    Raises:
        ValueError: the name is that of a built-in architecture.
    """
    if architecture.name in BUILT_IN:
        raise ValueError(f"{architecture.name} is a built-in architecture; choose another name")
    REGISTERED[architecture.name] = architecture


def architecture_names() -> tuple[str, ...]:
    """The built-in architectures, then the registered ones."""
    return (*BUILT_IN, *REGISTERED)


def find_architecture(name: str) -> Architecture:
    """The architecture of this name. The first look-up of a built-in one imports torch.

    Raises:
        ConfigError: no such architecture.
    """
    names = architecture_names()
    if name not in names:
        raise ConfigError(
            f"no architecture named {quoted(name)}; choose from {', '.join(names)}",
            at=("architecture",),
        )
    if name in REGISTERED:
        return REGISTERED[name]
    architecture: Architecture = import_module(f".{name}", __package__).ARCHITECTURE
    return architecture
