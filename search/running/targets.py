"""A study's target on the ratings at hand: in their units, and not met before anything is trained.

A threshold in stars says nothing on ratings from 0 to 1, and one that the bias baseline meets says
nothing about a model.
"""

from __future__ import annotations

from ...data.ratings import Scale
from ...data.splits.split import Split
from ...errors import ConfigError
from ...model.evaluation.metrics import METRICS
from ...model.training.baseline import bias_val_rmse
from ..definition.study_file import StudySpec
from .opening import read_stored_study
from .study_progress import target_reached

# Metrics of the bias baseline, given its RMSE.
BASELINE = {"val_rmse": lambda rmse: rmse, "val_mse": lambda rmse: rmse**2}


def target_in_ratings(spec: StudySpec, scale: Scale) -> StudySpec:
    """The study with its target in the units of ratings with this scale."""
    if (target := spec.objective.target) is None:
        return spec
    objective = spec.objective.model_copy(update={"target": target.in_ratings(scale)})
    return spec.model_copy(update={"objective": objective})


def describe_scale(before: StudySpec, spec: StudySpec, scale: Scale) -> list[str]:
    """What the ratings' scale changes; nothing where ratings are stars.

    Args:
        before: the study before `target_in_ratings`.
    """
    notes = []
    if scale.star != 1 and spec.pruners:
        notes.append(
            f"ratings run from {scale.low:g} to {scale.high:g}, so the thresholds of pruners, in "
            f"stars, are multiplied by {scale.star:.3g}"
        )
    in_stars, target = before.objective.target, spec.objective.target
    if in_stars is not None and target is not None and in_stars != target:
        notes.append(f"target {in_stars.condition} in stars is {target.condition} on this scale")
    return notes


def check_target(spec: StudySpec, split: Split, storage_url: str, device: str) -> float | None:
    """The baseline's validation RMSE, if it had to be computed to check the target.

    Nothing is computed for a metric that the baseline has no figure of, nor where the stored study
    has the baseline's RMSE or has reached the target already.

    Args:
        spec: with its target in the ratings' units.

    Raises:
        ConfigError: the bias baseline meets the target.
    """
    target = spec.objective.target
    if target is None or target.metric not in BASELINE:
        return None
    trials, attrs = read_stored_study(spec.name, storage_url)
    if target_reached(target, trials):
        return None
    known = attrs.get("bias_val_rmse")
    rmse = bias_val_rmse(split, device) if known is None else known
    value = BASELINE[target.metric](rmse)
    if target.is_reached(value):
        raise ConfigError(
            f"target {target.condition} is met by the bias baseline "
            f"({METRICS[target.metric].format(value)}) already, so any model reaches it; lower it"
        )
    return rmse if known is None else None
