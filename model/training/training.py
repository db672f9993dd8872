"""Training as an iterator: the caller decides after each epoch whether to continue.

with Training(config, split) as run:
    for report in run:
        if report.val_rmse > hopeless:
            break
run.best.report.val_rmse

`state` and `resume` carry a training over to another process, also from the middle of an epoch.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from time import perf_counter
from types import TracebackType
from typing import Any, Self

import torch
from torch import Tensor

from ...base.malloc import keep_freed_memory
from ...data.splits.split import Split
from ..architectures.models import build_model, count_net_parameters, count_parameters
from ..components.rating_model import RatingModel
from ..config import TrainingConfig, config_to_mapping
from ..evaluation.metrics import VAL_RMSE, Metric
from ..store.train_store import TrainStore
from . import device as devices
from .device import Precision, resolve_device
from .fit import Fit, Steps, never
from .fits import build_fit
from .health import HEALTH_ROWS, measure_health
from .quality import bias_rmse, compute_metrics, evaluate
from .randomness import fixed_rows, random_states, seed_generators, set_random_states
from .reports import FIELDS, EpochReport

MAX_TRAIN_ROWS = 200_000  # for the train figures; the standard error of their RMSE is 0.002 stars
STATE_FORMAT = 2  # of `Training.state`: raise it with each change of what is in there
# Attributes that hold device memory while the block is open.
_ON_DEVICE = (
    "_model",
    "_fit",
    "_store",
    "_val_pairs",
    "_val_rating",
    "_train_data",
    "_health_data",
)


@dataclass(frozen=True)
class Best:
    """The best epoch, and its weights on the CPU."""

    report: EpochReport
    weights: dict[str, Tensor]


class Training:
    """One training run. On a CPU it repeats to the bit for one seed, machine and thread count.

    Attributes:
        metric: decides which epoch is best, and when patience runs out.
        reports: of the epochs so far.
        best: None until an epoch has a finite value of the metric; stays after the block is left.
        bias_val_rmse: validation RMSE of the bias baseline, known inside the block.
        n_parameters, n_net_parameters: number of trained weights, and without embeddings; known
            inside the block.
        ended_by_patience: whether the last `patience` epochs did not improve.
        resumed_from_epoch: epochs that another process had done; None if there was none.
    """

    _model: RatingModel
    _fit: Fit

    def __init__(
        self,
        config: TrainingConfig,
        split: Split,
        device: str = "auto",
        *,
        metric: Metric = VAL_RMSE,
        should_pause: Callable[[], bool] = never,
    ) -> None:
        """Args: should_pause: asked after each step; if it says so, the iteration ends there."""
        self._model_config = config.for_split(is_random=split.spec.is_random)
        self.config = config
        self.metric = metric
        self.reports: list[EpochReport] = []
        self.best: Best | None = None
        self.bias_val_rmse = math.nan
        self.n_parameters = self.n_net_parameters = 0
        self.resumed_from_epoch: int | None = None
        self._should_pause = should_pause
        self._rng_states: list[Tensor] | None = None
        self._epoch_train_s = 0.0  # of an epoch that is not complete
        self._split = split
        self._device = resolve_device(device)
        self._precision = Precision(config.amp, self._device)

    def __enter__(self) -> Self:
        try:
            self._prepare()
        except BaseException:
            self._release()  # __exit__ is not called when __enter__ raises
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._release()

    def __iter__(self) -> Iterator[EpochReport]:
        while len(self.reports) < self.config.max_epochs and not self.ended_by_patience:
            report = self._epoch(len(self.reports) + 1)
            if report is None:
                return
            self.reports.append(report)
            value = self.metric.of(report)
            if math.isfinite(value) and (
                self.best is None or self.metric.is_better(value, self.metric.of(self.best.report))
            ):
                self.best = Best(report, self._weights())
            yield report

    @property
    def ended_by_patience(self) -> bool:
        best_epoch = self.best.report.epoch if self.best else 0
        return len(self.reports) - best_epoch >= self.config.patience

    def state(self) -> dict[str, Any]:
        """Everything that it takes to go on in another process: plain values and CPU tensors."""
        return {
            **self._identity(),
            "reports": [asdict(report) for report in self.reports],
            "best": self.best and {"epoch": self.best.report.epoch, "weights": self.best.weights},
            "weights": self._weights(),
            "fit": self._fit.state,
            "random_states": self._rng_states,
            "epoch_train_s": self._epoch_train_s,
        }

    def resume(self, state: Mapping[str, Any]) -> None:
        """Go on from the state of an earlier process. Call it in the block, before iterating.

        On a CPU the training then ends to the bit as if it had not been stopped.

        Raises:
            ValueError: the state is of another config, split or metric, or of an earlier version.
        """
        for name, value in self._identity().items():
            if state.get(name) != value:
                raise ValueError(f"the checkpoint has another {name}")
        self.reports = [EpochReport(**report) for report in state["reports"]]
        if best := state["best"]:
            self.best = Best(self.reports[best["epoch"] - 1], best["weights"])
        self._model.load_state_dict(state["weights"])
        self._fit.state = state["fit"]
        self._rng_states = state["random_states"]
        self._epoch_train_s = state["epoch_train_s"]
        self.resumed_from_epoch = len(self.reports)

    def _identity(self) -> dict[str, Any]:
        """What a state and the training that goes on from it have in common."""
        return {
            "format": STATE_FORMAT,
            "config": config_to_mapping(self.config),
            "split": self._split.fingerprint,
            "metric": self.metric.name,
        }

    @property
    def device(self) -> torch.device:
        return self._device

    @property
    def amp(self) -> str:
        """The precision in use: bf16, fp16 or off."""
        return self._precision.amp

    def _prepare(self) -> None:
        """Move the data to the device, and build the model and its optimiser there."""
        if self._device.type == "cpu":
            keep_freed_memory()
        devices.begin_memory_statistics(self._device)
        validation = self._split.validation
        self._store = TrainStore.of(self._split.train, self._device)
        self._val_pairs = self._store.held_out(validation)
        self._val_rating = torch.from_numpy(validation.rating).to(self._device)
        self.bias_val_rmse = bias_rmse(self._store, self._val_pairs, self._val_rating)
        n_rows = min(len(validation), MAX_TRAIN_ROWS) or HEALTH_ROWS
        rows = fixed_rows(len(self._store), n_rows, self._device)
        self._train_data = self._store.pairs(rows), self._store.rating[rows]
        rows = fixed_rows(len(validation), HEALTH_ROWS, self._device)
        self._health_data = self._val_pairs[rows], self._val_rating[rows]
        if not len(validation):  # a refit
            self._health_data = self._train_data
        with self._own_randomness():
            self._model = build_model(self._model_config, self._store)
        self.n_parameters = count_parameters(self._model)
        self.n_net_parameters = count_net_parameters(self._model)
        self._fit = build_fit(self.config, self._model, self._precision)

    def _release(self) -> None:
        """Free the device's memory, however far `_prepare` got."""
        for name in _ON_DEVICE:
            self.__dict__.pop(name, None)
        if self._device.type == "cuda":
            torch.cuda.empty_cache()

    def _epoch(self, epoch: int) -> EpochReport | None:
        """The report of an epoch, or None if it paused."""
        started_at = perf_counter()
        steps = self._train_epoch()
        self._epoch_train_s += perf_counter() - started_at
        if steps is None:
            return None
        train_s, self._epoch_train_s = self._epoch_train_s, 0.0
        evaluated_from = perf_counter()
        # In float32 for any training precision, as when the saved run is evaluated.
        shared = self._model.encode_for_eval()
        train = evaluate(self._model, *self._train_data, shared, steps.kl_cost)
        val = evaluate(
            self._model,
            self._val_pairs,
            self._val_rating,
            shared,
            steps.kl_cost,
            keep_predictions=self.metric.name not in FIELDS,
        )
        health = measure_health(self._model, *self._health_data, shared)
        return EpochReport(
            epoch=epoch,
            train_loss=steps.loss,
            train_mse=train.mse,
            train_rmse=train.rmse,
            val_loss=val.loss,
            val_mse=val.mse,
            val_rmse=val.rmse,
            kl=steps.kl,
            kl_clamped=steps.kl_clamped,
            active_units=health.active_units,
            eval_kl=health.kl,
            shuffle_cost=health.shuffle_cost,
            beta=float(steps.kl_cost.beta),
            learning_rate=steps.learning_rate,
            grad_norm=steps.grad_norm,
            ratings_per_s=len(self._store) / train_s,
            train_s=train_s,
            epoch_s=train_s + perf_counter() - evaluated_from,
            peak_memory_mib=devices.peak_memory_mib(self._device),
            gpu_utilisation=devices.gpu_utilisation(self._device),
            gpu_memory_share=devices.gpu_memory_share(self._device),
            metrics=compute_metrics(
                self.metric,
                val,
                self._model,
                self._val_pairs,
                self._val_rating,
                self._split.validation,
            ),
        )

    def _train_epoch(self) -> Steps | None:
        with self._own_randomness(), self._precision.fast_products():
            return self._fit.epoch(self._should_pause)

    def _weights(self) -> dict[str, Tensor]:
        return {
            name: tensor.detach().to("cpu", copy=True)
            for name, tensor in self._model.state_dict().items()
        }

    @contextmanager
    def _own_randomness(self) -> Iterator[None]:
        """Draw from the run's own random stream, whatever the caller draws in between."""
        devices = [self._device] if self._device.type == "cuda" else []
        with torch.random.fork_rng(devices):
            if self._rng_states is None:
                seed_generators(self.config.seed, self._device)
            else:
                set_random_states(self._rng_states, self._device)
            yield
            self._rng_states = random_states(self._device)
