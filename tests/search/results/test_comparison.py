"""Two trials next to each other."""

from __future__ import annotations

from types import SimpleNamespace

from pytest import approx
from recsys_search.search.results.comparison import compare_trials


def shown(number, config, *, value=0.8, kl=5.0, reports=True, towers=("user",), **values):
    """A trial as `StudyReader.show` returns it, with one epoch."""
    report = SimpleNamespace(
        val_rmse=value,
        train_rmse=0.7,
        train_gap=value - 0.7,
        kl=kl,
        active_units=dict.fromkeys(towers, 3),
        metric=lambda name: value,
    )
    return {
        **{"number": number, "metric": "val_rmse", "value": value, "parts": {}},
        **{"val_rmse": value, "val_mse": value**2, "epochs": 1, "best_epoch": 1, "train_s": 2.0},
        **{"params": 100, "config": config, "environment": {}, "bias_val_rmse": 0.9},
        "reports": [report] if reports else [],
        **values,
    }


def test_figures_are_compared_and_the_difference_is_the_seconds_minus_the_firsts():
    found = compare_trials(shown(3, {}, value=0.8), shown(7, {}, value=0.75, kl=6.5, epochs=4))
    assert found["figures"]["val_rmse"] == [0.8, 0.75, approx(-0.05)]
    assert found["figures"]["gap"] == [approx(0.1), approx(0.05), approx(-0.05)]
    assert found["figures"]["kl"] == [5.0, 6.5, 1.5]
    assert found["figures"]["active_units_user"] == [3, 3, 0]
    assert found["figures"]["epochs"] == [1, 4, 3]
    assert [trial["number"] for trial in found["trials"]] == [3, 7]


def test_only_hyperparameters_that_differ_are_listed():
    first = {"learning_rate": 0.1, "seed": 42, "hidden_dims": [8, 4]}
    second = {"learning_rate": 0.2, "seed": 42, "hidden_dims": [8, 4], "dropout": 0.3}
    found = compare_trials(shown(3, first), shown(7, second))
    assert found["differ"] == {"learning_rate": [0.1, 0.2], "dropout": [None, 0.3]}
    assert found["agree"] == 2


def test_a_null_is_another_value_than_a_field_that_is_missing():
    found = compare_trials(shown(3, {"patience": None}), shown(7, {}))
    assert found["differ"] == {"patience": [None, None]}


def test_a_trial_without_epochs_has_no_figures_to_compare():
    nothing = dict.fromkeys(("val_rmse", "val_mse", "best_epoch"))
    found = compare_trials(shown(3, {}), shown(7, None, reports=False, **nothing, epochs=0))
    assert found["figures"]["kl"] == [5.0, None, None]
    assert found["figures"]["val_mse"] == [approx(0.64), None, None]


def test_a_model_without_latents_has_no_kl():
    found = compare_trials(shown(3, {}), shown(7, {}, towers=()))
    assert found["figures"]["kl"] == [5.0, None, None]
