"""The comment at the top of a config.yaml."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.tables.columns import ReadOptions
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.runs.experiment import Experiment
from recsys_search.model.runs.heading import heading, training_command

ENVIRONMENT = {"device": "cpu", "amp": "off", "threads": 2}


def experiment(**changes):
    values = {
        "config": build_config("mf", seed=7),
        "dataset": "my data",
        "split": SplitSpec.parse("80/10/10", seed=3),
        "origin": {"study": "small", "trial": 4},
        "metrics": {"val_rmse": 0.81234, "best_epoch": 8, "epochs": 9},
        "environment": ENVIRONMENT,
    }
    return Experiment(**{**values, **changes})


def test_it_has_the_command_that_trained_it_and_the_trial_that_it_comes_from():
    assert heading(Path("a/config.yaml"), experiment()).splitlines() == [
        "# Train it: recsys-search train --config config.yaml",
        "# As it was trained: OMP_NUM_THREADS=2 recsys-search train --config config.yaml --dataset "
        "'my data' --split 80/10/10 --split-seed 3 --seed 7 --device cpu",
        "# From trial 4 of study small: val_rmse 0.8123 in epoch 8 of 9 on cpu with amp off",
    ]


def test_a_config_that_was_not_trained_has_no_history():
    text = heading(Path("config.yaml"), experiment(environment={}, metrics={}))
    assert text == "# Train it: recsys-search train --config config.yaml\n"


def test_figures_that_a_person_has_changed_are_left_out():
    text = heading(Path("config.yaml"), experiment(metrics={"val_rmse": "low"}, origin={}))
    assert text.splitlines()[-1] == "# From a training: on cpu with amp off"


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"split": SplitSpec.parse("leave-last-2")}, "--split leave-last-2 --seed 7"),
        ({"refit_epochs": 5}, "--seed 7 --refit --epochs 5"),
        ({"environment": {"device": "cuda:0", "threads": 8}}, "--device cuda:0"),
        (
            {"read_options": ReadOptions({"user": "who"}, "newest")},
            "--columns user=who --duplicates newest",
        ),
    ],
)
def test_the_command_has_what_differs_from_the_defaults(changes, words):
    command = training_command(experiment(**changes), "config.yaml")
    assert words in command
    assert shlex.split(command.removeprefix("OMP_NUM_THREADS=2 "))[0] == "recsys-search"
