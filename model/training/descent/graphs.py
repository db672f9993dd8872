"""Training steps as CUDA graphs. What needs CUDA is in `CudaGraphs`.

A step of a small model is hundreds of kernels of a few microseconds each; the host takes longer to
launch one than the GPU to run it. A graph launches all of them at once.
https://docs.pytorch.org/docs/stable/notes/cuda.html#cuda-graphs
"""

from __future__ import annotations

import os
import warnings
from collections import Counter
from collections.abc import Callable
from typing import Protocol

import torch
from torch import Tensor

from ....base.messages import format_error

VARIABLE = "RECSYS_SEARCH_CUDA_GRAPHS"  # 0 turns graphs off
WARM_UP_STEPS = 3  # of each batch size before it is captured, for libraries to set themselves up


def graphs_are_enabled() -> bool:
    return os.environ.get(VARIABLE, "1") != "0"


class Graphs(Protocol):
    def warm_up(self, function: Callable[[], Tensor]) -> Tensor:
        """Call the function as it will be captured, but without capturing it."""

    def capture(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        """What repeats the function's work on the device, without its Python code."""


class CudaGraphs:
    """Graphs that share their memory, since one is done with it before the next is replayed."""

    def __init__(self, device: torch.device) -> None:
        self._stream = torch.cuda.Stream(device)
        self._pool = torch.cuda.graph_pool_handle()

    def warm_up(self, function: Callable[[], Tensor]) -> Tensor:
        current = torch.cuda.current_stream(self._stream.device)
        self._stream.wait_stream(current)
        with torch.cuda.stream(self._stream):
            result = function()
        current.wait_stream(self._stream)
        return result

    def capture(self, function: Callable[[], Tensor]) -> Callable[[], Tensor]:
        graph = torch.cuda.CUDAGraph()
        generator = torch.cuda.default_generators[self._stream.device.index]
        generator_before = generator.clone_state()
        try:
            # If a capture fails, torch leaves its stream current; the outer context does not.
            with (
                torch.cuda.stream(self._stream),
                torch.cuda.graph(graph, pool=self._pool, stream=self._stream),
            ):
                result = function()
        except Exception:
            # It also leaves a generator that refuses to draw outside of a capture.
            generator.graphsafe_set_state(generator_before)
            raise

        def replay() -> Tensor:
            graph.replay()
            return result

        return replay


class CapturedSteps:
    """Captures a step once for each number of rows, and replays it from then on.

    A step must do the same work on the device in each call, at the same addresses, and read nothing
    from there. Random numbers come from the device's default generator, whose state is read at each
    replay, so a captured step draws what the plain one draws. If a capture fails, a warning says so
    and all further steps are plain.
    """

    def __init__(self, graphs: Graphs) -> None:
        self._graphs: Graphs | None = graphs
        self._warmed_up: Counter[int] = Counter()
        self._captured: dict[int, tuple[Tensor, Callable[[], Tensor]]] = {}

    def run(self, step: Callable[[Tensor], Tensor], rows: Tensor) -> Tensor:
        """Take a step; its result, which the next one may overwrite.

        Args:
            step: the same in each call. It is not kept: its owner keeps this object.
        """
        n_rows = len(rows)
        if self._graphs is not None and n_rows not in self._captured:
            if self._warmed_up[n_rows] < WARM_UP_STEPS:
                self._warmed_up[n_rows] += 1
                return self._graphs.warm_up(lambda: step(rows))
            self._capture(self._graphs, step, rows)
        if n_rows not in self._captured:
            return step(rows)
        static_rows, replay = self._captured[n_rows]
        static_rows.copy_(rows)
        return replay()

    def _capture(self, graphs: Graphs, step: Callable[[Tensor], Tensor], rows: Tensor) -> None:
        static_rows = rows.clone()
        try:
            replay = graphs.capture(lambda: step(static_rows))
        except Exception as error:
            self._graphs = None
            warnings.warn(
                f"a training step cannot be captured as a CUDA graph: {format_error(error)}; the "
                f"training goes on without, more slowly; {VARIABLE}=0 does not try",
                stacklevel=2,
            )
        else:
            self._captured[len(rows)] = static_rows, replay
