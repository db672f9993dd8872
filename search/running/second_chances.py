"""What is tried instead of a trial that went wrong.

out of memory     the next smaller batch size    the same trial again, counted once
  next to others  no change, alone on its GPU    the same trial again, counted once
diverged          a lower KL weight              another trial, if the study file asks for it
early plateau     a longer KL warm-up            another trial, if the study file asks for it
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from ..definition.contingency import Contingency
from ..definition.space import Space
from ..pruners.plateau import EARLY_EPOCH
from ..storage.trials import CONFIG, GPU_NEIGHBOURS, OUT_OF_MEMORY

SMALLER_BATCH = 0.75  # 2048 becomes 1536
CONTINGENCIES = ("diverged", "plateau")  # stop reasons of pruned trials that may have one


class SecondChance(NamedTuple):
    """A changed config to try instead of a trial.

    Attributes:
        changes: field -> value.
        change: the changes in words, such as `KL weight 0.005`.
        cause: what went wrong, such as `diverged at 0.02`.
    """

    changes: dict[str, Any]
    change: str
    cause: str


def second_chance(
    trial: FrozenTrial, space: Space, contingency: Contingency | None
) -> SecondChance | None:
    """What to try instead of a finished trial, if anything."""
    config = trial.system_attrs.get(CONFIG)
    stop_reason = trial.user_attrs.get("stop_reason")
    if config is None:
        return None
    if stop_reason == OUT_OF_MEMORY:
        if trial.state != TrialState.FAIL:
            return None  # there is no smaller batch, or it was the second attempt
        neighbours = trial.user_attrs.get(GPU_NEIGHBOURS)
        return alone_on_gpu(neighbours) if neighbours else smaller_batch(config, space)
    if contingency is None or "contingency_of" in trial.user_attrs:
        return None
    if stop_reason == "diverged":
        return _lower_kl_weight(config, space, contingency.kl_weight)
    is_early = trial.state == TrialState.PRUNED and trial.user_attrs["epochs"] < EARLY_EPOCH
    if stop_reason == "plateau" and is_early:
        return _longer_warmup(config, space, contingency.kl_warmup_epochs)
    return None


def alone_on_gpu(neighbours: int) -> SecondChance:
    """The second chance after running out of memory next to other trials, which may be why."""
    return SecondChance({}, "alone on its GPU", f"ran out of memory {next_to(neighbours)}")


def next_to(neighbours: int) -> str:
    """How many other trials trained on the same GPU, such as `next to 2 other trials`."""
    return "next to another trial" if neighbours == 1 else f"next to {neighbours} other trials"


def smaller_batch(config: Mapping[str, Any], space: Space) -> SecondChance | None:
    """The second chance after running out of memory; None if its axis has no smaller batch size."""
    size = config.get("batch_size", 0)
    smaller = space.nearest(config["architecture"], "batch_size", int(SMALLER_BATCH * size))
    if smaller is None or not 2 <= smaller < size:
        return None
    changes = {"batch_size": smaller}
    return SecondChance(changes, f"batch size {smaller}", f"ran out of memory with {size}")


def _lower_kl_weight(
    config: Mapping[str, Any], space: Space, kl_weight: float | None
) -> SecondChance | None:
    current = config.get("kl_weight", 0.0)
    if kl_weight is None or not kl_weight < current:
        return None
    lower = space.nearest(config["architecture"], "kl_weight", kl_weight)
    if lower is None or not lower < current:
        return None
    return SecondChance({"kl_weight": lower}, f"KL weight {lower:g}", f"diverged at {current:g}")


def _longer_warmup(
    config: Mapping[str, Any], space: Space, epochs: float | None
) -> SecondChance | None:
    if epochs is None or config.get("kl_schedule") != "linear":
        return None
    current, longest = config["kl_warmup_epochs"], config["max_epochs"] / 2
    wanted = min(max(epochs, 2 * current), longest)
    longer = space.nearest(config["architecture"], "kl_warmup_epochs", wanted)
    if longer is None or not current < longer <= longest:
        return None
    changes = {"kl_warmup_epochs": longer}
    return SecondChance(
        changes, f"a KL warm-up of {longer:g} epochs", f"reached an early plateau with {current:g}"
    )
