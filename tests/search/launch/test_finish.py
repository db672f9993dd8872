"""A study that ends by itself once its remaining trials would hardly bring anything."""

from __future__ import annotations

import pytest
from recsys_search.search.definition.finish import Finish
from recsys_search.search.definition.study_file import StudySpec
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.prospects import look_ahead, outlook
from recsys_search.search.prospects.outlook import Outlook
from recsys_search.search.workers import planner

FINISH = {"chance": 0.05, "gain": 0.5, "checks": 2}


@pytest.fixture
def write_study(workplace, monkeypatch):
    """A study of 12 short trials that is judged from its fourth trial on."""
    for module in (look_ahead, outlook):
        monkeypatch.setattr(module, "MIN_OUTCOMES", 4)

    def write(name="small", **changes):
        base = {**workplace.base, "max_epochs": 1}
        return workplace.write_study(
            name, **{"base": base, "trials": 12, "finish": FINISH, **changes}
        )

    return write


def test_it_ends_with_the_figures(workplace, write_study, recorder):
    listener = recorder()
    reader = workplace.start(write_study(), listener=listener)
    status = reader.status()
    assert (status["state"], status["done"], status["total"]) == ("finished", 5, 12)
    [reason] = [message for message in listener.notices if "are enough" in message]
    left = status["outlook"]
    assert (
        "5 trials are enough: the remaining 7 are expected to improve validation RMSE by "
        f"{left['mean']:.4f}"
    ) in reason
    assert "more than 0.5000 is" in reason
    assert "2 trials in a row" in reason


def test_it_says_so_at_the_start(workplace, write_study, recorder):
    listener = recorder()
    workplace.start(write_study(), listener=listener)
    [message] = [m for m in listener.notices if "--no-finish runs them all" in m]
    assert "may end before its 12 trials" in message
    assert "more than 0.5000;" in message


def test_the_next_start_says_so_and_trains_nothing(workplace, write_study, recorder):
    listener = recorder()
    path = write_study()
    workplace.start(path)
    reader = workplace.start(path, listener=listener)
    assert reader.status()["done"] == 5
    assert any("are enough" in message for message in listener.notices)


def test_no_finish_goes_on_to_the_total_and_stays(workplace, write_study):
    path = write_study()
    workplace.start(path)
    reader = workplace.start(path, no_finish=True)
    assert reader.status()["state"] == "done"
    assert reader.spec.finish is None


def test_another_total_asks_again(workplace, write_study):
    path = write_study()
    workplace.start(path)
    reader = workplace.start(path, trials=20)
    assert reader.status()["done"] == 6  # one trial more, and it is below the limit again


def test_without_the_key_a_study_runs_to_its_total(workplace, write_study):
    assert workplace.start(write_study(finish=None)).status()["state"] == "done"


def test_what_is_left_has_a_price(workplace, write_study):
    budget = {"usd_per_hour": 3600.0}
    status = workplace.start(write_study(budget=budget)).status()
    left = status["outlook"]
    assert (left["trials"], left["epochs"]) == (7, 7)
    assert left["usd"] == pytest.approx(left["seconds"], rel=0.01)
    assert left["seconds"] == pytest.approx(status["elapsed_s"] * 7 / 5, abs=0.1)


def test_the_seed_noise_is_the_gain_that_counts(workplace, write_study):
    finish = {**FINISH, "gain": "auto"}
    reader = workplace.start(write_study(finish=finish), trials=5)
    stored = Outlook.of(reader.system_attrs())
    assert stored.wanted == 0.002
    assert Finish.model_validate(finish).gain == "auto"


def test_several_workers_end_together(workplace, write_study):
    name = run_study(write_study(trials=40), workplace.storage, device="cpu", workers=2)
    status = workplace.read(name).status()
    assert status["state"] == "finished"
    assert 16 <= status["done"] < 25
    assert status["running"] == status["interrupted"] == 0


def test_a_sick_look_ahead_does_not_end_the_study(workplace, write_study, monkeypatch, recorder):
    listener = recorder()

    def fail(*args, **options):
        raise ValueError("no surrogate")

    monkeypatch.setattr(planner, "look_ahead", fail)
    reader = workplace.start(write_study(), listener=listener)
    assert reader.status()["state"] == "done"
    assert [m for m in listener.notices if "no surrogate" in m]


@pytest.mark.parametrize(
    "changes", [{"trials": 4}, {"sampler": "grid"}], ids=["too few trials", "grid"]
)
def test_an_end_that_cannot_come_is_not_announced(workplace, write_study, recorder, changes):
    listener = recorder()
    workplace.start(write_study(**changes), listener=listener)
    assert not any("may end before" in message for message in listener.notices)


@pytest.mark.parametrize(("written", "expected"), [(True, Finish()), (False, None)])
def test_true_stands_for_the_defaults(written, expected):
    spec = {"name": "s", "dataset": "demo", "base": {"architecture": "mf"}, "trials": 20}
    assert StudySpec.model_validate({**spec, "finish": written}).finish == expected
