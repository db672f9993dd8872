"""Epoch reports with the figures that a rule looks at, and healthy ones elsewhere."""

from __future__ import annotations

import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.reports import EpochReport
from recsys_search.search.pruners.rule import Progress

HEALTHY = {
    "train_loss": 0.8,
    "train_mse": 0.64,
    "train_rmse": 0.8,
    "val_loss": 0.9,
    "val_rmse": 0.85,
    "kl": 5.0,
    "kl_clamped": 5.0,
    "beta": 0.01,
    "learning_rate": 1e-3,
    "grad_norm": 1.0,
    "ratings_per_s": 1e5,
    "train_s": 1.0,
    "epoch_s": 2.0,
    "peak_memory_mib": 500.0,
    "active": 20,
    "eval_kl": 5.0,
    "shuffle_cost": 0.3,
}
BIAS = 0.87


@pytest.fixture
def progress():
    """Builds a trial's progress: each figure is a list with one value per epoch, or one for all."""

    def build(*, n=None, towers=("latent",), config=None, incumbent=None, ended=(), **figures):
        n = n or max(len(f) for f in figures.values() if isinstance(f, list))
        columns = {
            name: value if isinstance(value, list) else [value] * n
            for name, value in {**HEALTHY, **figures}.items()
        }
        rows = [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
        values = {"latent_dim": 32, "kl_weight": 0.01, "kl_warmup_epochs": 0.0, **(config or {})}
        return Progress(
            config=build_config("hybrid", **values),
            reports=[_report(at + 1, row, towers) for at, row in enumerate(rows)],
            bias_val_rmse=BIAS,
            incumbent=incumbent,
            ended=ended,
        )

    return build


def _report(epoch, row, towers):
    row = dict(row)
    by_tower = {
        "active_units": row.pop("active"),
        "eval_kl": row.pop("eval_kl"),
        "shuffle_cost": row.pop("shuffle_cost"),
    }
    for name, value in by_tower.items():
        each = value if isinstance(value, dict) else dict.fromkeys(towers, value)
        row[name] = {tower: each[tower] for tower in towers}
    return EpochReport(epoch=epoch, val_mse=row["val_rmse"] ** 2, **row)
