"""What the remaining trials would bring, and which stopped trial is worth more."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from recsys_search.search.definition.finish import Finish
from recsys_search.search.prospects.look_ahead import MIN_OUTCOMES, find_thaw, look_ahead
from recsys_search.search.prospects.outcomes import outcomes
from recsys_search.search.prospects.outlook import Outlook
from recsys_search.search.prospects.remaining import expected_gain
from recsys_search.search.prospects.surrogate import fit_surrogate
from recsys_search.search.prospects.thaw import choose_thaw
from recsys_search.search.storage.trials import CONTINUES

from .conftest import Builder


def gain_of(builder, n_left=20, wanted=0.002):
    surrogate = fit_surrogate(builder.spec.space, outcomes(builder.trials))
    rng = np.random.default_rng(0)
    return expected_gain(surrogate, builder.spec.architectures, n_left, wanted, rng)


def study_of(spec, n, **params):
    builder = Builder(spec)
    for _ in range(n):
        builder.add(builder.params(**params))
    return builder


def test_where_levels_still_fall_there_is_much_to_gain(spec):
    """Higher learning rates are better, and the highest tried is a third of the best one."""
    builder = Builder(spec)
    for _ in range(16):
        builder.add(builder.params(learning_rate=10 ** builder._rng.uniform(-4, -3.5)))
    assert gain_of(builder).chance > 0.5


def test_at_the_optimum_there_is_nothing_to_gain(spec):
    builder = study_of(spec, 30)
    for _ in range(10):
        rate = 10 ** (-3 + 0.05 * builder._rng.standard_normal())
        builder.add(builder.params(learning_rate=rate, latent_dim=64))
    for _ in range(4):
        builder.add(builder.params("hybrid"))
    gain = gain_of(builder)
    assert gain.mean < 0.001
    assert gain.chance < 0.05


def test_fewer_trials_bring_less(spec):
    builder = study_of(spec, 16, learning_rate=1e-4)
    few, many = gain_of(builder, n_left=1), gain_of(builder, n_left=50)
    assert few.mean < many.mean
    assert gain_of(builder, n_left=0).chance == 0.0


def test_the_figures_agree_with_each_other(spec):
    builder = study_of(spec, 20)
    chances = []
    for wanted in (0.0, 0.001, 0.01, 1.0):
        gain = gain_of(builder, wanted=wanted)
        assert 0 <= gain.mean <= gain.high
        assert (gain.high > wanted) == (gain.chance > 0.05)
        chances.append(gain.chance)
    assert chances == sorted(chances, reverse=True)
    assert chances[-1] == 0.0


def test_too_few_outcomes_have_no_outlook(spec):
    builder = study_of(spec, MIN_OUTCOMES - 1)
    assert look_ahead(spec, builder.trials, len(builder.trials), None) is None
    builder.add()
    assert look_ahead(spec, builder.trials, len(builder.trials), None) is not None


def outlook_after(builder, spec, before=None, n_done=None):
    return look_ahead(spec, builder.trials, n_done or len(builder.trials), before)


def test_checks_below_the_limit_are_counted_in_a_row(spec):
    easy = spec.model_copy(update={"finish": Finish(gain=1.0)})
    hard = spec.model_copy(update={"finish": Finish(gain=1e-9)})
    builder = study_of(spec, 16)
    outlook = outlook_after(builder, easy)
    assert outlook.below == 1
    builder.add()
    assert outlook_after(builder, easy, outlook).below == 2
    assert outlook_after(builder, hard, outlook).below == 0


def test_a_check_is_not_counted_twice(spec):
    """Two workers may look after the same trial."""
    easy = spec.model_copy(update={"finish": Finish(gain=1.0)})
    builder = study_of(spec, 16)
    first = replace(outlook_after(builder, easy), below=2)
    assert outlook_after(builder, easy, first).below == 2
    builder.add()
    assert outlook_after(builder, easy, first).below == 3


def test_another_limit_starts_the_count_again(spec):
    builder = study_of(spec, 16)
    before = outlook_after(builder, spec.model_copy(update={"finish": Finish(gain=1.0)}))
    before = replace(before, below=2)
    builder.add()
    strict = spec.model_copy(update={"finish": Finish(gain=1.0, chance=0.01)})
    assert outlook_after(builder, strict, before).below == 1
    assert not replace(before, below=3).ends(strict.finish, 40)


@pytest.mark.parametrize(
    ("finish", "total", "ends"),
    [(Finish(), 40, True), (None, 40, False), (Finish(), 60, False), (Finish(checks=4), 40, False)],
)
def test_a_study_ends_after_enough_checks_unless_its_total_has_changed(finish, total, ends):
    outlook = Outlook(
        **{"done": 20, "left": 20, "mean": 5e-4, "sd": 3e-4, "high": 1e-3},
        **{"wanted": 2e-3, "chance": 0.01, "limit": 0.05, "below": 3},
    )
    assert outlook.ends(finish, total) is ends
    assert Outlook.of({"recsys_search:outlook": outlook.to_json()}) == outlook


def test_a_study_without_trials_left_does_not_end_early():
    outlook = Outlook(
        **{"done": 20, "left": 0, "mean": 0, "sd": 0, "high": 0},
        **{"wanted": 2e-3, "chance": 0, "limit": 0.05, "below": 9},
    )
    assert not outlook.ends(Finish(), 20)


class TestThaw:
    """A stopped trial goes on if its forecast is worth more than a new trial."""

    def stopped(self, builder, end, epochs=5, stop_reason="median", **attrs):
        return builder.add(epochs=epochs, end=end, stop_reason=stop_reason, **attrs)

    def choose(self, builder, improvement=1e-4, kept=None):
        return choose_thaw(builder.trials, outcomes(builder.trials), improvement, kept)

    def best(self, builder):
        return min(trial.value for trial in builder.trials if trial.value is not None)

    def test_a_promising_one_goes_on(self, searched):
        number = self.stopped(searched, self.best(searched) - 0.01)
        thaw = self.choose(searched)
        assert thaw.number == number
        assert thaw.chance > 0.5
        assert thaw.worth > thaw.worth_of_new

    def test_the_most_promising_one_goes_first(self, searched):
        self.stopped(searched, self.best(searched) - 0.005)
        number = self.stopped(searched, self.best(searched) - 0.02)
        assert self.choose(searched).number == number

    def test_one_that_is_far_behind_stays_stopped(self, searched):
        self.stopped(searched, self.best(searched) + 0.05)
        assert self.choose(searched) is None

    def test_a_new_trial_may_be_worth_more(self, searched):
        self.stopped(searched, self.best(searched) - 0.01)
        assert self.choose(searched, improvement=10.0) is None

    @pytest.mark.parametrize("stop_reason", ["diverged", "collapse", "gpu-memory"])
    def test_a_sick_one_never_goes_on(self, searched, stop_reason):
        self.stopped(searched, self.best(searched) - 0.01, stop_reason=stop_reason)
        assert self.choose(searched) is None

    def test_one_without_a_checkpoint_cannot(self, searched):
        number = self.stopped(searched, self.best(searched) - 0.01)
        assert self.choose(searched, kept={number + 1}) is None
        assert self.choose(searched, kept={number}).number == number

    def test_one_that_has_gone_on_does_not_again(self, searched):
        number = self.stopped(searched, self.best(searched) - 0.01)
        searched.add(searched.trials[number].params, end=0.9, **{CONTINUES: number})
        assert self.choose(searched) is None

    def test_a_study_of_few_trials_thaws_none(self, spec, builder):
        builder.add()
        self.stopped(builder, 0.1)
        assert find_thaw(spec, builder.trials) is None

    def test_the_worth_of_a_new_trial_comes_from_the_surrogate(self, searched):
        number = self.stopped(searched, self.best(searched) - 0.03, epochs=8)
        assert find_thaw(searched.spec, searched.trials).number == number


@pytest.mark.parametrize("stored", [{}, {"recsys_search:outlook": {"done": 3, "left": 4}}])
def test_an_outlook_of_another_version_is_none(stored):
    assert Outlook.of(stored) is None
