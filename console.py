"""Text for a person: tables, values, and lines to type next."""

from __future__ import annotations

import os
import shlex
import sys
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from .model.config import TrainingConfig
    from .model.reports import EpochReport
    from .search.doctor import Check

# Where no terminal sets a width, lines are for grep: as long as they need to be.
out = Console(highlight=False, width=None if sys.stdout.isatty() else 2000)
err = Console(stderr=True, highlight=False)
WIDE = 110  # columns from which on a table shows what is only nice to know
NARROW = 80  # columns of a paragraph

STATE_STYLES = {
    "complete": "green",
    "pruned": "yellow",
    "failed": "red",
    "interrupted": "magenta",
    "running": "cyan",
}

CHECK_STYLES = {"good": "green", "warning": "yellow", "missing": "red"}


def trials_table(records: list[dict[str, Any]], *, best: int | None = None) -> Table:
    """Trials, one a row, each with why it ended; the best one's number carries a star."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("trial", "state", "architecture"):
        table.add_column(name, no_wrap=True)
    wide = out.width >= WIDE
    for name in ("val_rmse", "val_mse", "epochs", *(["train_s"] if wide else [])):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("why it ended")
    for record in records:
        mark = "*" if record["number"] == best else ""
        state = record["state"]
        why = Text(record["reason"] or "")
        if record["stop_reason"]:
            why = Text.assemble((f"{record['stop_reason']}: ", "bold"), why)
        table.add_row(
            f"{record['number']}{mark}",
            Text(state, STATE_STYLES.get(state, "")),
            record["architecture"] or "",
            number(record["val_rmse"]),
            number(record["val_mse"]),
            str(record["epochs"]),
            *([number(record["train_s"], 1)] if wide else []),
            why,
        )
    return table


def beside_biases(rmse: float, bias_rmse: float | None) -> str:
    """A validation or test RMSE with its MSE, and how far it is from the bias baseline's."""
    figures = f"RMSE {rmse:.4f} (MSE {rmse**2:.4f})"
    if bias_rmse is None:
        return figures
    if f"{rmse:.4f}" == f"{bias_rmse:.4f}":
        return f"{figures}, equal to the bias baseline's {bias_rmse:.4f}"
    side = "below" if rmse < bias_rmse else "above"
    return f"{figures}, {abs(rmse - bias_rmse):.4f} {side} the bias baseline's {bias_rmse:.4f}"


def beside_floor(values: dict[str, Any]) -> Text:
    """How far an evaluation's RMSE is from that of the noise, in one line; a leak stands out."""
    rmse, noise = values["rmse"], values["noise_rmse"]
    side = "below" if rmse < noise else "above"
    floor = f"{abs(rmse - noise):.4f} {side} the noise floor's {noise:.4f}"
    if not values["leak"]:
        chance = "which is chance" if rmse < noise else "the best RMSE there is on these rows"
        return Text(f"{floor}, {chance}")
    squared = f"{-values['above_floor']:.4f} ± {values['above_floor_se']:.4f} in squared error"
    return Text(
        f"LEAK: RMSE {rmse:.4f} is {floor} ({squared}), which takes a model that has seen these "
        "very ratings: trust no figure of this run before you have found how they came into it",
        style="bold red",
    )


def command(*words: object) -> str:
    """A line to paste."""
    return shlex.join(["recsys-search", *map(str, words)])


def at_storage(storage: str) -> list[str]:
    """The option that names a storage in a line to paste; none for the one that is meant anyway."""
    from .search.storage import redacted

    meant_anyway = os.environ.get("RECSYS_SEARCH_STORAGE", "sqlite:///studies.db")
    return [] if storage == meant_anyway else ["--storage", redacted(storage)]


def print_next(*commands: str) -> None:
    """Lines to paste, unbroken."""
    out.print("\nnext:")
    for line in commands:
        out.print(Text(f"  {line}"), soft_wrap=True)


def print_outcome(status: dict[str, Any], trials: list[dict[str, Any]], storage: str) -> None:
    """A study's trials, its best beside the baseline, its target, and the lines to type next.

    Args:
        status, trials: what `status --json` and `trials --json` print.
    """
    best, target, at = status["best"], status["target"], at_storage(storage)
    if trials:
        out.print(trials_table(trials, best=best and best["number"]))
    if best:
        beside = beside_biases(best["val_rmse"], status["bias_val_rmse"])
        out.print(f"\nbest: trial {best['number']}, validation {beside}")
    if confirmed := status["confirmed"]:
        out.print(Text(f"trial {confirmed['number']} leads, {told_confirmed(confirmed)}"))
    if target:
        reached = "reached" if target["reached"] else "not reached"
        aim = f"target {target['metric']} < {target['value']:g}: {reached}. {target['note']}"
        out.print(Text(aim.strip()), soft_wrap=True)
    if status["cost_usd"] is not None:
        cost, hours = status["cost_usd"], status["elapsed_s"] / 3600
        out.print(f"cost: {cost:.2f} USD for {hours:.2f} h and {status['epochs']} epochs")
    of_study = ("--study", status["study"], *at)
    commands = []
    over = status["budget_spent"] or (target and target["reached"])
    if status["done"] < status["total"] and not over:
        commands.append(command("start", *of_study))
    if best:
        commands.append(command("confirm", "--top", 3, "--seeds", 5, *of_study))
        commands.append(command("best", "--export", "config.yaml", *of_study))
        commands.append(command("train", "--config", "config.yaml", "--out", "runs/best"))
    print_next(*commands, command("dashboard", *at))


def print_confirmation(rows: list[dict[str, Any]]) -> None:
    """The ranking, and what it tells of the search's own value.

    Args:
        rows: what `confirm --json` prints.
    """
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("trial", no_wrap=True)
    table.add_column("architecture", no_wrap=True)
    for name in ("val_rmse", "mean", "95% interval", "behind the leader"):
        table.add_column(name, justify="right", no_wrap=True)
    table.add_column("")
    for row in rows:
        if row["diverged_with_seed"] is not None:
            says = f"not confirmed: diverged with seed {row['diverged_with_seed']}"
        else:
            says = "tie" if row["tie"] else ""
        behind = row["behind"]
        table.add_row(
            str(row["number"]),
            row["architecture"],
            number(row["val_rmse"]),
            number(row["mean"]),
            Text(_bounds(row) if row["mean"] is not None else ""),
            Text(f"{behind['mean']:.4f} {_bounds(behind)}" if behind else ""),
            says,
        )
    out.print(table)
    leader = rows[0]
    if leader["mean"] is not None:
        out.print(Text(f"\ntrial {leader['number']} leads, {told_confirmed(leader)}"))
        out.print(Text(_told_optimism(leader)), soft_wrap=True)


def told_confirmed(confirmed: dict[str, Any]) -> Text:
    """A mean with its interval, and over what it was taken."""
    over = "seeds and cuts" if confirmed["cuts"] > 1 else "seeds, all on the search's own cut"
    figures = f"{confirmed['mean']:.4f} {_bounds(confirmed)}"
    return Text(f"confirmed over {confirmed['seeds']} {over}: {figures}")


def told_best(best: dict[str, Any], below: dict[str, Any] | None, *of_study: str) -> Text:
    """Whether the best trial is confirmed.

    Args:
        best: what `best --json` prints.
        below: a trial that is not confirmed, and that the search saw below the best one.
        of_study: options for the line to type next.
    """
    line = command("confirm", *of_study)
    if not best["confirmed"]:
        seed = best["diverged_with_seed"]
        why = f"it diverged with seed {seed}; confirm others: " if seed is not None else ""
        return Text(f"not confirmed: {why}{line}")
    told = told_confirmed(best["confirmed"])
    if below:
        told.append(
            f"\ntrial {below['number']} came to {below['val_rmse']:.4f} in the search, below this "
            f"one's {best['val_rmse']:.4f}, and is not confirmed: {line}"
        )
    return told


def _told_optimism(leader: dict[str, Any]) -> str:
    gap = leader["mean"] - leader["val_rmse"]
    told = (
        f"the search's own {leader['val_rmse']:.4f} was picked for being low, which makes such a "
        "value optimistic"
    )
    if gap >= 0:
        return f"{told}: the mean is {gap:.4f} above it"
    by = "cuts and seeds" if leader["cuts"] > 1 else "seeds"
    return f"{told}; yet here the mean is {-gap:.4f} below it: {by} differ by more than that"


def _bounds(interval: dict[str, Any]) -> str:
    return f"[{interval['low']:.4f}, {interval['high']:.4f}]"


def print_evaluation(values: dict[str, Any]) -> None:
    """What `evaluate --json` prints, for a person: errors ± standard errors, then the rankings."""
    told = {}
    for name, value in values.items():
        if name == "ranking" or name.endswith("_se") or value is None:
            continue
        error = values.get(f"{name}_se")
        told[name] = value if error is None else f"{value:.4f} ± {error:.4f}"
    if values["opening"] is not None:
        told["opening"] = f"{values['opening']} of this test split, all runs counted"
    out.print(key_values(told))
    out.print(f"\n{beside_biases(values['rmse'], values['bias_rmse'])}")
    if values["noise_rmse"] is not None:
        out.print(beside_floor(values), soft_wrap=True)
    for name, figures in values["ranking"].items():
        out.print(f"\n[bold]ranking: {name}[/bold]")
        out.print(Text(figures["protocol"]), width=NARROW)
        out.print(ranking_table(figures))
        out.print(Text(_ranked_users(figures)), width=NARROW)


def ranking_table(figures: dict[str, Any]) -> Table:
    """One protocol's figures, the baselines' below them."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("")
    for name in ("Precision", "Recall", "NDCG"):
        table.add_column(f"{name}@{figures['k']}", justify="right", no_wrap=True)
    for label, row in (
        ("this run", figures),
        ("popularity", figures["popularity"]),
        ("random", figures["random"]),
    ):
        table.add_row(label, *(number(row[name]) for name in ("precision", "recall", "ndcg")))
    return table


def _ranked_users(figures: dict[str, Any]) -> str:
    parts = [f"{figures['users']} users"]
    if figures.get("users_sampled"):
        parts[0] += " (a sample)"
    parts.append(f"{figures['users_left_out']} left out, without a relevant film")
    if few := figures["users_with_fewer_than_k"]:
        parts.append(f"{few} with fewer than {figures['k']} candidates")
    return "; ".join(parts)


def key_values(pairs: dict[str, Any]) -> Table:
    """Names and values in two columns."""
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in pairs.items():
        table.add_row(name, Text(shown(value)))
    return table


def rows_table(rows: list[dict[str, Any]]) -> Table:
    """Equal rows as a table, its columns named by their keys; numbers to the right."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name, value in rows[0].items():
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        table.add_column(name, justify="right" if is_number else "left", no_wrap=True)
    for row in rows:
        table.add_row(*(Text(shown(value)) for value in row.values()))
    return table


def number(value: float | None, digits: int = 4) -> str:
    return "" if value is None else f"{value:.{digits}f}"


def shown(value: Any) -> str:
    """A value as a person reads it."""
    if value is None:
        return "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        short = f"{value:g}"
        if len(short) <= 5:
            return short
        if abs(value) >= 100:
            return f"{value:.1f}"
        return f"{value:.3g}" if abs(value) < 0.01 else f"{value:.4f}"
    if isinstance(value, dict):
        return ", ".join(f"{name} {shown(part)}" for name, part in value.items())
    if isinstance(value, list | tuple):
        return ", ".join(map(shown, value))
    return str(value)


def epoch_line(config: TrainingConfig, report: EpochReport) -> str:
    """One epoch in one line."""
    figures = [
        f"epoch {report.epoch:>3}/{config.max_epochs}",
        f"val_rmse {report.val_rmse:.4f}",
        f"train_rmse {report.train_rmse:.4f}",
    ]
    if report.active_units:  # a model without latents has no KL either
        active = ", ".join(f"{tower} {units}" for tower, units in report.active_units.items())
        figures += [f"kl {report.kl:.1f}", f"active units {active}"]
    return "  ".join([*figures, f"{report.epoch_s:.1f} s"])


def epochs_table(reports: list[EpochReport]) -> Table:
    """A trial's epochs, what a person looks at first on the left."""
    wide = out.width >= WIDE
    return rows_table(
        [
            {
                "epoch": report.epoch,
                "val_rmse": report.val_rmse,
                "val_mse": report.val_mse,
                "train_rmse": report.train_rmse,
                "kl": round(report.kl, 1),
                "active units": dict(report.active_units),
                "lr": float(f"{report.learning_rate:.2g}"),
                **({"beta": float(f"{report.beta:.2g}")} if wide else {}),
                **({"grad_norm": report.grad_norm} if wide else {}),
                **({"ratings/s": round(report.ratings_per_s)} if wide else {}),
            }
            for report in reports
        ]
    )


def print_checks(checks: list[Check]) -> None:
    """What `doctor` found, each remedy below its check, and what it comes to."""
    table = Table(box=None, show_header=False, pad_edge=False)
    for _ in range(2):
        table.add_column(no_wrap=True)
    table.add_column()
    for check in checks:
        word = "good" if check.ok else "missing" if check.required else "warning"
        table.add_row(Text(word, CHECK_STYLES[word]), check.check, Text(check.detail))
        if check.remedy:
            table.add_row("", "", Text(f"remedy: {check.remedy}", "bold"))
    out.print(table)
    missing = ", ".join(check.check for check in checks if check.in_the_way)
    out.print(f"\na study cannot run here: {missing}" if missing else "\na study can run here")
