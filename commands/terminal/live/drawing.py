"""A running study as lines of text that fit the terminal."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from rich.text import Text

from ....base.messages import format_seconds
from ..columns import Column, fitting, row_lines
from ..consoles import WIDE
from ..trials.quality import column_title
from ..trials.sparkline import Scale, sparkline
from ..trials.table import STATE_STYLES

if TYPE_CHECKING:
    from ....search.running.study_state import RunningTrial, StudyState

N_ENDED = 3  # latest trials that have ended
BAR_WIDTH, CURVE_WIDTH = 12, 10  # characters
MIN_STUDY_BAR, MAX_STUDY_BAR = 8, 30


def draw(state: StudyState, width: int, height: int) -> list[Text]:
    """The study's bar, a line for each running trial, the marks to compare with, the latest ends.

    Args:
        width, height: of the terminal; trials that do not fit are counted.
    """
    above = [_study_line(state, width)] if _has_bar(state) else []
    below = [*_marks_line(state), *map(ending_line, state.ended[-N_ENDED:])]
    room = max(1, height - len(above) - len(below) - 1)
    between = _trial_lines(state, width, room)
    if above and state.workers and not between:
        between = [Text("preparing the next trial", "dim")]  # the lines below stay in their place
    lines = [*above, *between, *below]
    for line in lines:
        line.no_wrap = True
        line.truncate(width, overflow="ellipsis")
    return lines


def _has_bar(state: StudyState) -> bool:
    """Whether there are trials to come; a confirmation has none."""
    return bool(state.progress and state.total and state.progress.done < state.total)


def _study_line(state: StudyState, width: int) -> Text:
    """How far the study is, and what is left; as many of the figures as fit."""
    assert state.spec and state.progress and state.total
    figures = study_figures(state)
    while len(figures) > 1:
        room = width - len(state.spec.name) - len(", ".join(figures)) - 4
        if room >= MIN_STUDY_BAR:
            break
        figures.pop()
    room = width - len(state.spec.name) - len(", ".join(figures)) - 4
    bar_width = max(MIN_STUDY_BAR, min(MAX_STUDY_BAR, room))
    done = _bar(state.progress.done, state.total, bar_width)
    return Text.assemble((state.spec.name, "bold"), "  ", done, "  ", ", ".join(figures))


def study_figures(state: StudyState) -> list[str]:
    """Trials that are done and running, the time left, and what stopping trials early saves."""
    assert state.progress and state.total
    figures = [f"{state.progress.done} of {state.total} trials"]
    if state.workers != 1:
        figures.append(f"{len(state.running) or 'none'} running")
    if (seconds := state.seconds_left) is not None:
        figures.append(format_time_left(seconds, at_most=state.may_end_early))
    if state.progress.pace and state.progress.pace.saved >= 0.01:
        figures.append(f"{100 * state.progress.pace.saved:.0f}% of epochs saved")
    return figures


def format_time_left(seconds: float, *, at_most: bool) -> str:
    """Such as `about 12 min left`. Args: at_most: whether the study may end early."""
    return f"{'at most' if at_most else 'about'} {format_seconds(seconds)} left"


def _trial_lines(state: StudyState, width: int, room: int) -> list[Text]:
    trials = [state.running[number] for number in sorted(state.running)]
    more = len(trials) - room
    if more > 0:
        trials, more = trials[: room - 1], more + 1
    lines = row_lines(fitting(list(_columns(state, trials, width)), width)) if trials else []
    return [*lines, Text(f"and {more} more running")] if more > 0 else lines


def _columns(state: StudyState, trials: list[RunningTrial], width: int) -> Iterator[Column]:
    """Columns whose width stays the same from epoch to epoch."""
    metric = state.metric
    best = state.progress and state.progress.best
    reached = {0: best["value"]} if best else {}  # how near to the best trial a curve comes
    scale = Scale.of([reached, *(trial.curve for trial in state.running.values())], metric)
    digits = max(len(str(trial.max_epochs)) for trial in trials)
    has_wide_curve = width >= WIDE
    curve_width = 2 * CURVE_WIDTH if has_wide_curve else CURVE_WIDTH
    epochs = [f"{trial.epoch:>{digits}}/{trial.max_epochs:>{digits}}" for trial in trials]
    curves = [sparkline(trial.curve, trial.max_epochs, scale, curve_width) for trial in trials]
    yield Column("", [f"trial {trial.number}" for trial in trials])
    if any(trial.label for trial in trials):
        yield Column("", [f"({trial.label})" if trial.label else "" for trial in trials], rank=1)
    yield Column("", [trial.architecture for trial in trials], rank=4)
    yield Column("", [_bar(t.epoch, t.max_epochs, BAR_WIDTH) for t in trials], rank=3)
    yield Column("", epochs, right=True)
    yield Column("", [f"{curve:<{curve_width}}" for curve in curves], rank=6)
    name = f"{column_title(metric.name)} " if has_wide_curve else ""
    values = [f"{name}{metric.format(t.curve[t.epoch])}" if t.curve else "" for t in trials]
    yield Column("", values, right=True, rank=8)
    yield Column("", [_seconds(trial) for trial in trials], rank=7)
    for title, format_figure, rank in (
        ("ratings_per_s", _ratings_per_s, 2),
        ("gpu_utilisation", _gpu_utilisation, 5),
        ("gpu_memory_share", _gpu_memory, 5),
    ):
        figures = [trial.figures.get(title) for trial in trials]
        if any(figure is not None for figure in figures):
            cells = ["" if figure is None else format_figure(figure) for figure in figures]
            yield Column("", cells, rank=rank)


def _seconds(trial: RunningTrial) -> str:
    epoch_s = trial.figures.get("epoch_s")
    if epoch_s is None:
        return "preparing" if not trial.epoch else ""
    return f"{epoch_s:5.1f} s/epoch"


def _ratings_per_s(value: float) -> str:
    return f"{value / 1000:5.0f}k ratings/s"


def _gpu_utilisation(percent: float) -> str:
    return f"GPU {percent:3.0f}%"


def _gpu_memory(share: float) -> str:
    return f"memory {100 * share:3.0f}%"


def _marks_line(state: StudyState) -> list[Text]:
    """The best trial so far, the bias baseline, and the target; nothing before there is any."""
    parts = []
    if progress := state.progress:
        if best := progress.best:
            value = state.metric.format(best["value"])
            parts.append(f"best so far: {value} (trial {best['number']})")
        if progress.bias_val_rmse is not None:
            parts.append(f"bias baseline: {progress.bias_val_rmse:.4f}")
    if state.spec and (target := state.spec.objective.target):
        parts.append(f"target: {target.condition}")
    return [Text(", ".join(parts))] if parts else []


def ending_line(record: dict[str, Any]) -> Text:
    """How a trial ended, such as `trial 7 pruned: plateau at 0.9238`."""
    from ..trials.quality import format_value

    state = record["state"]
    value = f" {format_value(record)}" if state == "complete" else ""
    name = Text(f"trial {record['number']} ")
    return name.append(state, STATE_STYLES.get(state, "")).append(f"{value}: {record['brief']}")


def _bar(done: int, total: int, width: int) -> Text:
    n_full = round(width * min(1.0, done / total))
    return Text.assemble(("━" * n_full, "green"), ("─" * (width - n_full), "dim"))
