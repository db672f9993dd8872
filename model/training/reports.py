"""What an epoch measured. Importing this module needs no torch, so anything can read reports."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any

from ..evaluation.metrics import VAL_RMSE, Metric


@dataclass(frozen=True, kw_only=True)
class EpochReport:
    """One epoch of training.

    RMSE and MSE are measured in eval mode on expected ratings clipped to the scale, in stars and
    stars squared. The train figures come from a fixed sample as large as the validation split, but
    of at most 200,000 ratings, with each rating left out of its own sums; for models with per-user
    and per-film weights instead of sums they are in-sample.

    Attributes:
        epoch: counted from 1.
        train_loss, val_loss: MSE + beta * KL, or + the L2 penalty for a model without latents; with
            another likelihood, its loss instead of the MSE. The train loss is measured with noise
            and dropout.
        kl: raw KL of the posterior in nats, summed over dimensions and towers, mean of the epoch.
        kl_clamped: the same with the free bits as a floor, as it enters the loss.
        active_units, eval_kl, shuffle_cost: health of the latents by tower, in eval mode on a fixed
            sample of the validation split, or of train in a refit; see `health.Health`.
        beta: KL weight at the epoch's last step.
        learning_rate: at the epoch's last step.
        grad_norm: L2 norm over all weights before clipping, mean of the epoch.
        train_s, epoch_s: seconds of the training steps, and of the epoch with its evaluation.
        peak_memory_mib: of the GPU since training started, or of the process on a CPU.
        gpu_utilisation: percent; None without a GPU, or if it cannot be read.
        gpu_memory_share: share of the GPU's memory that all processes use at the epoch's end; None
            on a CPU.
        metrics: the study's metric and its parts by name, except the fields above.
    """

    epoch: int
    train_loss: float
    train_mse: float
    train_rmse: float
    val_loss: float
    val_mse: float
    val_rmse: float
    kl: float
    kl_clamped: float
    active_units: Mapping[str, int]
    eval_kl: Mapping[str, float]
    shuffle_cost: Mapping[str, float]
    beta: float
    learning_rate: float
    grad_norm: float
    ratings_per_s: float
    train_s: float
    epoch_s: float
    peak_memory_mib: float
    gpu_utilisation: int | None = None
    gpu_memory_share: float | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)

    def metric(self, name: str) -> float:
        """The value of a metric of `evaluation.metrics`: a field, or one of `metrics`."""
        return self.metrics[name] if name in self.metrics else float(getattr(self, name))

    @property
    def train_gap(self) -> float:
        """How far validation RMSE is above train RMSE."""
        return self.val_rmse - self.train_rmse

    @property
    def finite(self) -> bool:
        """Whether both the train loss and validation RMSE are finite."""
        return math.isfinite(self.train_loss) and math.isfinite(self.val_rmse)


FIELDS = frozenset(each.name for each in fields(EpochReport))
"""Metrics with these names are fields of a report; any other is in its `metrics`."""

MAY_BE_NONE = {"gpu_utilisation", "gpu_memory_share"}
MEASURED = {"ratings_per_s", "train_s", "epoch_s", "peak_memory_mib", *MAY_BE_NONE}
"""Fields that differ from run to run; on a CPU all others repeat to the bit."""


def best_report(reports: Iterable[EpochReport], metric: Metric = VAL_RMSE) -> EpochReport | None:
    """The first epoch with the best finite value of the metric."""
    return min(
        (report for report in reports if math.isfinite(metric.of(report))),
        key=lambda report: metric.cost(metric.of(report)),
        default=None,
    )


def write_reports(path: Path, reports: Iterable[EpochReport]) -> None:
    """Write one JSON object per line; values that are not finite become null."""
    lines = (json.dumps({k: _plain(v) for k, v in asdict(report).items()}) for report in reports)
    path.write_text("".join(line + "\n" for line in lines))


def read_reports(path: Path) -> list[EpochReport]:
    """Read what `write_reports` wrote."""
    return [report_of(json.loads(line)) for line in path.read_text().splitlines()]


def report_of(values: Mapping[str, Any]) -> EpochReport:
    """A report from its JSON: null becomes NaN again; fields of other versions are ignored."""
    known = {each.name for each in fields(EpochReport)}
    return EpochReport(**{name: _read(name, v) for name, v in values.items() if name in known})


def rmse(mse: float) -> float:
    """The square root of an MSE; NaN stays NaN."""
    return math.sqrt(mse) if mse >= 0 else math.nan


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(part) for name, part in value.items()}
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read(name: str, value: Any) -> Any:
    if isinstance(value, dict):
        return {tower: _read(tower, part) for tower, part in value.items()}
    return math.nan if value is None and name not in MAY_BE_NONE else value
