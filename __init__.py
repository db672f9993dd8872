"""Hyperparameter search for variational autoencoders that predict MovieLens ratings.

The public face for notebooks and scripts; docs/python.md shows each name in use. A name is
imported when it is first used, so that `import recsys_search` stays fast and needs no torch.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .data.sets.loading import load_ratings as load_ratings
    from .data.splits.spec import SplitSpec as SplitSpec
    from .data.splits.split import split_ratings as split_ratings
    from .errors import RecsysSearchError as RecsysSearchError
    from .model.architectures.configs import build_config as build_config
    from .model.architectures.table import Architecture as Architecture
    from .model.architectures.table import register_architecture as register_architecture
    from .model.ensembles.combine import combine_runs as combine_runs
    from .model.evaluation.metrics import METRICS as METRICS
    from .model.evaluation.metrics import Metric as Metric
    from .model.runs.run import Run as Run
    from .model.runs.train_run import train_run as train_run
    from .model.training.reports import EpochReport as EpochReport
    from .model.training.training import Training as Training
    from .search.definition.study_file import StudySpec as StudySpec
    from .search.definition.study_file import load_study as load_study
    from .search.launch.run_study import run_study as run_study
    from .search.listeners.attach import Outlets as Outlets
    from .search.pruners.rule import Progress as Progress
    from .search.pruners.table import PRUNERS as PRUNERS
    from .search.results.confirmation.confirm import confirm as confirm
    from .search.results.importance import axis_importance as axis_importance
    from .search.results.reader import StudyReader as StudyReader
    from .search.running.opening import Overrides as Overrides

__version__ = "0.1.0"

_MODULES = {
    "METRICS": "model.evaluation.metrics",
    "PRUNERS": "search.pruners.table",
    "Architecture": "model.architectures.table",
    "EpochReport": "model.training.reports",
    "Metric": "model.evaluation.metrics",
    "Outlets": "search.listeners.attach",
    "Overrides": "search.running.opening",
    "Progress": "search.pruners.rule",
    "RecsysSearchError": "errors",
    "Run": "model.runs.run",
    "SplitSpec": "data.splits.spec",
    "StudyReader": "search.results.reader",
    "StudySpec": "search.definition.study_file",
    "Training": "model.training.training",
    "build_config": "model.architectures.configs",
    "combine_runs": "model.ensembles.combine",
    "axis_importance": "search.results.importance",
    "confirm": "search.results.confirmation.confirm",
    "load_ratings": "data.sets.loading",
    "load_study": "search.definition.study_file",
    "register_architecture": "model.architectures.table",
    "run_study": "search.launch.run_study",
    "split_ratings": "data.splits.split",
    "train_run": "model.runs.train_run",
}

__all__ = ["__version__", *_MODULES]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f".{_MODULES[name]}", __name__), name)


def __dir__() -> list[str]:
    return sorted(__all__)
