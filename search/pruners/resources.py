"""Limits of the machine and of the purse."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from ...base.strict import Count, Number, Strict
from ...model.config import DescentConfig
from .progress import Progress, Stop


class GpuMemory(Strict):
    """Memory of the GPU in use, whoever uses it: beyond the limit the next peak may fail."""

    share: Annotated[Number, Field(gt=0, le=1)] = 0.9

    def judge(self, seen: Progress) -> Stop | None:
        config, used = seen.config, seen.last.gpu_memory_share
        if not isinstance(config, DescentConfig) or seen.last.epoch == config.max_epochs:
            return None  # no peak is to come
        if used is None or used <= self.share:
            return None
        return Stop(
            "gpu-memory",
            f"{100 * used:.0f}% of the GPU's memory is in use (limit {100 * self.share:g}%), "
            f"{seen.last.peak_memory_mib:.0f} MiB at most by this trial, at batch size "
            f"{config.batch_size}",
        )


class TrialBudget(Strict):
    """What one trial may cost."""

    epochs: Count | None = None
    seconds: Annotated[Number, Field(gt=0)] | None = None  # of training and its evaluation

    def judge(self, seen: Progress) -> Stop | None:
        epochs, seconds = len(seen.reports), sum(report.epoch_s for report in seen.reports)
        if self.epochs is not None and epochs >= self.epochs:
            return Stop("budget", f"{epochs} epochs, as many as a trial may run")
        if self.seconds is not None and seconds >= self.seconds:
            return Stop(
                "budget", f"{seconds:.0f} s in {epochs} epochs; a trial may take {self.seconds:g} s"
            )
        return None
