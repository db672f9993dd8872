"""The best trials, retrained over fresh seeds and splits."""

from __future__ import annotations

import signal
from dataclasses import replace
from statistics import fmean

import optuna
import pytest
from recsys_search.data.sets.loading import load_ratings
from recsys_search.data.splits.split import split_ratings
from recsys_search.errors import DataError, NothingYet, OptionError, StudyError
from recsys_search.model.architectures.configs import config_from_mapping
from recsys_search.model.runs.experiment import read_experiment, write_experiment
from recsys_search.model.training.training import Training
from recsys_search.search.results.confirmation import retraining
from recsys_search.search.results.confirmation.confirm import confirm, fresh_seeds
from recsys_search.search.running.events import Notice, ignore
from recsys_search.search.storage.database import writable_storage
from recsys_search.search.storage.locks import study_lock
from recsys_search.search.storage.studies import SEED_NOISE
from recsys_search.search.storage.trials import CONFIG


def run(workplace, listener=ignore, **options):
    return confirm("small", workplace.storage, device="cpu", listener=listener, **options)


def trained(listener):
    return [(trial.number, trial.config.seed) for trial in listener.started]


def results_of(workplace):
    with writable_storage(workplace.storage) as storage:
        attrs = storage.get_study_system_attrs(storage.get_study_id_from_name("small"))
    return {key for key in attrs if key.startswith("recsys_search:confirm:")}


# What is trained.


def test_each_trial_is_trained_with_the_same_fresh_seeds_and_cuts(searched, recorder):
    listener = recorder()
    rows = run(searched, listener, top=2, seeds=2)
    numbers = [trial["number"] for trial in searched.read().best(2)]
    assert trained(listener) == [(0, 1000), (1, 1000), (0, 1001), (1, 1001)]
    assert sorted(row["number"] for row in rows) == sorted(numbers) == [0, 1]
    assert "trials 0, 1 with seeds 1000 to 1001, each with a fresh split" in listener.notices[0]
    assert listener.notices[1].startswith("two seeds say little about chance")
    assert listener.notices[0].endswith("0 of 4 trainings are done")


def test_a_value_is_that_of_the_best_epoch_on_the_seeds_own_cut(searched):
    rows = {row["number"]: row for row in run(searched, top=1, seeds=2)}
    reader = searched.read()
    split = split_ratings(load_ratings(reader.spec.dataset), reader.spec.split)
    config = config_from_mapping(reader.show(0)["config"])
    for seed in (1000, 1001):
        with Training(replace(config, seed=seed), split.recut(seed), "cpu") as training:
            best = min(report.val_rmse for report in training)
        assert rows[0]["values"][seed] == best


def test_fewer_trials_than_requested_are_reported(searched, recorder):
    listener = recorder()
    run(searched, listener, top=4, seeds=2)
    assert listener.notices[0] == "only 3 of 4 trials: no other config has completed"


def test_seeds_are_fresh_and_the_same_at_each_call():
    assert fresh_seeds(3, {42, None}) == [1000, 1001, 1002]
    assert fresh_seeds(3, {1000, 1002, 7}) == [1001, 1003, 1004]


def test_a_second_call_trains_only_what_is_missing(searched, recorder):
    first, again, more = recorder(), recorder(), recorder()
    rows = run(searched, first, top=2, seeds=2)
    assert run(searched, again, top=2, seeds=2) == rows
    assert again.started == []
    assert again.notices[0].endswith("4 of 4 trainings are done")
    run(searched, more, top=3, seeds=3)
    assert trained(more) == [(2, 1000), (2, 1001), (0, 1002), (1, 1002), (2, 1002)]


def test_a_narrower_call_discards_nothing(searched):
    rows = run(searched, top=2, seeds=3)
    assert run(searched, top=1, seeds=2) == rows


def test_configs_that_differ_in_their_seed_alone_count_as_one(workplace, recorder):
    known = [
        {"name": "a", "learning_rate": 1e-2, "seed": 1},
        {"name": "b", "learning_rate": 1e-2, "seed": 2},
        {"name": "c", "learning_rate": 1e-4},
    ]
    workplace.start(workplace.write_study(known=known, trials=3))
    listener = recorder()
    run(workplace, listener, top=2, seeds=2)
    best = workplace.read().trials()
    twin = min(best[:2], key=lambda trial: trial["val_rmse"])["number"]
    assert {number for number, _ in trained(listener)} == {twin, 2}


def test_biases_have_no_seed_and_are_confirmed_over_cuts(workplace):
    study = workplace.write_study(
        base={"architecture": "biases"}, space={"user_shrinkage": {"float": [1, 50]}}, trials=2
    )
    workplace.start(study)
    rows = run(workplace, top=2, seeds=2)
    assert {row["seeds"] for row in rows} == {2}
    assert rows[0]["values"][1000] != rows[0]["values"][1001]


def test_a_split_by_time_keeps_its_cut_and_says_so(workplace, recorder, monkeypatch):
    splits = []

    class Recorded(Training):
        def __init__(self, config, split, device, **options):
            splits.append(split.fingerprint)
            super().__init__(config, split, device, **options)

    workplace.start(workplace.write_study(split={"method": "temporal"}, trials=1))
    monkeypatch.setattr(retraining, "Training", Recorded)
    listener = recorder()
    (row,) = run(workplace, listener, top=1, seeds=2)
    assert (row["seeds"], row["splits"]) == (2, 1)
    assert len(splits) == 2
    assert len(set(splits)) == 1
    assert "all on the one temporal:80/10/10 split" in listener.notices[0]


# Compared with a known config.


@pytest.fixture
def with_known(workplace):
    """The second known config completes best, the third diverges."""
    known = [
        {"name": "plain", "learning_rate": 1e-4},
        {"name": "good", "learning_rate": 1e-2},
        {"name": "wild", "learning_rate": 1e6},
    ]
    workplace.start(
        workplace.write_study(
            known=known, trials=3, space={"learning_rate": {"float": [1e-5, 1e6], "log": True}}
        )
    )
    return workplace


def test_the_first_known_config_is_trained_with_the_best(with_known, recorder):
    listener = recorder()
    best, plain = run(with_known, listener, top=1, seeds=3)
    assert trained(listener) == [(n, seed) for seed in (1000, 1001, 1002) for n in (1, 0)]
    assert (best["number"], plain["number"]) == (1, 0)
    ahead = fmean(plain["values"][seed] - best["values"][seed] for seed in best["values"])
    assert best["against"]["mean"] == pytest.approx(ahead)
    assert best["against"]["low"] < ahead < best["against"]["high"]
    assert best["against"] | {"mean": 0, "low": 0, "high": 0} == {
        **{"trial": 0, "name": "plain"},
        **{"mean": 0, "low": 0, "high": 0},
    }
    assert plain["against"]["mean"] is None
    assert with_known.read().status()["confirmed"]["against"] == best["against"]


def test_any_known_config_may_be_named_or_none(with_known, recorder):
    listener = recorder()
    (row,) = run(with_known, listener, top=1, seeds=2, against="good")
    assert trained(listener) == [(1, 1000), (1, 1001)]
    assert row["against"]["name"] == "good"
    (row,) = run(with_known, top=1, seeds=2, against="none")
    assert row["against"] is None


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("best", "best is no known config of the study; choose --against from plain, good, none"),
        ("wild", "wild has not completed; choose --against from plain, good, none"),
    ],
)
def test_a_known_config_without_a_result_cannot_be_named(with_known, name, message):
    with pytest.raises(OptionError, match=message):
        run(with_known, against=name)


def test_the_same_config_as_a_known_one_is_trained_once(workplace, recorder):
    """Trial 0 is the known config; trial 1 has its values with another seed, and a lower RMSE."""
    known = [
        {"name": "plain", "learning_rate": 1e-2, "seed": 1},
        {"name": "twin", "learning_rate": 1e-2, "seed": 2},
    ]
    workplace.start(workplace.write_study(known=known, trials=2))
    listener = recorder()
    (row,) = run(workplace, listener, top=1, seeds=2)
    assert len(trained(listener)) == 2
    assert row["against"]["name"] == "plain" and row["against"]["trial"] == row["number"]


# Interrupted, and continued.


def test_results_before_a_crash_are_kept(searched, recorder):
    class Crash(BaseException):
        """Unlike an Exception, it is not taken for a mistake of the listener."""

    def crash(event):
        if isinstance(event, Notice) and "validation RMSE" in event.message:
            raise Crash

    with pytest.raises(Crash):
        run(searched, crash, top=2, seeds=2)
    assert results_of(searched) == {"recsys_search:confirm:0:1000"}
    assert searched.read().best()[0]["confirmed"] is None
    again = recorder()
    run(searched, again, top=2, seeds=2)
    assert trained(again) == [(1, 1000), (0, 1001), (1, 1001)]
    assert searched.read().best()[0]["confirmed"]["seeds"] == 2


@pytest.mark.parametrize(
    ("number", "raised"), [(signal.SIGINT, KeyboardInterrupt), (signal.SIGTERM, SystemExit)]
)
def test_a_signal_ends_the_confirmation_after_the_epoch_and_keeps_its_results(
    searched, recorder, number, raised
):
    def at_epoch(trial, report):
        if (trial, report.epoch) == (1, 1):
            signal.raise_signal(number)

    listener = recorder(at_epoch)
    with pytest.raises(raised) as caught:
        run(searched, listener, top=2, seeds=2)
    assert getattr(caught.value, "code", 143) == 143
    assert results_of(searched) == {"recsys_search:confirm:0:1000"}
    assert searched.read().confirmation() == []


def test_a_training_that_finishes_as_a_signal_arrives_is_kept(searched, recorder):
    def at_epoch(trial, report):
        if (trial, report.epoch) == (0, 2):
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(searched, recorder(at_epoch), top=2, seeds=2)
    assert results_of(searched) == {"recsys_search:confirm:0:1000"}


def test_a_study_that_another_process_confirms_is_refused(searched):
    with (
        study_lock(searched.storage, "small"),
        pytest.raises(StudyError, match="another process confirms"),
    ):
        run(searched)


# Divergence.


def test_a_trial_that_diverges_is_not_confirmed_and_not_trained_further(
    searched, recorder, monkeypatch
):
    class Wild(Training):
        def __iter__(self):
            for report in super().__iter__():
                wild = self.config.learning_rate == 1e-2 and self.config.seed == 1001
                yield replace(report, val_rmse=float("nan")) if wild else report

    monkeypatch.setattr(retraining, "Training", Wild)
    listener = recorder()
    leader, diverged = run(searched, listener, top=2, seeds=3)
    assert (0, 1002) not in trained(listener)
    assert leader["number"] == 1
    assert (diverged["number"], diverged["diverged_with_seed"], diverged["mean"]) == (0, 1001, None)
    assert "trial 0 with seed 1001: diverged" in listener.notices
    first, second = searched.read().best(2)
    assert (first["number"], second["number"]) == (1, 0)
    assert (second["confirmed"], second["diverged_with_seed"]) == (None, 1001)
    assert (
        searched.read().ranking().better_unconfirmed() is None
    )  # though trial 0 was lower in the search


# Reading the outcome.


def test_confirmation_rows_have_the_documented_keys(searched):
    leader, other = run(searched, top=2, seeds=2)
    assert leader["mean"] == pytest.approx(fmean(leader["values"].values()))
    assert leader["low"] < leader["mean"] < leader["high"]
    assert (leader["seeds"], leader["splits"], leader["behind"], leader["tie"]) == (
        2,
        2,
        None,
        False,
    )
    assert other["behind"]["mean"] == pytest.approx(other["mean"] - leader["mean"])
    assert other["tie"] == (other["behind"]["low"] <= 0)
    assert leader.keys() == other.keys()
    assert searched.read().confirmation() == [leader, other]


def test_the_best_trial_carries_its_confirmation(searched, tmp_path):
    reader = searched.read()
    assert reader.best()[0]["confirmed"] is None
    assert reader.status()["confirmed"] is None
    assert reader.experiment().metrics["confirmed_val_rmse"] is None
    leader = run(searched, top=2, seeds=2)[0]
    expected = {key: leader[key] for key in ("mean", "low", "high", "seeds", "splits", "against")}
    assert reader.best()[0]["number"] == leader["number"]
    assert reader.best()[0]["confirmed"] == expected
    assert reader.status()["confirmed"] == {"number": leader["number"], **expected}
    write_experiment(tmp_path / "config.yaml", reader.experiment())
    experiment = read_experiment(tmp_path / "config.yaml")
    assert experiment.metrics["confirmed_val_rmse"] == expected
    assert experiment.origin["trial"] == leader["number"]


def test_a_confirmed_trial_ranks_above_a_lower_unconfirmed_one(searched):
    """An unconfirmed trial with a lower value comes after the confirmed ones."""
    leader = run(searched, top=2, seeds=2)[0]
    assert searched.read().ranking().better_unconfirmed() is None
    with writable_storage(searched.storage) as storage:
        study = optuna.load_study(study_name="small", storage=storage)
        study.add_trial(
            optuna.trial.create_trial(
                value=0.1,
                user_attrs={"val_rmse": 0.1},
                system_attrs={CONFIG: study.trials[2].system_attrs[CONFIG]},
            )
        )
    reader = searched.read()
    assert reader.best()[0]["number"] == reader.experiment().origin["trial"] == leader["number"]
    assert reader.ranking().better_unconfirmed()["number"] == reader.status()["best"]["number"] == 3
    # Confirmed trials, then the others by their value in the search.
    assert [trial["number"] for trial in reader.best(9)][2:] == [3, 2]


# Refused.


def test_one_seed_is_refused_because_it_has_no_interval(searched):
    with pytest.raises(OptionError, match=r"^seeds must be at least 2, got 1: one value has no"):
        run(searched, seeds=1)


def test_ratings_other_than_the_studys_are_refused(searched):
    searched.write_ratings(seed=1)
    with pytest.raises(StudyError, match="was created on ratings with the fingerprint"):
        run(searched)
    assert results_of(searched) == set()


def test_ratings_that_have_moved_are_read_from_the_given_folder(searched):
    moved = searched.folder / "elsewhere"
    (searched.folder / "ratings").rename(moved)
    with pytest.raises(DataError, match="ratings"):
        run(searched)
    assert len(run(searched, top=1, seeds=2, dataset=str(moved))) == 1


def test_a_study_without_a_completed_trial_has_nothing_to_confirm(workplace):
    workplace.start(workplace.write_study(trials=1, limits={"net_parameters": 1}))
    with pytest.raises(NothingYet, match="small has no completed trial yet"):
        run(workplace)


def test_seed_noise_is_learned_from_enough_retrainings(searched):
    """For the contenders of later trials, and for the gain that a study goes on for."""
    noises = []
    for seeds in (3, 6):
        run(searched, top=2, seeds=seeds)
        noises.append(searched.read().system_attrs().get(SEED_NOISE))
    assert noises[0] is None
    assert list(noises[1]) == ["two_tower"]
    assert 0 < noises[1]["two_tower"] < 0.5
