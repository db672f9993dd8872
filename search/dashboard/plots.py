"""Refuses plots that Optuna would draw with gigabytes of memory: contours and ranks.

The dashboard asks for them when its setting "Use Plotly Python library" is on. Both draw every
pair of parameters: a contour has a cell for each pair of values, a rank a point for each trial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from http import HTTPStatus
from typing import TYPE_CHECKING

from optuna.storages import BaseStorage
from optuna.trial import FrozenTrial, TrialState

from .responses import json_response

if TYPE_CHECKING:
    from _typeshed.wsgi import StartResponse, WSGIApplication, WSGIEnvironment

MAX_MB = 200  # of memory

_PLOT = re.compile(r"/api/studies/(\d+)/plot/(contour|rank)/?")
_BYTES_PER_CELL, _BYTES_PER_POINT = 30, 850  # measured, with the answer as text


def contour_mb(trials: Sequence[FrozenTrial]) -> float:
    """Memory that Optuna's contour plot of completed trials takes, roughly."""
    values: dict[str, set[str]] = {}
    for trial in trials:
        for name, value in trial.params.items():
            values.setdefault(name, set()).add(repr(value))
    sizes = [len(found) + 2 for found in values.values()]  # an axis has a margin on both sides
    cells = sum(sizes) ** 2 - sum(size**2 for size in sizes)
    return cells * _BYTES_PER_CELL / 1e6


def rank_mb(trials: Sequence[FrozenTrial]) -> float:
    """Memory that Optuna's rank plot takes, roughly."""
    n_names = len({name for trial in trials for name in trial.params})
    return n_names**2 * len(trials) * _BYTES_PER_POINT / 1e6


MEMORY_MB: dict[str, Callable[[Sequence[FrozenTrial]], float]] = {
    "contour": contour_mb,
    "rank": rank_mb,
}


def bounded(app: WSGIApplication, storage: BaseStorage) -> WSGIApplication:
    """The app, with an empty figure that says why in place of a plot that would be too large.

    A figure, not an error: the page shows no error of a plot.
    """

    def checked(environ: WSGIEnvironment, start_response: StartResponse) -> Iterable[bytes]:
        asked = _PLOT.fullmatch(environ["PATH_INFO"])
        if not asked or (reason := _refusal(storage, int(asked[1]), asked[2])) is None:
            return app(environ, start_response)
        title = {"text": reason.replace("; ", "<br>"), "font": {"size": 14}}
        figure = {"reason": reason, "data": [], "layout": {"title": title}}
        return json_response(HTTPStatus.OK, figure).send(start_response)

    return checked


def _refusal(storage: BaseStorage, study_id: int, plot: str) -> str | None:
    """Why a plot is not drawn; None if it is."""
    try:
        trials = storage.get_all_trials(study_id, deepcopy=False)
    except KeyError:
        return None  # the app answers that there is no such study
    trials = [trial for trial in trials if trial.state == TrialState.COMPLETE]
    memory_mb = MEMORY_MB[plot](trials)
    if memory_mb <= MAX_MB:
        return None
    names = {name for trial in trials for name in trial.params}
    return (
        f"the {plot} plot of all pairs of {len(names)} parameters over {len(trials)} completed "
        f"trials would take {_size(memory_mb)} of memory, and the limit is {MAX_MB} MB; for two "
        f"parameters: optuna.visualization.plot_{plot}(study, params=[...])"
    )


def _size(mb: float) -> str:
    return f"{mb:.0f} MB" if mb < 1000 else f"{mb / 1000:.1f} GB"
