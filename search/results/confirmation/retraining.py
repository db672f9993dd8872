"""Trains a trial's config to its end, outside of the study and without pruners."""

from __future__ import annotations

from ....base.interrupts import Interrupts
from ....data.splits.split import Split
from ....model.config import TrainingConfig
from ....model.evaluation.metrics import Metric
from ....model.training.reports import EpochReport
from ....model.training.training import Training
from ...running.events import EpochEnded, Listener, TrialStarted


class Retrainer:
    """Trains configs of one study one after the other."""

    def __init__(
        self, metric: Metric, device: str, listener: Listener, interrupts: Interrupts
    ) -> None:
        self._metric = metric
        self._device = device
        self._listener = listener
        self._interrupts = interrupts

    def train(
        self, number: int, label: str, config: TrainingConfig, split: Split
    ) -> tuple[EpochReport | None, int]:
        """Train to the end.

        Args:
            number: of the trial that the config comes from.
            label: what the training is for, such as its seed.

        Returns:
            The best epoch's report, None if the training diverged; and how many epochs it took.

        Raises:
            KeyboardInterrupt: a signal arrived before the last epoch.
        """
        if self._interrupts.received:
            raise KeyboardInterrupt
        self._listener(TrialStarted(number, config, label))
        epochs = 0
        with Training(config, split, self._device, metric=self._metric) as run:
            for report in run:
                epochs = report.epoch
                self._listener(EpochEnded(number, config, report, self._metric))
                if not report.finite:
                    return None, epochs
                done = epochs == config.max_epochs or run.ended_by_patience
                if self._interrupts.received and not done:
                    raise KeyboardInterrupt
        assert run.best is not None
        return run.best.report, epochs
