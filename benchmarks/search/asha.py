"""Asynchronous successive halving that pauses trials and promotes them (Li et al. 2020).

Optuna's `SuccessiveHalvingPruner` stops a trial for good where this one pauses it.
"""

from __future__ import annotations

from collections import defaultdict

RATE = 3  # one of so many is promoted
RUNGS = (1, 3, 9)  # epochs; above the last one, a trial runs to its end


class Asha:
    """Which paused trial goes on, and to what epoch."""

    def __init__(self) -> None:
        self._values: dict[int, dict[int, float]] = defaultdict(dict)  # rung -> trial -> value
        self._promoted: set[int] = set()

    def next_rung(self, done: int, max_epochs: int) -> int:
        """The epoch at which a trial that has run so many pauses; its last one above all rungs."""
        return next((rung for rung in RUNGS if rung > done), max_epochs)

    def pause(self, number: int, epoch: int, value: float) -> None:
        """Keep the best value that a trial had at the epoch, which is a rung."""
        self._values[epoch][number] = value

    def promote(self) -> int | None:
        """The trial to go on with, from the highest rung; None if a new one is to start.

        It is one of the best of its rung, 1 / `RATE` of those that have come so far.
        """
        for rung in reversed(RUNGS):
            ranked = sorted(self._values[rung], key=self._values[rung].__getitem__)
            for number in ranked[: len(ranked) // RATE]:
                if number not in self._promoted:
                    self._promoted.add(number)
                    return number
        return None
