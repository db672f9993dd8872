"""How many workers and threads give the most trials an hour: measured on the study itself."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import pairwise
from time import perf_counter
from typing import NamedTuple

import optuna
import psutil
from optuna.samplers import RandomSampler

from ...data.splits.split import Split
from ...model.config import TrainingConfig
from ...model.training.device import resolve_device
from ...model.training.machine import inspect_cuda, n_threads, threads_are_chosen, use_threads
from ...model.training.training import Training
from ..definition.study_file import StudySpec
from ..sharing.options import TrialsPerGpu

MEASURED_S = 1.5  # a measurement at most, after its first step
MEASURED_STEPS = 8
MOST_PER_GPU = 8  # workers that `auto` starts; how many of them train depends on the memory
BUSY_CORES = 0.5  # used by other processes


class Plan(NamedTuple):
    """How many processes train, and with how many threads each.

    Attributes:
        threads: None leaves torch's own choice.
        why: a sentence; None if nothing was measured.
    """

    workers: int
    threads: int | None
    why: str | None


def plan_workers(spec: StudySpec, split: Split, device: str, wanted: int | None) -> Plan:
    """The workers and threads to run the study with.

    Args:
        wanted: number of workers; None measures what is best.
    """
    if resolve_device(device).type == "cuda":
        workers = wanted or _n_gpus(device)
        return Plan(workers, max(1, _n_cores() // workers) if workers > 1 else None, None)
    if wanted is not None and wanted > 1:
        return Plan(wanted, max(1, _n_cores() // wanted), None)
    if wanted is None:
        return _most_trials_an_hour(spec, split)
    return _fewest_seconds_a_step(spec, split)


def workers_on_gpus(trials_per_gpu: TrialsPerGpu, device: str) -> int:
    """How many workers share the GPUs of this machine, which are at least one.

    `auto` is eight for each GPU, but not more than there are cores.
    """
    n_gpus = _n_gpus(device)
    if trials_per_gpu == "auto":
        return n_gpus * max(1, min(MOST_PER_GPU, _n_cores() // n_gpus))
    return n_gpus * trials_per_gpu


@contextmanager
def chosen_threads(n: int | None) -> Iterator[None]:
    """Let torch use this many threads within the block; None leaves them as they are."""
    before = n_threads()
    use_threads(n or before)
    try:
        yield
    finally:
        use_threads(before)


def worker_device(device: str, number: int) -> str:
    """The device of a worker: workers are spread over the GPUs."""
    if device == "auto" and (n_gpus := inspect_cuda().n_gpus) > 1:
        return f"cuda:{number % n_gpus}"
    return device


def _most_trials_an_hour(spec: StudySpec, split: Split) -> Plan:
    cores = _n_cores()
    if cores == 1:
        return Plan(1, None, None)
    alone, single, figures = _measure(spec, split, cores)
    most = int(psutil.virtual_memory().available / psutil.Process().memory_info().rss)
    workers = max(1, min(cores, most))
    gain = workers * alone / single
    if gain <= 1 or workers == 1:
        return Plan(1, cores, f"1 worker with {cores} threads: {figures}")
    threads = max(1, cores // workers)
    return Plan(workers, threads, f"{workers} workers with {_threads(threads)} each: {figures}")


def _fewest_seconds_a_step(spec: StudySpec, split: Split) -> Plan:
    """One worker: torch's threads, unless other processes keep the cores busy."""
    cores = _n_cores()
    if cores == 1 or threads_are_chosen() or _used_cores() < BUSY_CORES:
        return Plan(1, None, None)
    alone, single, figures = _measure(spec, split, cores)
    threads = 1 if single < alone else cores
    return Plan(1, threads, f"{_threads(threads)}, as other processes are busy: {figures}")


def _measure(spec: StudySpec, split: Split, cores: int) -> tuple[float, float, str]:
    """Seconds of a step with a thread on each core and with a single thread, and a sentence."""
    alone, single = _step_s(spec, split, cores), _step_s(spec, split, 1)
    figures = f"a step takes {_ms(single)} with 1 thread and {_ms(alone)} with {cores}"
    return alone, single, figures


def _step_s(spec: StudySpec, split: Split, threads: int) -> float:
    """Seconds of a training step, the median of a few, with this many threads."""
    ended_at: list[float] = []

    def stop_after_a_few() -> bool:
        ended_at.append(perf_counter())
        return len(ended_at) > MEASURED_STEPS or ended_at[-1] - ended_at[0] > MEASURED_S

    with chosen_threads(threads):
        _train(_first_config(spec), split, stop_after_a_few)
    steps = [end - start for start, end in pairwise(ended_at)]
    return sorted(steps)[len(steps) // 2] if steps else 1e-3  # an architecture without steps


def _train(config: TrainingConfig, split: Split, should_pause: Callable[[], bool]) -> None:
    with Training(config, split, "cpu", should_pause=should_pause) as run:
        next(iter(run), None)


def _first_config(spec: StudySpec) -> TrainingConfig:
    """The study's first known config, or one drawn from its space."""
    study = optuna.create_study(sampler=RandomSampler(seed=0))
    known = next(iter(spec.known_trials()), None)
    if known:
        study.enqueue_trial(known.params)
    return spec.config(spec.space.suggest(study.ask()), known.fixed if known else None)


def _n_gpus(device: str) -> int:
    """Number of GPUs that workers are spread over."""
    return inspect_cuda().n_gpus if device == "auto" else 1


def _n_cores() -> int:
    """Number of cores that this process may use."""
    process = psutil.Process()
    try:
        return len(process.cpu_affinity() or [])
    except AttributeError:  # macOS
        return psutil.cpu_count() or 1


def _used_cores() -> float:
    """How many cores other processes use at the moment."""
    return float(psutil.cpu_percent(interval=0.3)) / 100 * (psutil.cpu_count() or 1)


def _threads(n: int) -> str:
    return "1 thread" if n == 1 else f"{n} threads"


def _ms(seconds: float) -> str:
    return f"{1000 * seconds:.3g} ms"
