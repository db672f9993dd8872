"""What is tried instead of a trial that went wrong, as the reference's plan has it.

out of memory        the next smaller batch size    the same trial again: it counts once
diverged             a KL weight of 0.005           another trial, where the study file says so
an early plateau     a longer KL warm-up            another trial, where the study file says so
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from optuna.trial import FrozenTrial, TrialState

from ..definition.contingency import Contingency
from ..definition.space import Space
from ..pruners.plateau import EARLY_EPOCH
from ..storage.trials import CONFIG, OUT_OF_MEMORY

SMALLER_BATCH = 0.75  # 2048 becomes 1536


class SecondChance(NamedTuple):
    """Attributes: changes: field -> value; what, because: of the sentence that tells it."""

    changes: dict[str, Any]
    what: str
    because: str


def second_chance(
    trial: FrozenTrial, space: Space, contingency: Contingency | None
) -> SecondChance | None:
    """What to try instead of a finished trial, if anything."""
    config = trial.system_attrs.get(CONFIG)
    stop_reason = trial.user_attrs.get("stop_reason")
    if config is None:
        return None
    if stop_reason == OUT_OF_MEMORY:
        # PRUNED: there is no smaller batch, or it was the second time.
        return smaller_batch(config, space) if trial.state == TrialState.FAIL else None
    if contingency is None or "contingency_of" in trial.user_attrs:
        return None
    if stop_reason == "diverged":
        return _steadier(config, space, contingency.kl_weight)
    far = trial.state == TrialState.PRUNED and trial.user_attrs["epochs"] < EARLY_EPOCH
    if stop_reason == "plateau" and far:
        return _longer_warmup(config, space, contingency.kl_warmup_epochs)
    return None


def smaller_batch(config: Mapping[str, Any], space: Space) -> SecondChance | None:
    """For a config that ran out of memory; None where its axis has no smaller batch."""
    size = config.get("batch_size", 0)
    smaller = space.nearest(config["architecture"], "batch_size", int(SMALLER_BATCH * size))
    if smaller is None or not 2 <= smaller < size:
        return None
    changes = {"batch_size": smaller}
    return SecondChance(changes, f"batch size {smaller}", f"ran out of memory with {size}")


def _steadier(
    config: Mapping[str, Any], space: Space, kl_weight: float | None
) -> SecondChance | None:
    now = config.get("kl_weight", 0.0)
    if kl_weight is None or not kl_weight < now:
        return None
    lower = space.nearest(config["architecture"], "kl_weight", kl_weight)
    if lower is None or not lower < now:
        return None
    return SecondChance({"kl_weight": lower}, f"KL weight {lower:g}", f"diverged at {now:g}")


def _longer_warmup(
    config: Mapping[str, Any], space: Space, epochs: float | None
) -> SecondChance | None:
    if epochs is None or config.get("kl_schedule") != "linear":
        return None
    now, most = config["kl_warmup_epochs"], config["max_epochs"] / 2
    wanted = min(max(epochs, 2 * now), most)
    longer = space.nearest(config["architecture"], "kl_warmup_epochs", wanted)
    if longer is None or not now < longer <= most:
        return None
    changes = {"kl_warmup_epochs": longer}
    return SecondChance(
        changes, f"a KL warm-up of {longer:g} epochs", f"came to an early plateau with {now:g}"
    )
