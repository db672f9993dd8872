"""Limits on the GPU's memory, and on what one trial may cost."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from ...base.strict import Count, Number, Positive
from ...model.config import DescentConfig
from .rule import Kind, Progress, Rule, Stop


class GpuMemory(Rule):
    """GPU memory in use by all processes: above the limit, the next peak may not fit.

    It does not stop trials that share a GPU: what is in use is not theirs alone.
    """

    stop_reason: ClassVar[str] = "gpu-memory"
    kind: ClassVar[Kind] = Kind.SICK
    infeasible: ClassVar[str | None] = "gpu_memory"

    share: Annotated[Number, Field(gt=0, le=1)] = 0.9

    def judge(self, progress: Progress) -> Stop | None:
        config, last = progress.config, progress.last
        used = last.gpu_memory_share
        if not isinstance(config, DescentConfig) or last.epoch == config.max_epochs:
            return None  # no further peak to come
        if progress.shares_gpu:
            return None
        if used is None or used <= self.share:
            return None
        return self.stop(
            f"{100 * used:.0f}% of the GPU's memory is in use (limit {100 * self.share:g}%), "
            f"{last.peak_memory_mib:.0f} MiB at most by this trial, at batch size "
            f"{config.batch_size}",
            brief=f"GPU memory {100 * used:.0f}%",
        )


class TrialBudget(Rule):
    """The most that one trial may cost."""

    stop_reason: ClassVar[str] = "budget"
    kind: ClassVar[Kind] = Kind.CUT_SHORT

    epochs: Count | None = None
    seconds: Positive | None = None  # of training and its evaluation

    def judge(self, progress: Progress) -> Stop | None:
        epochs, seconds = len(progress.reports), sum(r.epoch_s for r in progress.reports)
        if self.epochs is not None and epochs >= self.epochs:
            return self.stop(
                f"{epochs} epochs, the most that a trial may run",
                brief=f"budget: {epochs} epoch{'s' * (epochs != 1)}",
            )
        if self.seconds is not None and seconds >= self.seconds:
            return self.stop(
                f"{seconds:.0f} s in {epochs} epochs; a trial may take {self.seconds:g} s",
                brief=f"budget: {seconds:.0f} s",
            )
        return None
