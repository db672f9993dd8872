"""What `evaluate` found: errors, the noise floor, and the rankings."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from ...model.evaluation.sentences import compare_to_baseline
from ...search.storage.examples import example
from .consoles import NARROW, out
from .examples import print_next
from .values import key_values, number

_EXPLAINED = ("ranking", "weights_fitted_on_split", "cross_fitted_rmse")


def print_next_evaluations(run: str, *, has_test: bool) -> None:
    """Print example commands that evaluate a run: first on validation, last on test."""
    print_next(example("evaluate", run))
    if has_test:
        _print_test_evaluation(run)


def print_refit(run: str, *, has_test: bool) -> None:
    """Print what a refit is for, and how to evaluate it if the split has a test part."""
    out.print(
        "\na refit: the validation ratings are among its train ratings, so it has no "
        "validation figures"
    )
    print_next(example("predict", run, "pairs.csv", "--out", "predicted.csv"))
    if has_test:
        _print_test_evaluation(run)


def _print_test_evaluation(run: str) -> None:
    out.print("\nonce, after all choices are made (each opening of the test split is counted):")
    out.print(Text(f"  {example('evaluate', run, '--split', 'test')}"), soft_wrap=True)


def print_evaluation(values: dict[str, Any]) -> None:
    """Print an evaluation: errors ± standard errors, then the rankings.

    Args:
        values: as `evaluate --json` prints them.
    """
    rows = {}
    for name, value in values.items():
        if name in _EXPLAINED or name.endswith("_se") or value is None:
            continue
        error = values.get(f"{name}_se")
        rows[name] = value if error is None else f"{value:.4f} ± {error:.4f}"
    if values["opening"] is not None:
        rows["opening"] = f"{values['opening']} of this test split, counting all runs"
    out.print(key_values(rows))
    if values["refit_epochs"] is not None:
        out.print("\na refit, trained on the train and validation ratings together")
    if values["weights_fitted_on_split"]:
        out.print(f"\n{_describe_fitted_weights(values)}", soft_wrap=True)
    out.print(f"\n{compare_to_baseline(values['rmse'], values['bias_rmse'])}")
    if values["noise_rmse"] is not None:
        out.print(compare_to_noise_floor(values), soft_wrap=True)
    for name, figures in values["ranking"].items():
        out.print(f"\n[bold]ranking: {name}[/bold]")
        out.print(Text(figures["protocol"]), width=NARROW)
        out.print(ranking_table(figures))
        out.print(Text(_ranked_users(figures)), width=NARROW)


def describe_neighbours(mode: str | None, *, has_times: bool) -> str:
    """The end of a sentence on predictions: which ratings near in time they use."""
    if mode in (None, "off"):
        return ""
    if not has_times:
        return "; neighbours: none, because the pairs have no times"
    return f"; neighbours: {mode}"


def _describe_fitted_weights(values: dict[str, Any]) -> str:
    text = "the ensemble's weights were fitted on these ratings, which flatters it"
    fair = values["cross_fitted_rmse"]
    return text if fair is None else f"{text}: the cross-fitted RMSE is {fair:.4f}"


def compare_to_noise_floor(values: dict[str, Any]) -> Text:
    """An evaluation's distance from the noise floor, on one line; a leak stands out."""
    rmse, noise = values["rmse"], values["noise_rmse"]
    side = "below" if rmse < noise else "above"
    floor = f"{abs(rmse - noise):.4f} {side} the noise floor's {noise:.4f}"
    if not values["leak"]:
        chance = "within chance" if rmse < noise else "the best possible RMSE on these rows"
        return Text(f"{floor}, {chance}")
    squared = f"{-values['above_floor']:.4f} ± {values['above_floor_se']:.4f} in squared error"
    return Text(
        f"LEAK: RMSE {rmse:.4f} is {floor} ({squared}), which is only possible for a model that "
        "has seen these ratings: trust no figure of this run until you have found how",
        style="bold red",
    )


def ranking_table(figures: dict[str, Any]) -> Table:
    """One protocol's figures, with the baselines' below."""
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
    parts.append(f"{figures['users_left_out']} left out (no relevant film)")
    if few := figures["users_with_fewer_than_k"]:
        parts.append(f"{few} with fewer than {figures['k']} candidates")
    return "; ".join(parts)
