"""Lets trials begin on a GPU when there is room for them.

A trial waits until what it may take fits into 90% of the GPU's memory, with what all others have
reserved, or until fewer than a fixed number train. Nobody overtakes a trial that waits. A trial
that has the GPU to itself always begins.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, NamedTuple, Protocol

from optuna.trial import FrozenTrial, Trial

from ...base.interrupts import pause
from ...model.architectures.configs import config_from_mapping
from ...model.architectures.memory import DataSizes
from ...model.config import TrainingConfig
from ...model.training.device import resolve_device
from ...model.training.machine import (
    free_cached_memory,
    gpu_uuid,
    inspect_gpu,
    peak_reserved_bytes,
)
from ..storage.trials import ALONE_ON_GPU, CONFIG, GPU_MEMORY
from .ledger import Entry, Ledger, Page
from .need import Measured, expected_bytes
from .options import TrialsPerGpu

GIB = 2**30
USABLE_SHARE = 0.9  # of the GPU's memory; the rest is for gaps and what the bound leaves out
# Of a process that has used the GPU: CUDA's context and its libraries, which torch does not count.
# An assumption, to be measured on each kind of GPU.
CONTEXT_BYTES = 0.75 * GIB
LOOK_EVERY_S = 1.0


class Gpu(Protocol):
    """What the objective needs to know of the device that its trials train on.

    Attributes:
        is_shared: whether other trials may train on it at the same time.
        neighbours: trials that trained on it together with the latest one, when that began or
            ended.
        peak_mib: what the latest trial took at most, in MiB; None if it is not measured.
    """

    @property
    def is_shared(self) -> bool: ...

    @property
    def neighbours(self) -> int: ...

    @property
    def peak_mib(self) -> float | None: ...

    def reserved(self, trial: Trial, config: TrainingConfig) -> AbstractContextManager[bool]:
        """A block in which the trial may train; its value says whether there is room for it."""


class OwnDevice:
    """A device that needs no ledger: trials begin at once."""

    is_shared = False
    neighbours = 0
    peak_mib = None

    @contextmanager
    def reserved(self, trial: Trial, config: TrainingConfig) -> Iterator[bool]:
        yield True


class Limits(NamedTuple):
    """What may be in use of a GPU at the same time; None is no limit.

    Attributes:
        n_bytes: of its memory.
        n_trials: that train.
    """

    n_bytes: float | None
    n_trials: int | None


def has_room(entry: Entry, others: Iterable[Entry], limits: Limits) -> bool:
    """Whether a trial may begin, by itself, apart from who is first."""
    others = list(others)
    training = [each for each in others if each.state == "training"]
    if not training:
        return True
    if entry.alone or any(each.alone for each in training):
        return False
    if limits.n_trials is not None and len(training) >= limits.n_trials:
        return False
    return limits.n_bytes is None or entry.bytes + reserved_bytes(others) <= limits.n_bytes


def reserved_bytes(entries: Iterable[Entry]) -> float:
    """What processes may take of the GPU; one that does not train has its CUDA context there."""
    return sum(each.bytes if each.state == "training" else CONTEXT_BYTES for each in entries)


class SharedGpu:
    """A GPU that several processes of this machine train on."""

    is_shared = True

    def __init__(
        self,
        device: str,
        trials_per_gpu: TrialsPerGpu,
        sizes: DataSizes,
        *,
        is_random_split: bool,
        worker: Callable[[], dict[str, Any]],
        notify: Callable[[str], None],
        should_stop: Callable[[], str | None],
        folder: Path | None = None,
    ) -> None:
        """Args:
        trials_per_gpu: a number, or `auto` for as many as fit its memory.
        sizes: of the train ratings.
        worker: returns the identity of this run.
        notify: called with a message when a trial has to wait.
        should_stop: the reason to wait no longer, or None.
        folder: of the ledger.
        """
        self._device = resolve_device(device)
        self._ledger = Ledger(gpu_uuid(self._device), folder)
        self._trials_per_gpu = trials_per_gpu
        self._sizes = sizes
        self._is_random_split = is_random_split
        self._worker = worker
        self._notify = notify
        self._should_stop = should_stop
        self._measured: dict[int, Measured] = {}  # by the trial's number
        self.neighbours = 0
        self.peak_mib: float | None = None

    @contextmanager
    def reserved(self, trial: Trial, config: TrainingConfig) -> Iterator[bool]:
        """Wait for room, and give it back when the block ends; False after `should_stop`.

        Raises:
            OutputError: the ledger cannot be written.
        """
        self.peak_mib, self.neighbours = None, 0
        # What the last trial's end could not free: an out-of-memory error still held tensors.
        free_cached_memory()
        entry = self._entry(trial, config)
        try:
            if not self._wait(trial.number, entry):
                yield False
                return
            yield True
        finally:
            self._leave(entry)

    def _entry(self, trial: Trial, config: TrainingConfig) -> Entry:
        self._learn(trial.study.get_trials(deepcopy=False))
        decided = config.for_split(is_random=self._is_random_split)
        need = expected_bytes(decided, self._sizes, list(self._measured.values()))
        return Entry(
            worker=self._worker(),
            state="waiting",
            bytes=(need or 0.0) + CONTEXT_BYTES,
            alone=ALONE_ON_GPU in trial.user_attrs or (need is None and not self._counts),
        )

    @property
    def _counts(self) -> bool:
        """Whether a number limits the trials, not their memory."""
        return self._trials_per_gpu != "auto"

    def _learn(self, trials: Iterable[FrozenTrial]) -> None:
        """Take in what trials of the study have taken on a GPU."""
        for trial in trials:
            if trial.number in self._measured or GPU_MEMORY not in trial.user_attrs:
                continue
            config = config_from_mapping(trial.system_attrs[CONFIG])
            decided = config.for_split(is_random=self._is_random_split)
            n_bytes = trial.user_attrs[GPU_MEMORY] * 2**20
            self._measured[trial.number] = Measured(decided, n_bytes)

    def _wait(self, number: int, entry: Entry) -> bool:
        """Wait until the trial may begin; False if it is to stop before."""
        is_announced = False
        while not self._begins(entry):
            if self._should_stop():
                return False
            if not is_announced:
                is_announced = True
                self._notify(f"trial {number} waits for {self._describe(entry)}")
            pause(LOOK_EVERY_S, self._should_stop)
        return True

    def _begins(self, entry: Entry) -> bool:
        """Reserve what the trial may take if it is first in line, and there is room."""
        run = entry.worker["run"]
        with self._ledger.open() as page:
            mine, others = page.of(run), page.without(run)
            if mine is None or mine.state != "waiting":
                mine = entry
                page.entries = [*others, entry]  # the last in line
            if not others:
                page.foreign_bytes = self._foreign_bytes()
            ahead = page.entries[: page.entries.index(mine)]
            if any(each.state == "waiting" for each in ahead):
                return False
            if not has_room(entry, others, self._limits(page)):
                return False
            self.neighbours = sum(each.state == "training" for each in others)
            page.entries = [*others, replace(entry, state="training")]
            return True

    def _leave(self, entry: Entry) -> None:
        """Give back the room of a trial, except for the context that the process keeps."""
        run = entry.worker["run"]
        with self._ledger.open() as page:
            mine, others = page.of(run), page.without(run)
            page.entries = [*others, replace(entry, state="idle", bytes=0.0, alone=False)]
            if mine is None or mine.state != "training":
                return  # it never began
            self.peak_mib = round(peak_reserved_bytes(self._device) / 2**20, 1)
            now = sum(each.state == "training" for each in others)
            self.neighbours = max(self.neighbours, now)

    def _limits(self, page: Page) -> Limits:
        if self._trials_per_gpu != "auto":
            return Limits(None, self._trials_per_gpu)
        total = inspect_gpu(self._device).total_bytes
        return Limits(USABLE_SHARE * total - page.foreign_bytes, None)

    def _foreign_bytes(self) -> float:
        """What other programs hold now, while no other process of the ledger uses the GPU."""
        gpu = inspect_gpu(self._device)
        return max(0.0, gpu.total_bytes - gpu.free_bytes - CONTEXT_BYTES)

    def _describe(self, entry: Entry) -> str:
        if entry.alone:
            return "the GPU to itself"
        with self._ledger.open() as page:
            others = page.without(entry.worker["run"])
            usable = self._limits(page).n_bytes or 0.0
        if any(each.alone for each in others):
            return "the GPU, which another trial needs to itself"
        if self._counts:
            return f"one of {self._trials_per_gpu} places on the GPU"
        reserved = reserved_bytes(others)
        return (
            f"room on the GPU: it may take {entry.bytes / GIB:.1f} GB, and "
            f"{max(0.0, usable - reserved) / GIB:.1f} of {usable / GIB:.1f} GB are free"
        )
