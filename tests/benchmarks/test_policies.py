"""Whole simulated searches: their figures, and one of them run on the recorded curves."""

from __future__ import annotations

import importlib

import numpy as np
import pytest


@pytest.fixture
def load():
    return lambda name: importlib.import_module(f"benchmarks.search.{name}")


def study(values, *, epochs=10, finished_at=None):
    return {
        "epochs": [epochs] * len(values),
        "values": values,
        "true_values": [1.0 if value is None else value + 0.001 for value in values],
        "finished_at": finished_at,
    }


def test_a_course_is_the_true_value_of_the_trial_that_would_be_chosen(load):
    course = load("policy_figures").Course(study([0.9, None, 0.8, 0.85]))
    assert course.best.tolist() == pytest.approx([0.901, 0.901, 0.801, 0.801])
    assert [course.after(epochs) for epochs in (5, 29, 30, 999)] == pytest.approx(
        [0.901, 0.901, 0.801, 0.801]
    )
    assert course.epochs_to(0.85) == 30
    assert course.epochs_to(0.7) == np.inf


def test_a_study_that_never_arrives_counts_as_if_it_were_repeated(load):
    figures = load("policy_figures")
    courses = [figures.Course(study([0.9, 0.8])), figures.Course(study([0.9, 0.9]))]
    assert figures.repeated(figures.rows_to(courses, 0.85)) == 40


def test_a_study_is_early_if_its_other_trials_would_have_reached_more(load):
    figures = load("policy_figures")
    rows = [study([0.9, 0.9, 0.8, 0.8], finished_at=at) for at in (2, 3)]
    courses = list(map(figures.Course, rows))
    end = figures.policy_figures(courses, 0.85)["finish"]
    assert end["early"][0] == 0.5
    assert end["share"][0] == pytest.approx(50 / 80)
    assert end["trials"][0] == 2.5


def test_a_simulated_study_runs_its_trials_on_the_recorded_curves(load):
    policies, simulated, landscape = load("policies"), load("simulated_study"), load("landscape")
    spec = simulated.simulated_spec()
    fitted = {
        name: landscape.Landscape(spec.space, landscape.recorded(spec.space, name)[:40])
        for name in spec.architectures
    }
    short = spec.model_copy(update={"trials": 4})
    policy = next(policy for policy in policies.POLICIES if policy.name == "random, ASHA")
    ended = list(simulated.SimulatedStudy(short, fitted, policy, 0).run())
    new = [each for each in ended if each.continues is None]
    assert len(new) == 4
    assert all(each.epochs == 1 for each in new)
    assert len(ended) > 4  # the best ones went on
    assert all(0.75 < each.true_value < 1.6 for each in ended)
