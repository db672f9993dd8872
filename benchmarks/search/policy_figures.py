"""What simulated searches are measured by: the best value for the epochs, and the study's own end.

The best value is that of the trial which a study would choose (the lowest reported value), without
the noise that its seed adds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

Doubles = NDArray[np.float64]

BASELINE = "Optuna TPE, median"
SEED_NOISE = 0.002  # stars; the distance from the optimum that counts as there
EARLY = 0.002  # stars; a study that ends further above what its own trials would reach was early
BUDGETS = (200, 400, 800)  # epochs
RESAMPLINGS = 2000


class Course:
    """One study by epochs. Attributes: best: after each trial; spent: epochs until then."""

    def __init__(self, study: Mapping[str, Any]) -> None:
        self.spent = np.cumsum(study["epochs"])
        self.best = np.empty(len(self.spent))
        lowest, true = np.inf, np.nan
        for at, (value, its) in enumerate(zip(study["values"], study["true_values"], strict=True)):
            if value is not None and value < lowest:
                lowest, true = value, its
            self.best[at] = true
        self.finished_at = study["finished_at"] or len(self.best)

    def after(self, epochs: int) -> float:
        """The best value once so many epochs are spent; after the last trial if there are fewer."""
        at = int(np.searchsorted(self.spent, epochs, side="right")) - 1
        return float(self.best[max(at, 0)])

    def epochs_to(self, goal: float) -> float:
        """Epochs until the best value has reached the goal; infinite if it never does."""
        reached = np.flatnonzero(self.best <= goal)
        return float(self.spent[reached[0]]) if len(reached) else np.inf


def table(studies: Mapping[str, Sequence[Mapping[str, Any]]]) -> tuple[dict[str, Any], str]:
    """The figures of each policy, and a Markdown table."""
    courses = {name: [Course(study) for study in rows] for name, rows in studies.items()}
    optimum = min(float(np.nanmin(course.best)) for rows in courses.values() for course in rows)
    goal = optimum + SEED_NOISE
    figures = {name: policy_figures(rows, goal) for name, rows in courses.items()}
    if BASELINE in courses:
        for name, rows in courses.items():
            figures[name]["share_of_baseline"] = share_of_baseline(rows, courses[BASELINE], goal)
    return {"optimum": optimum, "goal": goal, **figures}, markdown(figures, goal)


def policy_figures(courses: Sequence[Course], goal: float) -> dict[str, Any]:
    to_goal = np.array([course.epochs_to(goal) for course in courses])
    total = np.array([course.spent[-1] for course in courses], np.float64)
    figures: dict[str, Any] = {
        "studies": len(courses),
        "epochs": with_bounds(total, np.mean),
        "final": with_bounds(np.array([course.best[-1] for course in courses]), np.nanmean),
        "after": {
            str(epochs): with_bounds(
                np.array([course.after(epochs) for course in courses]), np.nanmean
            )
            for epochs in BUDGETS
        },
        "found": float(np.isfinite(to_goal).mean()),
        "epochs_to_goal": with_bounds(rows_to(courses, goal), repeated),
    }
    ends = np.array([course.finished_at for course in courses])
    if (ends < [len(course.best) for course in courses]).any():
        at_end = np.array([course.best[end - 1] for course, end in zip(courses, ends, strict=True)])
        last = np.array([course.best[-1] for course in courses])
        spent = np.array([c.spent[end - 1] for c, end in zip(courses, ends, strict=True)])
        figures["finish"] = {
            "trials": with_bounds(ends.astype(np.float64), np.mean),
            "epochs": with_bounds(spent.astype(np.float64), np.mean),
            "share": with_bounds(
                np.stack([spent, total]), lambda rows: rows[0].sum() / rows[1].sum()
            ),
            "early": with_bounds((at_end - last > EARLY).astype(np.float64), np.mean),
            "lost": with_bounds(at_end - last, np.mean),
        }
    return figures


def rows_to(courses: Sequence[Course], goal: float) -> Doubles:
    """(2, n_courses): epochs until the goal, or until the end without it; and whether reached."""
    to_goal = np.array([course.epochs_to(goal) for course in courses])
    total = np.array([course.spent[-1] for course in courses])
    return np.stack([np.minimum(to_goal, total), np.isfinite(to_goal)])


def repeated(rows: Doubles) -> float:
    """Epochs until the goal, with the studies that never reach it run again until one does."""
    return float(rows[0].sum() / max(rows[1].sum(), 1.0))


def share_of_baseline(
    courses: Sequence[Course], baseline: Sequence[Course], goal: float
) -> list[float]:
    """[value, low, high] of the epochs to the goal, as a share of the baseline's."""
    own, other = rows_to(courses, goal), rows_to(baseline, goal)
    rng = np.random.default_rng(0)
    drawn = [
        repeated(own[:, rng.integers(own.shape[1], size=own.shape[1])])
        / repeated(other[:, rng.integers(other.shape[1], size=other.shape[1])])
        for _ in range(RESAMPLINGS)
    ]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [float(f"{v:.4g}") for v in (repeated(own) / repeated(other), low, high)]


def with_bounds(values: Doubles, statistic: Callable[[Any], Any]) -> list[float]:
    """[value, low, high]: 95% by resampling the studies, which are the last dimension."""
    rng, n = np.random.default_rng(0), values.shape[-1]
    drawn = [float(statistic(values[..., rng.integers(n, size=n)])) for _ in range(RESAMPLINGS)]
    low, high = np.quantile(drawn, [0.025, 0.975])
    return [float(f"{value:.5g}") for value in (float(statistic(values)), low, high)]


def markdown(figures: Mapping[str, Mapping[str, Any]], goal: float) -> str:
    budgets = " | ".join(f"best after {epochs} epochs" for epochs in BUDGETS)
    lines = [
        f"| search | studies | {budgets} | after 100 trials | their epochs | epochs to {goal:.4f} "
        "| share of Optuna's defaults | own end, trials | own end, epochs | ended too early |",
        "|---" * (len(BUDGETS) + 9) + "|",
    ]
    for name, f in figures.items():
        after = " | ".join(f"{f['after'][str(epochs)][0]:.4f}" for epochs in BUDGETS)
        row = f"| {name} | {f['studies']} | {after} | {show(f['final'], 4)} | {f['epochs'][0]:.0f} "
        row += f"| {show(f['epochs_to_goal'], 0)}, found {100 * f['found']:.0f}% "
        share = f.get("share_of_baseline")
        row += f"| {show(share, 2)} " if share else "| "
        if end := f.get("finish"):
            row += (
                f"| {end['trials'][0]:.0f} | {show([100 * v for v in end['share']], 0)}% "
                f"| {show([100 * v for v in end['early']], 0)}% |"
            )
        else:
            row += "| | | |"
        lines.append(row)
    return "\n".join(lines)


def show(bounds: Sequence[float], digits: int) -> str:
    value, low, high = (f"{each:.{digits}f}" for each in bounds)
    return f"{value} ({low} to {high})"
