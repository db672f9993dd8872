"""TensorBoard: a folder for each trial in one for the study, written without torch.

tensorboard --logdir tensorboard/breakthrough
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from time import time
from typing import Any, ClassVar

from ...base.strict import Text
from .tracker import RunEnd, RunStart, TrackedRun, TrackedStudy, Tracker


class TensorBoard(Tracker):
    package: ClassVar[str] = "tensorboard"
    extra: ClassVar[str] = "tensorboard"

    folder: Text = "tensorboard"  # created if it is missing

    def connect(self, study: str) -> TrackedStudy:
        return _Study(Path(self.folder).expanduser() / study)


class _Study(TrackedStudy):
    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def start(self, start: RunStart) -> TrackedRun:
        return _Run(self._folder / str(start.number), start)


class _Run(TrackedRun):
    def __init__(self, folder: Path, start: RunStart) -> None:
        from tensorboard.plugins.hparams import summary_v2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter

        self._writer = EventFileWriter(str(folder))
        self._add(summary_v2.hparams_pb(_hparams(start), trial_id=start.name))
        self._add_text("trial", start.tags)
        self._writer.flush()

    def log(self, epoch: int, figures: Mapping[str, float]) -> None:
        from tensorboard.compat.proto.summary_pb2 import Summary

        # As torch writes them: readers of event files outside of TensorBoard know no others.
        values = [Summary.Value(tag=name, simple_value=value) for name, value in figures.items()]
        self._add(Summary(value=values), epoch)
        self._writer.flush()  # a killed process leaves what it has logged

    def end(self, end: RunEnd) -> None:
        self.log(int(end.figures.get("best_epoch", 0)), end.figures)
        self._add_text("end", {**end.tags, "reason": end.reason})
        self._add(_session_end(end))
        self._writer.close()

    def _add_text(self, tag: str, values: Mapping[str, str]) -> None:
        from tensorboard.plugins.text.summary_v2 import text_pb

        self._add(text_pb(tag, "\n".join(f"- {name}: {text}" for name, text in values.items())))

    def _add(self, summary: Any, step: int = 0) -> None:
        from tensorboard.compat.proto.event_pb2 import Event

        self._writer.add_event(Event(wall_time=time(), step=step, summary=summary))


def _hparams(start: RunStart) -> dict[str, bool | int | float | str]:
    """The config and the name of a known one, as TensorBoard takes them."""
    values = {**start.config, "known_config": start.label}
    return {
        name: value if isinstance(value, bool | int | float | str) else str(value)
        for name, value in values.items()
        if value is not None
    }


def _session_end(end: RunEnd) -> Any:
    """The end of a session of the plugin `hparams`, whose own function needs TensorFlow."""
    from tensorboard.compat.proto.summary_pb2 import Summary
    from tensorboard.plugins.hparams import metadata
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData, SessionEndInfo

    status = STATUS_SUCCESS if end.state in ("complete", "pruned") else STATUS_FAILURE
    info = SessionEndInfo(status=status, end_time_secs=time())
    data = metadata.create_summary_metadata(HParamsPluginData(session_end_info=info))
    value = Summary.Value(
        tag=metadata.SESSION_END_INFO_TAG, metadata=data, tensor=metadata.NULL_TENSOR
    )
    return Summary(value=[value])
