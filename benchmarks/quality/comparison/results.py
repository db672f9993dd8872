"""The rows measured so far: figures in a JSON file, errors of each rating in a folder.

A comparison of two rows rating by rating needs the errors of both. They are too large for the JSON
file and stay on the machine that measured them, as FOLDER/ROW/SPLIT-SEED.npz.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.quality.comparison.figures import Array, Runs, rmse
from benchmarks.quality.comparison.measuring import Measured
from benchmarks.quality.comparison.ranking import PerUser

Row = dict[str, Any]
ROUNDING = 1e-4  # of errors that are stored in single precision, in the RMSE and the NDCG


class Results:
    """Rows by name, each with the runs of one setting.

    Attributes:
        splits: split seed -> `baselines` of the cut.

    Args:
        about: what all rows have in common: dataset, fingerprint, part, split.
        folder: of the errors.
    """

    def __init__(self, about: Mapping[str, Any], folder: Path) -> None:
        self.about = dict(about)
        self.rows: dict[str, Row] = {}
        self.splits: dict[str, Any] = {}
        self._folder = folder
        self._measured: set[str] = set()

    def read(self, path: Path) -> None:
        """Take over the rows of a file that were not measured here, if on the same ratings.

        Another process may have written it in the meantime.
        """
        if not path.exists():
            return
        document = json.loads(path.read_text())
        if all(document.get(name) == value for name, value in self.about.items()):
            own = {name: self.rows[name] for name in self._measured}
            self.rows = {row["row"]: row for row in document["rows"]} | own
            self.splits = document.get("splits", {}) | self.splits

    def add(self, name: str, kind: str, settings: Any, measured: Measured) -> None:
        """Add a run. It replaces the row's run of this split and seed, and runs of other settings.

        Args:
            kind: `ours` or `peer`.
        """
        self._measured.add(name)
        run = measured.run
        row = self.rows.get(name, {"runs": []})
        same = row["runs"] if row.get("settings") == settings else []
        runs = [other for other in same if _key(other) != _key(run)] + [run]
        runs.sort(key=lambda each: (each["split_seed"], each["seed"] or 0))
        self.rows[name] = {"row": name, "kind": kind, "settings": settings, "runs": runs}
        path = self._path(name, run)
        path.parent.mkdir(parents=True, exist_ok=True)
        arrays = dict(measured.per_user or {})
        if measured.errors is not None:
            arrays["errors"] = measured.errors
        np.savez(path, **{key: value.astype(np.float32) for key, value in arrays.items()})

    def runs(self, name: str) -> Runs:
        return self.rows[name]["runs"]

    def errors(self, name: str, split_seed: int) -> list[Array]:
        """(n,) of each run on the split; empty unless all of them are stored."""
        arrays = [each.get("errors") for each in self._arrays(name, split_seed)]
        return [each for each in arrays if each is not None]

    def per_user(self, name: str, split_seed: int, figure: str) -> list[Array]:
        """(users,) of each run on the split; empty unless all of them are stored."""
        arrays = [each.get(figure) for each in self._arrays(name, split_seed)]
        return [each for each in arrays if each is not None]

    def _arrays(self, name: str, split_seed: int) -> list[PerUser]:
        """What is stored of each run on the split; empty if a run's is missing or of another."""
        found = []
        for run in self.runs(name):
            if run["split_seed"] != split_seed:
                continue
            path = self._path(name, run)
            if not path.exists():
                return []
            with np.load(path) as file:
                arrays = {key: file[key].astype(np.float64) for key in file.files}
            if not _belongs(arrays, run):
                return []
            found.append(arrays)
        return found

    def _path(self, name: str, run: Mapping[str, Any]) -> Path:
        return self._folder / name / f"{run['split_seed']}-{run['seed']}.npz"


def _key(run: Mapping[str, Any]) -> tuple[int, int | None]:
    return run["split_seed"], run["seed"]


def _belongs(arrays: PerUser, run: Mapping[str, Any]) -> bool:
    """Whether the arrays give the run's figures, so that they are not an older run's."""
    given = {"ndcg": float(arrays["ndcg"].mean())} if "ndcg" in arrays else {}
    if "errors" in arrays:
        given["rmse"] = rmse(arrays["errors"])
    return all(abs(run.get(figure, -1) - value) < ROUNDING for figure, value in given.items())
