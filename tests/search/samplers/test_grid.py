"""A grid's trials: which point each has, and when the study ends."""

from __future__ import annotations

import optuna
import pytest
from optuna.trial import TrialState
from recsys_search.search.definition.grid import grid_points
from recsys_search.search.definition.study_file import StudySpec, spec_to_json
from recsys_search.search.results.removal import remove_trials
from recsys_search.search.samplers.grid import Grid
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.studies import SPEC, create_study
from recsys_search.search.storage.worker import worker_identity
from recsys_search.search.workers.queue import Claim, next_trial

from ..conftest import Recorder

SPACE = {
    "learning_rate": {"float": [1e-3, 1e-2], "log": True},
    "latent_dim": {"int": [2, 4], "step": 2},
}
GRID = {
    "base": {"architecture": "two_tower", "amp": "off", "max_epochs": 1, "batch_size": 1000},
    "space": SPACE,
    "sampler": {"grid": {"points": 2}},
}


def keys(points):
    return [tuple(sorted(point.items())) for point in points]


def tried(trials):
    return keys(trial.params for trial in trials if trial.params)


@pytest.fixture
def spec():
    return StudySpec.model_validate({"name": "g", "dataset": "demo", "trials": 40, **GRID})


@pytest.fixture
def claim(tmp_path, spec):
    """Claims the study's next trial, and returns it or why there is none."""
    with writable_storage(f"sqlite:///{tmp_path}/g.db") as storage, worker_identity() as worker:
        create_study("g", "minimize", {SPEC: spec_to_json(spec)}, storage)
        study = optuna.load_study(study_name="g", storage=storage)

        def claim():
            return next_trial(storage, study._study_id, worker)

        claim.storage, claim.study = storage, study
        yield claim


def test_the_seed_shuffles_the_same_points(spec):
    points = keys(grid_points(spec.space, 2))
    orders = set()
    for seed in range(4):
        sampler = {"grid": {"seed": seed, "points": 2}}
        shuffled = StudySpec.model_validate({**spec.model_dump(by_alias=True), "sampler": sampler})
        order = keys(Grid(shuffled).untried([]))
        assert sorted(order) == sorted(points)
        orders.add(tuple(order))
    assert len(orders) > 1


def test_claims_have_different_points_while_all_of_them_run(claim, spec):
    claimed = [claim() for _ in range(4)]
    points = [
        claim.storage.get_trial(each.trial_id).system_attrs["fixed_params"] for each in claimed
    ]
    assert keys(points) == keys(Grid(spec).untried([]))
    nothing = claim()
    assert (nothing.tried_grid, nothing.n_running) == (4, 4)
    assert not nothing.is_final  # one of them may be interrupted
    for each in claimed:
        claim.storage.set_trial_state_values(each.trial_id, TrialState.COMPLETE, [1.0])
    assert claim().is_final


def test_an_interrupted_point_is_tried_again_and_a_failed_one_is_not(claim):
    claimed = [claim() for _ in range(4)]
    for each, attrs in zip(claimed, ({"stop_reason": "interrupted"}, {}, {}, {}), strict=True):
        for key, value in {**attrs, "reason": "why"}.items():
            claim.storage.set_trial_user_attr(each.trial_id, key, value)
        claim.storage.set_trial_state_values(each.trial_id, TrialState.FAIL)
    again = claim()
    assert isinstance(again, Claim)
    assert again.retry_of == claimed[0].number
    first, last = (
        claim.storage.get_trial(each.trial_id).system_attrs["fixed_params"]
        for each in (claimed[0], again)
    )
    assert first == last
    assert claim().tried_grid == 4


def test_a_study_ends_with_its_grid_through_restarts_and_says_so(workplace):
    known = [
        {"name": "on_the_grid", "learning_rate": 1e-3, "latent_dim": 2},
        {"name": "off_it", "learning_rate": 2e-3, "latent_dim": 2},
        {"name": "on_it_with_another_patience", "learning_rate": 1e-3, "patience": 3},
    ]
    known[2]["latent_dim"] = 4
    file = workplace.write_study(**GRID, known=known, trials=40)
    first, second = Recorder(), Recorder()
    part = workplace.start(file, first, trials=4)
    assert first.notices[0] == (
        "the grid has 4 points, plus 2 trials outside it: the study tries 4 of these 6"
    )
    assert part.status()["total"] == 4
    whole = workplace.start(file, second)
    assert second.notices == [
        "the grid has 4 points, plus 2 trials outside it: the study ends after 6 trials, of 40 "
        "asked for",
        "all 4 points of the grid of small are tried, 6 trials in total",
    ]
    status = whole.status()
    assert (status["state"], status["done"], status["total"]) == ("done", 6, 6)
    params = tried(whole.frozen_trials())
    grid = keys(grid_points(whole.spec.space, 2))
    assert {*params} > {*grid}
    # Twice only for the known config that differs in another field.
    assert len(params) == len(set(params)) + 1

    remove_trials(workplace.storage, "small", [5])
    assert (workplace.read("small").status()["done"], whole.status()["total"]) == (5, 6)
    again = workplace.start(file)
    assert again.status()["done"] == 6
    assert sorted(tried(again.frozen_trials())) == sorted(params)
