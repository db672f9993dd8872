"""How the best value improved."""

from __future__ import annotations

from dataclasses import replace

import pytest
from recsys_search.errors import OptionError
from recsys_search.search.figures import best_so_far
from recsys_search.search.figures.progress import costs_of, improvements


def lines(figure):
    return [trace for trace in figure.data if trace.name == "best so far"]


def test_each_line_ends_at_the_studys_best_and_at_its_whole_cost(study):
    trials, epochs, hours, usd = lines(best_so_far(study))
    status = study.status
    assert {trace.y[-1] for trace in (trials, epochs, hours, usd)} == {status["best"]["val_rmse"]}
    assert trials.x[-1] == status["done"]
    assert epochs.x[-1] == status["epochs"]
    assert hours.x[-1] * 3600 == pytest.approx(status["elapsed_s"], abs=0.06)  # that is rounded
    assert usd.x[-1] == pytest.approx(status["cost_usd"], rel=0.02)


def test_costs_add_up_in_the_order_in_which_trials_end(study, make_trial):
    trials = [
        make_trial(0, 0, 100, epochs=5),
        make_trial(1, 0, 50, epochs=2),
        make_trial(2, 1000, 1010, epochs=1),  # after a pause
        make_trial(3, 1000, 1020, state="running", epochs=4),
    ]
    study = replace(study, trials=trials)
    assert costs_of(study, "trials") == {1: 1, 0: 2, 2: 3}
    assert costs_of(study, "epochs") == {1: 2, 0: 7, 2: 8}
    assert costs_of(study, "usd") == pytest.approx({1: 0.5, 0: 1.0, 2: 1.1})
    assert costs_of(study, "hours")[2] == pytest.approx(110 / 3600, rel=1e-4)


def test_only_completed_trials_improve_the_best(study, make_trial):
    trials = [
        make_trial(0, 0, 1, state="complete", value=0.9),
        make_trial(1, 1, 2, state="pruned", stop_reason="median", value=0.5),
        make_trial(2, 2, 3, state="complete", value=0.95),
        make_trial(3, 3, 4, state="complete", value=0.8),
        make_trial(4, 4, 5, state="failed", value=None),
    ]
    study = replace(study, trials=trials)
    assert [each.number for each in improvements(study)] == [0, 3]
    (line,) = lines(best_so_far(study, ["trials"]))
    assert (list(line.x), list(line.y)) == ([1, 4, 5], [0.9, 0.8, 0.8])


@pytest.mark.parametrize("over", ["usd", "euros"])
def test_a_cost_that_is_not_known_is_refused(over, study):
    free = replace(study, spec=study.spec.model_copy(update={"budget": None}))
    assert len(lines(best_so_far(free))) == 3
    with pytest.raises(
        OptionError, match=f"no axis '{over}' for small; choose from trials, epochs"
    ):
        best_so_far(free, [over])
