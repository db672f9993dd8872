"""What the replay of recorded curves counts, on three curves by hand."""

import importlib

import optuna
import pytest
from pytest import approx
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.config import config_to_mapping
from recsys_search.search.definition.study_file import load_study

NAMES = (
    "train_loss train_mse train_rmse val_loss val_mse kl kl_clamped beta learning_rate grad_norm "
    "ratings_per_s train_s epoch_s peak_memory_mib"
)
FIGURES = dict.fromkeys(NAMES.split(), 1.0)
LATENTS = ("active_units", "eval_kl", "shuffle_cost")


@pytest.fixture
def replay():
    return importlib.import_module("benchmarks.search.replay")


@pytest.fixture
def figures(replay):
    return importlib.import_module("benchmarks.search.replay_figures")


def line(index, values):
    """A recorded curve as `curves.py` writes it."""
    n = len(values)
    columns = {
        "epoch": list(range(1, n + 1)),
        "val_rmse": values,
        **{name: [value] * n for name, value in FIGURES.items()},
        **{name: [{"latent": 20}] * n for name in LATENTS},
    }
    config = config_to_mapping(build_config("hybrid", max_epochs=n))
    return {"index": index, "config": config, "bias_val_rmse": 0.87, "reports": columns}


@pytest.fixture
def curves(replay):
    """The best falls last, the second first; the third is bad throughout."""
    values = [[0.95, 0.90, 0.80], [0.90, 0.85, 0.84], [1.20, 1.10, 1.00]]
    return [replay.curve_of(line(at, each)) for at, each in enumerate(values)]


def test_a_pruned_winner_costs_regret_and_counts_as_lost(replay, curves):
    """Two of nine epochs are spared; 0.84 is left of 0.80."""
    stopped = [
        replay.Outcome(1, 3, True),
        replay.Outcome(0, 1, False),
        replay.Outcome(2, 3, True),
    ]
    assert replay.top(curves) == [0]
    assert replay.epochs_used(curves, stopped) == approx(7 / 9)
    assert replay.regret(curves, stopped) == approx(0.04)
    assert replay.lost(curves, stopped) == {0}
    assert replay.epochs_to_best(curves, stopped) == (7, False)


def test_the_best_is_found_when_its_trial_completes(replay, curves):
    whole = [
        replay.Outcome(2, 1, False),
        replay.Outcome(0, 3, True),
        replay.Outcome(1, 3, True),
    ]
    assert replay.lost(curves, whole) == set()
    assert replay.regret(curves, whole) == 0
    assert replay.epochs_to_best(curves, whole) == (4, True)


def test_without_pruning_all_epochs_of_all_curves_are_run(replay, curves):
    outcomes = replay.replayed(curves, optuna.pruners.NopPruner(), seed=0)
    assert sorted(outcomes) == [(0, 3, True), (1, 3, True), (2, 3, True)]


def test_our_rules_judge_what_was_recorded(replay):
    """A loss that is not finite ends the second of two curves in its first epoch."""
    pair = [
        replay.curve_of(line(at, values)) for at, values in enumerate([[0.9, 0.8], [None, 0.7]])
    ]
    pruner = replay.TrialPruner(load_study("breakthrough").pruners)
    assert sorted(replay.replayed(pair, pruner, seed=0)) == [(0, 2, True), (1, 1, False)]


def test_optunas_median_pruner_stops_what_is_worse_than_five_before_it(replay):
    good = [replay.curve_of(line(at, [0.9, 0.8])) for at in range(5)]
    pruner = optuna.pruners.MedianPruner()
    curves = [*good, replay.curve_of(line(5, [1.0, 0.7]))]
    seed = next(s for s in range(99) if replay.np.random.default_rng(s).permutation(6)[-1] == 5)
    assert replay.replayed(curves, pruner, seed)[-1] == (5, 1, False)


def test_none_lost_of_ten_still_leaves_room_for_more_than_a_quarter(figures):
    """Wilson's bound of 0 of 10: z² / (10 + z²) = 3.84 / 13.84."""
    assert figures.wilson_upper(0.0, 10) == approx(0.2775, abs=1e-4)


def test_epochs_to_the_best_count_the_orders_that_never_found_it(figures, replay):
    """10 and 30 epochs for one find."""
    rows = replay.np.array([[0.5, 0.0, 10, 1, 0], [0.5, 0.1, 30, 0, 1]])
    assert figures.to_best(rows) == 40
