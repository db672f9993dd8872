"""A study that learns from earlier ones in the same storage."""

from __future__ import annotations

import pytest
from recsys_search.errors import ConfigError, StudyError
from recsys_search.search.launch.run_study import run_study
from recsys_search.search.prospects import prior
from recsys_search.search.prospects.prior import PRIOR
from recsys_search.search.results.housekeeping import delete_study

AUTO = {"auto": {"startup_trials": 10}}


@pytest.fixture
def earlier(workplace):
    """A study of ten short trials, whose learning rates matter."""
    base = {**workplace.base, "max_epochs": 1}
    return workplace.start(workplace.write_study("old", base=base, trials=10))


@pytest.fixture
def start(workplace, recorder):
    def start(name="new", **changes):
        listener = recorder()
        base = {**workplace.base, "max_epochs": 1}
        options = {"sampler": AUTO, "trials": 4, "base": base, **changes}
        overrides = {key: options.pop(key) for key in ("warm_start_option",) if key in options}
        reader = workplace.start(
            workplace.write_study(name, **options),
            listener,
            warm_start=overrides.get("warm_start_option", ()),
        )
        return reader, listener.notices

    return start


def test_the_best_earlier_configs_come_first(earlier, start):
    reader, notices = start(warm_start={"studies": ["old"], "first": 2})
    records = reader.trials()
    [best, other] = [int(each["known_config"].rpartition(" ")[2]) for each in records[:2]]
    assert best == earlier.best()[0]["number"]
    best = [best, other]
    assert [each["known_config"] for each in records[:3]] == [
        *(f"old, trial {number}" for number in best),
        None,
    ]
    for record, number in zip(records, best, strict=False):
        new, old = (
            each.show(n)["config"] for each, n in ((reader, record["number"]), (earlier, number))
        )
        assert new["learning_rate"] == old["learning_rate"]
    [notice] = [each for each in notices if "configs of study old" in each]
    assert notice.startswith("10 configs of study old are in this space; the best 2 come first")
    assert notice.endswith("their ranking is the prior")


def test_the_option_does_the_same(earlier, start):
    reader, _ = start(warm_start_option=("old",))
    assert reader.trials()[0]["known_config"].startswith("old, trial ")
    assert reader.spec.warm_start.studies == ("old",)


def test_the_study_keeps_a_copy_and_reads_each_study_once(earlier, start, workplace):
    reader, _ = start(warm_start={"studies": ["old"]})
    stored = reader.system_attrs()[f"{PRIOR}:old"]
    workplace.start("old", trials=12)
    again, notices = start(warm_start={"studies": ["old"]}, trials=6)
    assert again.system_attrs()[f"{PRIOR}:old"] == stored
    assert not any("configs of study" in notice for notice in notices)
    assert len([t for t in again.trials() if t["known_config"]]) == 3


def test_status_says_whether_the_ranking_holds(earlier, start):
    reader, _ = start(warm_start={"studies": ["old"]}, trials=9)
    verdict = reader.status()["warm_start"]
    assert verdict["trials"] >= 8
    assert verdict["rank_correlation"] > 0.2
    assert verdict["dropped"] is False


def test_a_ranking_that_does_not_hold_is_dropped_and_reported(earlier, start, monkeypatch):
    contradicting = type("Found", (), {"statistic": -0.3})
    monkeypatch.setattr(prior, "spearmanr", lambda *_: contradicting)
    reader, notices = start(warm_start={"studies": ["old"]}, trials=12)
    assert reader.status()["warm_start"]["dropped"] is True
    [message] = [notice for notice in notices if "does not hold here" in notice]
    assert "configs in old" in message
    assert "rank correlation -0.30 over 8 trials" in message


def test_other_samplers_take_the_configs_alone(earlier, start):
    reader, notices = start(warm_start={"studies": ["old"]}, sampler={"tpe": {}})
    assert any("the sampler tpe uses no prior" in notice for notice in notices)
    assert reader.trials()[0]["known_config"]


def test_a_study_without_common_axes_starts_without_it(earlier, start):
    space = {"learning_rate": {"float": [0.5, 1.0]}}
    reader, notices = start(warm_start={"studies": ["old"]}, space=space)
    assert "no config of study old is in this study's space: it starts without it" in notices
    assert all(trial["known_config"] is None for trial in reader.trials())


def test_unknown_studies_and_the_study_itself_are_refused(earlier, start):
    with pytest.raises(StudyError, match="no study named 'odl'"):
        start("new", warm_start={"studies": ["odl"]})
    start("new")  # which left no study behind that asks for it
    with pytest.raises(StudyError, match="study mine cannot learn from itself"):
        start("mine", warm_start={"studies": ["mine"]})
    with pytest.raises(ConfigError, match="studies"):
        start("none", warm_start={"studies": []})


def test_an_earlier_study_may_be_deleted_once_it_was_read(earlier, start, workplace):
    start(warm_start={"studies": ["old"]})
    delete_study(workplace.storage, "old")
    _, notices = start(warm_start={"studies": ["old"]}, trials=6)
    assert not any("no longer exists" in notice for notice in notices)


def test_a_study_without_results_is_read_at_a_later_start(workplace, start):
    path = workplace.write_study("old", trials=2)
    run_study(path, workplace.storage, device="cpu", detach=True)
    _, notices = start(warm_start={"studies": ["old"]}, trials=1)
    assert any("study old has no trial with a result yet" in notice for notice in notices)
    workplace.start("old")
    _, notices = start(warm_start={"studies": ["old"]}, trials=2)
    assert any("2 configs of study old are in this space" in notice for notice in notices)


def test_a_config_that_is_known_already_is_not_queued_twice(earlier, start):
    best = earlier.best()[0]["config"]["learning_rate"]
    known = [{"name": "mine", "learning_rate": best}]
    reader, _ = start(warm_start={"studies": ["old"], "first": 2}, known=known)
    labels = [trial["known_config"] for trial in reader.trials()]
    assert len([label for label in labels if label]) == 3
    assert not any(trial["same_as"] is not None for trial in reader.trials())
