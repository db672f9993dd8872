"""Fits a study to the memory of a preset's GPU: no batch is proposed that it cannot hold.

A batch fits if the largest config of the study's space fits with it, so that the axis does not
depend on the other axes. What fits is decided once, when the study is created, and stored with it:
an axis of choices must not change between the trials of a study.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pydantic import Field

from ...base.strict import Count, Name, Positive, Strict
from ...data.ratings import Ratings
from ...errors import StudyError
from ...model.architectures.configs import config_fields
from ...model.architectures.memory import DataSizes, MemoryNeed, memory_need
from ...model.config import Amp, TrainingConfig
from ..definition.axes import Axis, ChoiceAxis, IntAxis
from ..definition.space import is_of
from ..definition.study_file import StudySpec
from .table import GIB, Preset

BATCH_SIZE = "batch_size"


class Fit(Strict):
    """What a preset has decided for a study, as it is stored.

    Attributes:
        amp: the precision; None if the study file decides.
        batch_sizes: the largest of each architecture; empty if the study was created without a
            preset.
    """

    preset: Name
    usd_per_hour: Positive | None = None
    amp: Amp | None = None
    batch_sizes: dict[str, Count] = Field(default_factory=dict)


def data_sizes(train: Ratings) -> DataSizes:
    """Args: train: the train part of a study's split."""
    return DataSizes(len(train), train.n_users, train.n_films, train.timestamp is not None)


def fit_new(spec: StudySpec, preset: Preset, sizes: DataSizes, share: float) -> Fit:
    """The fit of a study that is to be created.

    Args:
        share: of the GPU's memory that a trial may use.

    Raises:
        StudyError: not even a batch of two ratings fits.
    """
    batch_sizes = {}
    for architecture in batched(spec):
        caps = _caps_by_memory(spec, architecture, preset, sizes, share)
        if architecture in preset.batch_sizes and not _in_base(spec, architecture):
            caps.append(preset.batch_sizes[architecture])
        if caps and min(caps) < 2:
            need = max(each.of_batch(2) for each in _needs(spec, architecture, sizes))
            usable = max(0.0, preset.usable_bytes(share) or 0.0)
            raise StudyError(
                f"{architecture} may take {need / GIB:.1f} GB for {sizes.n_ratings:,} train "
                f"ratings even in the smallest batches, but a trial has {usable / GIB:.1f} GB on "
                f"preset {preset.label}; choose a larger GPU, fewer workers, or shorter axes"
            )
        if caps:
            batch_sizes[architecture] = min(caps)
    amp = None if preset.amp == "auto" or _sets_amp(spec) else preset.amp
    return Fit(
        preset=preset.name,
        usd_per_hour=preset.usd_per_hour,
        amp=amp,
        batch_sizes=batch_sizes,
    )


def fit_stored(
    spec: StudySpec, before: Fit | None, preset: Preset, sizes: DataSizes, share: float
) -> Fit:
    """The fit of a study that goes on with a preset; its axes and precision stay.

    Raises:
        StudyError: it proposes batches that do not fit.
    """
    for architecture in batched(spec):
        largest = max(proposed_batches(spec, architecture))
        caps = _caps_by_memory(spec, architecture, preset, sizes, share)
        if caps and min(caps) < largest:
            raise StudyError(
                f"study {spec.name} proposes batches of up to {largest} for {architecture}, but "
                f"preset {preset.label} holds at most {max(0, min(caps))}; go on with a larger "
                f"GPU, or give the file another name for a new study with --preset {preset.name}"
            )
    kept = before or Fit(preset=preset.name)
    return kept.model_copy(update={"preset": preset.name, "usd_per_hour": preset.usd_per_hour})


def restricted(spec: StudySpec, fit: Fit) -> StudySpec:
    """The study without batches that do not fit, and with the preset's precision.

    Raises:
        StudyError: no batch size of an axis fits, or that of the base does not.
    """
    values: dict[str, Any] = spec.model_dump(by_alias=True)
    if fit.amp is not None and not _sets_amp(spec):
        values["base"] = {**values["base"], "amp": fit.amp}
    for name, axis in spec.space.axes.items():
        caps = [
            cap
            for architecture, cap in fit.batch_sizes.items()
            if name.rpartition(".")[2] == BATCH_SIZE and is_of(name, architecture)
        ]
        if caps:
            values["space"][name] = _shortened(name, axis, min(caps), fit.preset)
    fitted = spec.model_copy(update={"space": type(spec.space).model_validate(values["space"])})
    for architecture, cap in fit.batch_sizes.items():
        if (
            fitted.space.always_sets(architecture, BATCH_SIZE)
            or _default(spec, architecture) <= cap
        ):
            continue
        if _in_base(spec, architecture):
            raise StudyError(
                f"base: {architecture} trains in batches of {_default(spec, architecture)}, but "
                f"preset {fit.preset} holds at most {cap}; lower {BATCH_SIZE}, or choose a larger "
                "GPU"
            )
        values["base"] = {**values["base"], f"{architecture}.{BATCH_SIZE}": cap}
    values["known"] = [_smaller(fitted, entry, fit) for entry in values["known"]]
    return StudySpec.model_validate(values)


def describe_fit(before: StudySpec, spec: StudySpec, fit: Fit, preset: Preset) -> str:
    """A sentence on what a preset has changed in a study.

    Args:
        before: the study as its file defines it.
    """
    parts = []
    if fit.amp:
        parts.append(f"precision {fit.amp}")
    parts += [
        f"{name} {size}"
        for name, size in spec.base.items()
        if name.endswith(f".{BATCH_SIZE}") and name not in before.base
    ]
    for name, axis in spec.space.axes.items():
        if axis != before.space.axes[name]:
            parts.append(f"{name} {axis}, not {before.space.axes[name]}")
    for old, new in zip(before.known, spec.known, strict=True):
        if new != old:
            parts.append(f"{new['name']} with a batch size of {new[BATCH_SIZE]}")
    if spec.budget and spec.budget.usd_per_hour is not None:
        parts.append(f"{spec.budget.usd_per_hour:g} USD an hour")
    text = f"preset {preset.label}"
    return f"{text}: {'; '.join(parts)}" if parts else text


def proposed_batches(spec: StudySpec, architecture: str) -> Iterator[int]:
    """Batch sizes that trials of an architecture may have: all of a choice, or both ends."""
    for name, axis in spec.space.axes.items():
        if name.rpartition(".")[2] == BATCH_SIZE and is_of(name, architecture):
            yield from map(int, _extremes(axis))
    if not spec.space.always_sets(architecture, BATCH_SIZE):
        yield _default(spec, architecture)
    for entry in spec.known:
        config = _known_config(spec, entry)
        if config.architecture == architecture:
            yield getattr(config, BATCH_SIZE)


def batched(spec: StudySpec) -> list[str]:
    """The architectures of the study that train in batches."""
    return [name for name in spec.architectures if BATCH_SIZE in config_fields(name)]


def _in_base(spec: StudySpec, architecture: str) -> bool:
    """Whether the study file itself decides on the batch size of an architecture."""
    return not spec.base.keys().isdisjoint((BATCH_SIZE, f"{architecture}.{BATCH_SIZE}"))


def _default(spec: StudySpec, architecture: str) -> int:
    """The batch size of an architecture's trials where no axis sets it."""
    size: int = getattr(spec.config({"architecture": architecture}), BATCH_SIZE)
    return size


def _sets_amp(spec: StudySpec) -> bool:
    """Whether the study decides on the precision itself, or has no model with one."""
    trained = [name for name in spec.architectures if "amp" in config_fields(name)]
    set_by = [*spec.base, *spec.space.axes]
    return not trained or any(name.rpartition(".")[2] == "amp" for name in set_by)


def _caps_by_memory(
    spec: StudySpec, architecture: str, preset: Preset, sizes: DataSizes, share: float
) -> list[int]:
    """The largest batch size of each of the largest configs; none if nothing is known."""
    usable = preset.usable_bytes(share)
    if usable is None:
        return []
    caps = (need.largest_batch(usable) for need in _needs(spec, architecture, sizes))
    return [cap for cap in caps if cap is not None]


def _needs(spec: StudySpec, architecture: str, sizes: DataSizes) -> list[MemoryNeed]:
    """What the space's largest config takes, and the known configs."""
    configs = [
        _largest(spec, architecture, sizes),
        *(
            config
            for config in (_known_config(spec, entry) for entry in spec.known)
            if config.architecture == architecture
        ),
    ]
    is_random = spec.split.is_random
    needs = [memory_need(config.for_split(is_random=is_random), sizes) for config in configs]
    return [need for need in needs if need is not None]


def _largest(spec: StudySpec, architecture: str, sizes: DataSizes) -> TrainingConfig:
    """The config of the space that takes the most memory.

    The need grows with each field by itself, so the largest value of each axis is looked for alone.
    """
    values: dict[str, Any] = {"architecture": architecture}

    def bytes_with(**more: Any) -> float:
        config = spec.config({**values, **more}).for_split(is_random=spec.split.is_random)
        need = memory_need(config, sizes)
        return need.of_batch(getattr(config, BATCH_SIZE)) if need else 0.0

    for name, axis in spec.space.axes.items():
        if name != "architecture" and is_of(name, architecture):
            field = name.rpartition(".")[2]
            values[field] = max(_extremes(axis), key=lambda value: bytes_with(**{field: value}))
    return spec.config(values)


def _extremes(axis: Axis) -> tuple[Any, ...]:
    return axis.choices if isinstance(axis, ChoiceAxis) else axis.grid(2)


def _shortened(name: str, axis: Axis, cap: int, preset: str) -> Axis:
    """The axis without batch sizes above the cap."""
    if isinstance(axis, ChoiceAxis):
        fitting = tuple(size for size in axis.choices if isinstance(size, int) and size <= cap)
        if fitting:
            return axis.model_copy(update={"choices": fitting})
    elif isinstance(axis, IntAxis):
        low, high = axis.bounds
        if low <= cap:
            high = min(high, low + (cap - low) // axis.step * axis.step)
            return axis.model_copy(update={"bounds": (low, high)})
    raise StudyError(
        f"space {name}: preset {preset} holds batches of at most {cap}, but the axis has only "
        f"larger ones ({axis}); add a smaller one, or choose a larger GPU"
    )


def _smaller(spec: StudySpec, entry: Mapping[str, Any], fit: Fit) -> Mapping[str, Any]:
    """A known config, with the largest batch size that fits if its own does not."""
    config = _known_config(spec, entry)
    cap = fit.batch_sizes.get(config.architecture)
    if cap is None or getattr(config, BATCH_SIZE) <= cap:
        return entry
    return {**entry, BATCH_SIZE: spec.space.nearest(config.architecture, BATCH_SIZE, cap)}


def _known_config(spec: StudySpec, entry: Mapping[str, Any]) -> TrainingConfig:
    return spec.config({field: value for field, value in entry.items() if field != "name"})
