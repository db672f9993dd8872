"""A refit: the training of a chosen config on train and validation ratings together.

Nothing judges its epochs, so it runs for as many as the best epoch of the judged training had, on
the schedule of that training's `max_epochs`. An epoch has more steps, because there are more
ratings: each rating is seen as often as in the judged training.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ...errors import OptionError
from ..config import DescentConfig
from ..evaluation.metrics import Metric, Predictions
from .experiment import Experiment


def _never_computed(predictions: Predictions) -> float:
    raise NotImplementedError("the epoch's number is a field of the report")


LAST_EPOCH = Metric(
    name="epoch", label="epoch", direction="maximize", compute=_never_computed, digits=0
)
"""By this metric, the last epoch is always the best one."""


def plan_refit(
    experiment: Experiment, epochs: int | None, notify: Callable[[str], None]
) -> Experiment:
    """The refit of an experiment.

    Args:
        epochs: to train. [default: up to the best epoch that the experiment records]
        notify: called with a message if the number of epochs has no effect.

    Raises:
        OptionError: the experiment records no best epoch, or it has fewer epochs.
    """
    config = experiment.config
    if not isinstance(config, DescentConfig):
        if epochs is not None:
            notify(f"without effect: --epochs on {config.architecture}")
        epochs = config.max_epochs
    chosen = epochs or experiment.refit_epochs or _best_epoch(experiment)
    if chosen is None:
        raise OptionError(
            "--refit needs the number of the best epoch, and this config records none (as when any "
            "of its values was changed); train it with --out RUN and refit RUN/config.yaml, or "
            "give the number with --epochs"
        )
    if chosen > config.max_epochs:
        raise OptionError(
            f"--epochs {chosen} exceeds max_epochs ({config.max_epochs}), at whose end the "
            "learning rate is 0; choose fewer, or change max_epochs in the config"
        )
    return replace(experiment, refit_epochs=chosen, metrics={}, environment={})


def describe_refit(experiment: Experiment) -> str | None:
    """A sentence on what a refit trains; None for any other experiment."""
    if experiment.refit_epochs is None:
        return None
    return (
        f"refit: {experiment.refit_epochs} of {experiment.config.max_epochs} epochs on the train "
        "and validation ratings together, so there are no validation figures"
    )


def _best_epoch(experiment: Experiment) -> int | None:
    best = experiment.metrics.get("best_epoch")
    return best if isinstance(best, int) and best >= 1 else None
