"""Fits a study's target to its ratings: converted to their scale, and harder than the baseline."""

from __future__ import annotations

from ...data.ratings import Scale
from ...data.splits.split import Split
from ...errors import ConfigError
from ...model.evaluation.weighted import find_metric
from ...model.training.baseline import bias_val_rmse
from ..definition.study_file import StudySpec
from .opening import read_stored_study
from .study_progress import target_reached

# The metrics that the bias baseline has values of, from its RMSE.
BASELINE_VALUES = {"val_rmse": lambda rmse: rmse, "val_mse": lambda rmse: rmse**2}


def target_in_ratings(spec: StudySpec, scale: Scale) -> StudySpec:
    """The study with its target in the units of ratings with this scale."""
    if (target := spec.objective.target) is None:
        return spec
    objective = spec.objective.model_copy(update={"target": target.in_ratings(scale)})
    return spec.model_copy(update={"objective": objective})


def describe_scale(before: StudySpec, spec: StudySpec, scale: Scale) -> list[str]:
    """Sentences on what the scale of the ratings changes; none if they are stars.

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
    if target is None or scale.star == 1:
        return notes
    if in_stars is not None and in_stars != target:
        notes.append(f"target {in_stars.condition} in stars is {target.condition} on this scale")
    elif power := find_metric(target.metric).unit_power:
        stars = target.value / scale.star**power
        notes.append(f"target {target.condition} is {stars:.3g} in stars of MovieLens' scale")
    return notes


def check_target(spec: StudySpec, split: Split, storage_url: str) -> float | None:
    """Refuse a target that the bias baseline meets.

    The baseline is not computed if the study's metric has no value for it, or if the stored study
    has its RMSE or has already reached this target.

    Args:
        spec: with its target in the ratings' units.

    Returns:
        The baseline's validation RMSE if it was computed, else None.

    Raises:
        ConfigError: the bias baseline meets the target.
    """
    target = spec.objective.target
    if target is None or target.metric not in BASELINE_VALUES:
        return None
    trials, attrs = read_stored_study(spec.name, storage_url)
    if attrs.get("target") == str(target) and target_reached(target, trials):
        return None
    known = attrs.get("bias_val_rmse")
    rmse = bias_val_rmse(split) if known is None else known
    value = BASELINE_VALUES[target.metric](rmse)
    if target.is_reached(value):
        raise ConfigError(
            f"target {target.condition} is already met by the bias baseline "
            f"({find_metric(target.metric).format(value)}), so any model would meet it; lower it"
        )
    return rmse if known is None else None
