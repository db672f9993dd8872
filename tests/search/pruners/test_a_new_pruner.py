"""A pruner that is added from outside of the package: one class and one line."""

from __future__ import annotations

from typing import ClassVar

import pytest
from recsys_search.errors import ConfigError
from recsys_search.search.pruners.rule import Kind, Progress, Rule, Stop
from recsys_search.search.pruners.table import PRUNERS, kind_of


class SlowEpochs(Rule):
    """Ends a trial whose epochs take too long."""

    stop_reason: ClassVar[str] = "slow-epochs"
    kind: ClassVar[Kind] = Kind.BEHIND

    seconds: float = 60.0

    def judge(self, progress: Progress) -> Stop | None:
        epoch_s = progress.last.epoch_s
        if epoch_s <= self.seconds:
            return None
        return self.stop(f"epoch {progress.last.epoch} took longer than {self.seconds:g} s")


@pytest.fixture
def slow_epochs(monkeypatch):
    monkeypatch.setitem(PRUNERS, "slow_epochs", SlowEpochs)


def test_a_study_file_can_name_it_and_a_trial_says_why_it_was_stopped(workplace, slow_epochs):
    study = workplace.write_study(pruners=[{"slow_epochs": {"seconds": 0}}], trials=2)
    reader = workplace.start(study)
    assert reader.spec.pruners == (SlowEpochs(seconds=0),)
    for record in reader.trials():
        assert (record["state"], record["stop_reason"]) == ("pruned", "slow-epochs")
        assert record["reason"] == "epoch 1 took longer than 0 s"
    assert kind_of("slow-epochs") is Kind.BEHIND


def test_its_settings_are_checked_like_those_of_any_other(workplace, slow_epochs):
    study = workplace.write_study(pruners=[{"slow_epochs": {"minutes": 1}}])
    with pytest.raises(ConfigError, match="pruners slow_epochs minutes: unknown key"):
        workplace.start(study)
