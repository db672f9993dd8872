"""MLflow: an experiment for each study, a run for each trial; a server, a database or files."""

from __future__ import annotations

import logging
import os
from collections.abc import Mapping
from time import time
from typing import Annotated, Any, ClassVar
from urllib.parse import urlsplit

from pydantic import AfterValidator

from ...base.strict import Name
from .tracker import RunEnd, RunStart, TrackedRun, TrackedStudy, Tracker

PREFIX = "recsys_search."  # of tags
BATCH = 100  # parameters or tags that a server accepts in one call
MAX_LENGTH = 500  # characters of a value that every server accepts
# Its own limits would keep a thread busy for minutes with a server that does not answer.
_LIMITS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "2", "MLFLOW_HTTP_REQUEST_TIMEOUT": "20"}
# A run that its trial ended is a finished one, even if the trial was pruned.
_STATUS = {"complete": "FINISHED", "pruned": "FINISHED", "interrupted": "KILLED"}


def _without_password(uri: str) -> str:
    if urlsplit(uri).password:
        raise ValueError(
            "a password would be stored with the study; set MLFLOW_TRACKING_USERNAME and "
            "MLFLOW_TRACKING_PASSWORD, or leave uri out and set MLFLOW_TRACKING_URI"
        )
    return uri


class Mlflow(Tracker):
    package: ClassVar[str] = "mlflow"
    extra: ClassVar[str] = "mlflow"

    # [default: MLFLOW_TRACKING_URI, or MLflow's own]
    uri: Annotated[Name, AfterValidator(_without_password)] | None = None
    experiment: Name | None = None  # [default: the study's name]

    def connect(self, study: str) -> TrackedStudy:
        for name, value in _LIMITS.items():
            os.environ.setdefault(name, value)
        from mlflow import MlflowClient

        logging.getLogger("mlflow").setLevel(logging.WARNING)  # its notes are not the study's
        return _Study(MlflowClient(tracking_uri=self.uri), self.experiment or study)


class _Study(TrackedStudy):
    def __init__(self, client: Any, experiment: str) -> None:
        self._client = client
        found = client.get_experiment_by_name(experiment)
        self._id = found.experiment_id if found else client.create_experiment(experiment)

    def start(self, start: RunStart) -> TrackedRun:
        if start.continues is not None:
            self._end_killed(start.study, start.continues)
        run = self._client.create_run(
            self._id,
            run_name=start.name,
            tags={f"{PREFIX}{name}": value for name, value in start.tags.items()},
        )
        return _Run(self._client, run.info.run_id, start.config)

    def _end_killed(self, study: str, number: int) -> None:
        """End the run of a trial whose process could not, because it was killed."""
        which = f"tags.`{PREFIX}study` = '{_quoted(study)}' and tags.`{PREFIX}trial` = '{number}'"
        condition = f"{which} and attributes.status = 'RUNNING'"
        for run in self._client.search_runs([self._id], condition):
            self._client.set_tag(run.info.run_id, f"{PREFIX}state", "interrupted")
            self._client.set_terminated(run.info.run_id, "KILLED")


class _Run(TrackedRun):
    def __init__(self, client: Any, run_id: str, config: Mapping[str, Any]) -> None:
        from mlflow.entities import Param

        self._client, self._id = client, run_id
        params = [Param(name, str(value)[:MAX_LENGTH]) for name, value in config.items()]
        for first in range(0, len(params), BATCH):
            client.log_batch(run_id, params=params[first : first + BATCH])

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        from mlflow.entities import Metric

        now = int(time() * 1000)
        metrics = [Metric(name, value, now, epoch) for name, value in figures.items()]
        self._client.log_batch(self._id, metrics=metrics)

    def end(self, end: RunEnd) -> None:
        from mlflow.entities import RunTag

        if end.figures:
            self.log(int(end.figures.get("best_epoch", 0)), end.figures)
        tags = [RunTag(f"{PREFIX}{name}", value) for name, value in end.tags.items()]
        note = RunTag("mlflow.note.content", end.reason)  # shown as the run's description
        self._client.log_batch(self._id, tags=[*tags, note])
        self._client.set_terminated(self._id, _STATUS.get(end.state, "FAILED"))


def _quoted(text: str) -> str:
    return text.replace("\\", "\\\\").replace("'", "\\'")
