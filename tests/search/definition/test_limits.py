"""Known limits are constraints for the sampler, and configs beyond them are not trained."""

from __future__ import annotations

import optuna
import pytest
from recsys_search.model.architectures.configs import build_config
from recsys_search.search.definition.limits import Limits
from recsys_search.search.definition.study_file import load_study
from recsys_search.search.pruners.divergence import Divergence
from recsys_search.search.pruners.resources import GpuMemory

FAR = [{"name": "far", "kl_weight": 0.02}]
SPACE = {"kl_weight": {"float": [1e-4, 0.1], "log": True}}
N_NET_PARAMETERS = 8_397  # of a two_tower with 2 latent dimensions


def violations(limits, config, net_parameters=1000):
    return {limit.name: limit.violation for limit in limits.of(config, net_parameters)}


def test_a_violation_is_the_share_beyond_the_limit():
    limits = Limits(kl_weight=0.015, net_parameters=2000)
    config = build_config("hybrid", kl_weight=0.03)
    assert violations(limits, config) == {"kl_weight": 1.0, "net_parameters": -0.5}


def test_a_config_at_its_limit_is_trained():
    config = build_config("hybrid", kl_weight=0.015)
    assert violations(Limits(kl_weight=0.015), config) == {"kl_weight": 0.0}


@pytest.mark.parametrize(
    ("kl_weight", "net_parameters", "exceeded"),
    [
        (0.010, 500, []),
        (0.015, 1000, []),
        (0.016, 500, ["kl_weight"]),
        (0.016, 1001, ["kl_weight", "net_parameters"]),
    ],
)
def test_only_limits_that_the_config_is_beyond_are_exceeded(kl_weight, net_parameters, exceeded):
    limits = Limits(kl_weight=0.015, net_parameters=1000)
    found = limits.exceeded(build_config("hybrid", kl_weight=kl_weight), net_parameters)
    assert [limit.name for limit in found] == exceeded


def test_a_model_without_a_kl_weight_has_no_limit_on_it():
    assert violations(Limits(kl_weight=0.015), build_config("mf")) == {}


def test_whole_numbers_are_printed_in_full():
    [limit] = Limits(net_parameters=2_777_473).of(build_config("mf"), 2_777_474)
    assert str(limit) == "net_parameters 2,777,474 is above 2,777,473"


def test_a_trial_beyond_a_limit_is_not_trained_and_gives_the_reason(workplace):
    study = workplace.write_study(
        space=SPACE, known=FAR, limits={"kl_weight": 0.015, "net_parameters": 5}, trials=1
    )
    [trial] = workplace.start(study).trials()
    assert (trial["state"], trial["stop_reason"], trial["epochs"]) == ("pruned", "known-limit", 0)
    assert trial["reason"] == (
        "not trained: kl_weight 0.02 is above 0.015 and net_parameters 8,397 is above 5; "
        "start --explore lifts the limits"
    )
    stored = optuna.load_study(study_name="small", storage=workplace.storage).trials[0]
    assert stored.constraints == {
        "kl_weight": pytest.approx(1 / 3),
        "net_parameters": pytest.approx(N_NET_PARAMETERS / 5 - 1),
    }


def test_explore_lifts_the_limits_of_a_continued_study(workplace):
    pruners = [{"gpu_memory": {"share": 0.9}}, {"divergence": {}}]
    study = workplace.write_study(
        space=SPACE, known=FAR, limits={"kl_weight": 1e-5}, pruners=pruners, trials=1
    )
    workplace.start(study)
    reader = workplace.start(study, trials=2, explore=True)
    assert [trial["stop_reason"] for trial in reader.trials()] == ["known-limit", None]
    [pruner] = reader.spec.pruners
    assert isinstance(pruner, Divergence)
    assert workplace.start("small", trials=3).spec.limits is None
    assert workplace.start(study, trials=4).spec.pruners[0] == GpuMemory()


def test_the_reference_is_within_the_limits_of_breakthrough():
    spec = load_study("breakthrough")
    for known in spec.known_trials():
        config = spec.config(spec.space.values_of(known.params), known.fixed)
        assert all(limit.violation <= 0 for limit in spec.limits.of(config, 1_851_649))
    assert spec.limits.net_parameters == int(1.5 * 1_851_649)
