"""A study's space as a function: the curve of any config, fitted to recorded ones.

    python -m benchmarks.search.landscape

prints how far the fitted curves are from recorded ones that the fit has not seen.

The logs of a curve above a floor are a few principal components; each is a Gaussian process over
the axes. A config's health figures (train RMSE, KL, active units) are those of the recorded curve
that is nearest to the fitted one. Another seed shifts a curve by `SEED_SD`, and each of its epochs
by `EPOCH_SD`, as measured with two_tower.
"""

from __future__ import annotations

import argparse
import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.config import config_to_mapping
from recsys_search.model.training.reports import EpochReport, report_of
from recsys_search.search.definition.space import Space, field_of
from recsys_search.search.definition.study_file import StudySpec, load_study
from recsys_search.search.prospects.encoding import Encoding
from recsys_search.search.prospects.processes import fit_process
from scipy.stats import spearmanr

from benchmarks.search.curves import read_curves

Doubles = NDArray[np.float64]

COMPONENTS = 5
FLOOR = 0.01  # stars below the best recorded value
CEILING = 1.5  # a curve above this counts as this
FOLDS = 10
SEED_SD = 0.0005  # of the best value, between seeds of two_tower
EPOCH_SD = 0.0003  # of one epoch, in addition


@dataclass(frozen=True)
class Recorded:
    """A recorded trial.

    Attributes:
        values: axis -> value.
        reports: one of each epoch that was trained.
        curve: (n_epochs,) validation RMSE.
    """

    values: Mapping[str, Any]
    reports: Sequence[EpochReport]
    curve: Doubles

    @property
    def best(self) -> float:
        return float(self.curve.min())


def recorded(space: Space, architecture: str) -> list[Recorded]:
    """All recorded trials of an architecture whose configs are in the space.

    Those of a study that ended on a plateau go on with their last value.
    """
    lines = list(read_curves(architecture, shards="*"))
    n_epochs = max(len(line["reports"]["epoch"]) for line in lines)
    found = []
    for line in lines:
        config = config_to_mapping(config_from_mapping(line["config"]))
        if space.off_axis(config):
            continue
        columns = line["reports"]
        rows = zip(*columns.values(), strict=True)
        reports = [report_of(dict(zip(columns, row, strict=True))) for row in rows]
        curve = [each if each is not None else CEILING for each in columns["val_rmse"]]
        curve += curve[-1:] * (n_epochs - len(curve))
        values = {
            name: space.axes[name].value_of(param)
            for name, param in space.params_of(config).items()
        }
        found.append(Recorded(values, reports, np.minimum(curve, CEILING)))
    return found


class Landscape:
    """The curves of one architecture's configs."""

    def __init__(self, space: Space, trials: Sequence[Recorded]) -> None:
        self.trials = trials
        self._encoding = Encoding(space)
        points = self._encoding.encode([trial.values for trial in trials])
        curves = np.stack([trial.curve for trial in trials])
        self._floor = float(curves.min()) - FLOOR
        logs = np.log(curves - self._floor)
        self._mean = logs.mean(axis=0)
        scores, scales, self._components = np.linalg.svd(logs - self._mean, full_matrices=False)
        self._components = self._components[:COMPONENTS]
        self._scores = (scores * scales)[:, :COMPONENTS]
        self._scales = self._scores.std(axis=0)
        self._processes = [
            fit_process(points, score / scale)
            for score, scale in zip(self._scores.T, self._scales, strict=True)
        ]

    def curves(self, configs: Sequence[Mapping[str, Any]]) -> Doubles:
        """(n, n_epochs) expected curves. Args: configs: axis -> value."""
        points = self._encoding.encode(configs)
        scores = np.stack([process.predict(points) for process in self._processes], axis=1)
        curves: Doubles = self._floor + np.exp(
            self._mean + (scores * self._scales) @ self._components
        )
        return curves

    def reports(self, values: Mapping[str, Any], seed: int) -> list[EpochReport]:
        """A trial with this config: its curve with a seed's noise, and health figures to fit."""
        curve = self.curves([values])[0]
        nearest = self.trials[int(np.abs(self._all_curves - curve).mean(axis=1).argmin())]
        rng = np.random.default_rng(seed)
        n = min(len(curve), len(nearest.reports))
        noisy = curve + SEED_SD * rng.standard_normal() + EPOCH_SD * rng.standard_normal(len(curve))
        healthy = [*nearest.reports[:n], *nearest.reports[-1:] * (len(curve) - n)]
        return [
            replace(
                report,
                epoch=epoch,
                val_rmse=float(value),
                val_mse=float(value) ** 2,
                # The gap stays as recorded.
                train_rmse=report.train_rmse + float(value) - report.val_rmse,
            )
            if math.isfinite(report.val_rmse)
            else replace(report, epoch=epoch)
            for epoch, (value, report) in enumerate(zip(noisy, healthy, strict=True), 1)
        ]

    @cached_property
    def _all_curves(self) -> Doubles:
        return np.stack([trial.curve for trial in self.trials])


@dataclass(frozen=True)
class FitError:
    """What a landscape misses on trials that it was not fitted to.

    Attributes:
        n: number of curves.
        rmse, rmse_good: of the best value, over all trials and over the better half, in stars.
        spread_good: standard deviation of the best values of the better half, in stars.
        ranks: Spearman's correlation of fitted and recorded best values.
    """

    n: int
    rmse: float
    rmse_good: float
    spread_good: float
    ranks: float

    def __str__(self) -> str:
        return (
            f"{self.n} curves: best value missed by {self.rmse:.4f} (RMSE), in the better half by "
            f"{self.rmse_good:.4f} (where the standard deviation is {self.spread_good:.4f}); "
            f"rank correlation {self.ranks:.2f}"
        )


def fit_error(space: Space, trials: Sequence[Recorded]) -> FitError:
    """The error of the fit by cross-validation."""
    folds = np.random.default_rng(0).permutation(len(trials)) % FOLDS
    true = np.array([trial.best for trial in trials])
    fitted = np.empty(len(trials))
    for fold in range(FOLDS):
        seen = [trial for trial, its in zip(trials, folds, strict=True) if its != fold]
        held = [trial for trial, its in zip(trials, folds, strict=True) if its == fold]
        curves = Landscape(space, seen).curves([trial.values for trial in held])
        fitted[folds == fold] = curves.min(axis=1)
    good = true <= np.median(true)
    miss = fitted - true
    return FitError(
        len(trials),
        float(np.sqrt(np.mean(miss**2))),
        float(np.sqrt(np.mean(miss[good] ** 2))),
        float(true[good].std()),
        float(spearmanr(fitted, true).statistic),
    )


def promising(space: Space, architecture: str, n: int) -> list[dict[str, Any]]:
    """Configs at lows of the fitted landscape, to be recorded: it must be right there."""
    landscape = Landscape(space, recorded(space, architecture))
    encoding, rng = Encoding(space), np.random.default_rng(0)
    found = []
    for _ in range(n):
        points = encoding.draw(400, architecture, rng)
        for spread in (0.2, 0.1, 0.05, 0.05):
            configs = [encoding.decode(point) for point in points]
            best = landscape.curves(configs).min(axis=1).argsort()[:20]
            moved = encoding.near(np.repeat(points[best], 10, axis=0), spread, rng)
            points = np.concatenate([points[best], moved])
        config = configs[int(best[0])]
        found.append({field_of(name): value for name, value in config.items()})
    return found


def landscapes(spec: StudySpec | None = None) -> dict[str, Landscape]:
    """One of each architecture of `breakthrough`."""
    spec = spec or load_study("breakthrough")
    return {name: Landscape(spec.space, recorded(spec.space, name)) for name in spec.architectures}


def main() -> None:
    spec = load_study("breakthrough")
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--promising", type=int, help="print that many configs to record")
    args = parser.parse_args()
    if args.promising:
        for config in promising(spec.space, spec.architectures[0], args.promising):
            print(json.dumps(config))
        return
    for name in spec.architectures:
        print(f"{name}, {fit_error(spec.space, recorded(spec.space, name))}", flush=True)


if __name__ == "__main__":
    main()
