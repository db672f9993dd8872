"""Reading studies from a storage."""

from __future__ import annotations

from dataclasses import asdict

import optuna
import pytest
from recsys_search.errors import NothingYet, StudyError
from recsys_search.model.runs.train_run import train_run
from recsys_search.model.training.reports import MEASURED, read_reports, write_reports
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.results.overview import list_studies
from recsys_search.search.results.reader import StudyReader
from recsys_search.search.storage.database import readable_storage, writable_storage
from recsys_search.search.storage.worker import GRACE_S
from recsys_search.search.workers.stop import stop_study

STATUS = {
    "study",
    "total",
    "complete",
    "pruned",
    "failed",
    "running",
    "best",
    "target",
    "bias_val_rmse",
    "elapsed_s",
    "stops",
}
TRIAL = {
    "number",
    "state",
    "val_rmse",
    "val_mse",
    "epochs",
    "best_epoch",
    "architecture",
    "params",
    "stop_reason",
    "reason",
    "train_s",
    "retry_of",
    "resumed_from_epoch",
}


@pytest.fixture
def reader(studied):
    return studied.read()


@pytest.fixture
def empty(workplace):
    """A workplace with a study that has no completed trial."""
    workplace.start(workplace.write_study(trials=1, limits={"net_parameters": 1}))
    return workplace


def repeatable(reports):
    return [
        {name: value for name, value in asdict(report).items() if name not in MEASURED}
        for report in reports
    ]


def test_the_status_has_the_documented_keys(reader):
    status = reader.status()
    assert status.keys() >= STATUS
    assert (status["study"], status["total"]) == ("small", 5)
    assert [status[state] for state in ("complete", "pruned", "failed", "running")] == [2, 3, 0, 0]
    assert status["stops"] == {"plateau": 1, "diverged": 1, "median": 1}
    assert status["best"].keys() == {"number", "val_rmse", "val_mse"}
    assert status["elapsed_s"] > 0
    assert 0.8 < status["bias_val_rmse"] < 1.2
    assert status["target"] is None


def test_a_trial_has_the_documented_keys(reader):
    trials = reader.trials()
    assert all(trial.keys() >= TRIAL for trial in trials)
    assert [trial["number"] for trial in trials] == [0, 1, 2, 3, 4]
    assert [trial["architecture"] for trial in trials][:2] == ["two_tower", "hybrid"]
    assert [trial["val_mse"] for trial in trials[:2]] == pytest.approx(
        [trial["val_rmse"] ** 2 for trial in trials[:2]]
    )


def test_trials_can_be_filtered_by_state(reader):
    assert [trial["number"] for trial in reader.trials("pruned")] == [1, 3, 4]
    assert [trial["number"] for trial in reader.trials("complete")] == [0, 2]
    assert reader.trials("failed") == reader.trials("waiting") == reader.trials("running") == []


def test_queued_trials_are_listed_only_when_asked_for(workplace):
    known = [{"name": "a"}, {"name": "b"}]
    reader = workplace.start(workplace.write_study(known=known, trials=1))
    assert [trial["number"] for trial in reader.trials()] == [0]
    assert [trial["known_config"] for trial in reader.trials("waiting")] == ["b"]
    assert reader.status()["waiting"] == 1


def test_the_best_is_the_completed_trial_with_the_lowest_rmse(reader):
    completed = sorted(reader.trials("complete"), key=lambda trial: trial["val_rmse"])
    (best,) = reader.best()
    assert best["number"] == completed[0]["number"] == reader.status()["best"]["number"]
    assert best["confirmed"] is None
    assert best["config"]["architecture"] == best["architecture"]
    assert [trial["number"] for trial in reader.best(2)] == [t["number"] for t in completed[:2]]
    assert len(reader.best(9)) == 2


def test_a_pruned_trial_is_never_the_best(workplace):
    """The pruned trial reached a lower RMSE than any completed one."""
    workplace.start(workplace.write_study())
    with writable_storage(workplace.storage) as storage:
        study = optuna.load_study(study_name="small", storage=storage)
        study.add_trial(
            optuna.trial.create_trial(
                state=optuna.trial.TrialState.PRUNED,
                intermediate_values={1: 0.1},
                user_attrs={"val_rmse": 0.1, "stop_reason": "diverged", "reason": "made up"},
            )
        )
    assert workplace.read().best()[0]["val_rmse"] > 0.1


def test_without_a_completed_trial_there_is_no_best(empty):
    reader = empty.read()
    assert reader.status()["best"] is None
    for ask in (reader.best, reader.experiment):
        with pytest.raises(NothingYet) as caught:
            ask()
        assert str(caught.value) == (
            "small has no completed trial yet; continue with: recsys-search start --study small "
            f"--storage {empty.storage}"
        )


def test_the_only_study_need_not_be_named(studied):
    assert studied.read().spec.name == "small"


def test_one_of_two_studies_must_be_named(workplace):
    workplace.start(workplace.write_study(trials=1))
    workplace.start(workplace.write_study("other", trials=1))
    with pytest.raises(StudyError) as caught:
        workplace.read()
    assert str(caught.value) == (
        f"no study given; name one with --study; {workplace.storage} holds: other, small"
    )
    assert workplace.read("other").spec.name == "other"


def test_an_unknown_study_is_refused_with_the_existing_ones(studied):
    with pytest.raises(StudyError) as caught:
        studied.read("smal")
    assert str(caught.value) == (f"no study named 'smal' in {studied.storage}; it holds: small")


@pytest.mark.parametrize("number", [5, -1])
def test_an_unknown_trial_is_refused_with_the_existing_ones(reader, number):
    with pytest.raises(StudyError) as caught:
        reader.show(number)
    assert str(caught.value) == f"no trial {number} in small; it has trials 0 to 4"


def test_studies_are_listed_with_their_progress(workplace, reached):
    workplace.start(workplace.write_study("reached", trials=5, objective=reached))
    workplace.start(workplace.write_study("done", trials=1))
    rows = {row["study"]: row for row in list_studies(workplace.storage)}
    assert all(row.keys() >= {"study", "trials", "best", "state"} for row in rows.values())
    assert {name: (row["trials"], row["state"]) for name, row in rows.items()} == {
        "reached": (1, "target reached"),
        "done": (1, "done"),
    }
    assert rows["done"]["best"] == workplace.read("done").best()[0]["val_rmse"]


def test_an_unfinished_study_is_paused(workplace, recorder):
    def interrupt(number, report):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        workplace.start(workplace.write_study(), recorder(interrupt))
    (row,) = list_studies(workplace.storage)
    assert (row["trials"], row["best"], row["state"]) == (0, None, "paused")


def test_a_stopped_study_says_so_until_it_is_started(workplace):
    run_study(workplace.write_study(), workplace.storage, device="cpu", detach=True)
    status = workplace.read().status()
    assert (status["stopped"], status["note"]) == (False, None)
    stop_study(workplace.storage, "small", wait=False, notify=print)
    status = workplace.read().status()
    assert (status["stopped"], status["state"]) == (True, "stopped")
    assert status["note"] == "stopped until the next start"
    assert list_studies(workplace.storage)[0]["state"] == "stopped"
    status = workplace.start("small").status()
    assert (status["stopped"], status["state"], status["note"]) == (False, "done", None)


def test_a_trial_on_another_machine_is_interrupted_after_ten_minutes_of_silence(workplace):
    workplace.start(workplace.write_study())
    workplace.claim_elsewhere(silent_s=GRACE_S + 30)
    workplace.claim_elsewhere(silent_s=GRACE_S - 30)
    status = workplace.read().status()
    assert (status["interrupted"], status["running"], status["state"]) == (1, 1, "running")
    assert status["note"] == "trial 2 was interrupted; it waits to be resumed"
    assert [trial["number"] for trial in workplace.read().trials("running")] == [3]
    [dead] = workplace.read().trials("interrupted")
    assert (dead["number"], dead["stop_reason"]) == (2, "interrupted")
    assert dead["reason"].endswith("; it waits to be resumed")
    storage = readable_storage(workplace.storage)
    trials = optuna.load_study(study_name="small", storage=storage).get_trials()
    assert [trial.state for trial in trials[2:]] == [optuna.trial.TrialState.RUNNING] * 2


def test_show_reads_the_reports_from_the_artifact(studied):
    artifacts = {
        path.read_text()
        for path in (studied.folder / "studies.artifacts").rglob("*")
        if path.is_file() and path.suffix not in (".lock", ".pt")
    }
    assert len(artifacts) == 5
    for number in range(5):
        shown = studied.read().show(number)
        assert len(shown["reports"]) == shown["epochs"]
        again = studied.folder / "again.jsonl"
        write_reports(again, shown["reports"])
        assert again.read_text() in artifacts


def test_a_trial_whose_artifact_is_elsewhere_has_no_reports(workplace):
    reader = workplace.start(workplace.write_study(trials=1))
    (workplace.folder / "studies.artifacts").rename(workplace.folder / "moved")
    assert reader.reports(0) == []
    assert not (workplace.folder / "studies.artifacts").exists()


@pytest.mark.parametrize("number", [0, 1], ids=["two_tower", "hybrid"])
def test_an_exported_config_repeats_its_trial_to_the_bit(studied, tmp_path, number):
    reader = studied.read()
    experiment = reader.experiment(number)
    ending = {"state": "pruned", "stop_reason": "plateau"} if number == 1 else {}
    assert experiment.origin == {"study": "small", "trial": number, **ending}
    assert experiment.metrics["val_rmse"] == reader.trials()[number]["val_rmse"]
    result = train_run(experiment, tmp_path / "run", device="cpu")
    trained = read_reports(tmp_path / "run" / "reports.jsonl")
    assert repeatable(trained) == repeatable(reader.reports(number))
    assert result["val_rmse"] == experiment.metrics["val_rmse"]
    assert result["bias_val_rmse"] == reader.bias_val_rmse
    assert result["reproduced"]["difference"] == 0
    assert result["reproduced"]["differs"] == {}


def test_a_trial_that_never_started_has_nothing_to_show_or_export(workplace):
    known = [{"name": "a"}, {"name": "b"}]
    reader = workplace.start(workplace.write_study(known=known, trials=1))
    for read in (reader.candidate, reader.experiment):
        with pytest.raises(StudyError) as caught:
            read(1)
        assert str(caught.value) == (
            "trial 1 of small never started: it has no config; choose one that recsys-search "
            "trials lists"
        )


def test_a_candidate_is_a_record_like_those_of_the_best(reader):
    best = reader.best(2)
    assert [reader.candidate(record["number"]) for record in best] == best
    pruned = reader.candidate(1)
    assert pruned["state"] == "pruned"
    assert pruned.keys() == best[0].keys()


def test_the_best_trial_is_exported_unless_another_is_named(reader):
    assert reader.experiment().origin["trial"] == reader.best()[0]["number"]


def test_reading_writes_nothing(studied):
    def files():
        return {
            path.relative_to(studied.folder): path.read_bytes()
            for path in studied.folder.rglob("*")
            if path.is_file() and not path.name.endswith(("-shm", "-wal"))
        }

    before = files()
    reader = studied.read()
    reader.status(), reader.trials(), reader.show(0), reader.best(), list_studies(studied.storage)
    assert files() == before
    assert StudyReader(studied.storage).status() == reader.status()
