"""Studies fitted to the memory of a GPU."""

from __future__ import annotations

import pytest
from recsys_search.errors import StudyError
from recsys_search.model.architectures.memory import DataSizes, memory_need
from recsys_search.search.definition.study_file import StudySpec, load_study
from recsys_search.search.presets.fit import Fit, describe_fit, fit_new, fit_stored, restricted
from recsys_search.search.presets.table import GIB, Preset, find_preset, read_presets

ML_32M = DataSizes(n_ratings=25_600_164, n_users=200_948, n_films=84_432, has_times=True)
SMALL = DataSizes(n_ratings=1000, n_users=10, n_films=10, has_times=False)


def fitted(spec, preset, sizes=ML_32M, share=1.0):
    return restricted(spec, fit_new(spec, preset, sizes, share))


def study(**changes):
    values = {
        "name": "small",
        "dataset": "demo",
        "base": {"architecture": "mf"},
        "space": {"batch_size": {"choice": [512, 1024, 2048]}},
        "trials": 2,
    }
    return StudySpec.model_validate({**values, **changes})


def holding(batch_size):
    """A fit whose GPU holds so many pairs of mf."""
    return Fit(preset="tiny", batch_sizes={"mf": batch_size})


@pytest.mark.parametrize("name", [name for name, p in read_presets().items() if p.gpu])
def test_breakthrough_never_proposes_a_batch_that_the_memory_cannot_hold(name):
    preset = find_preset(name)
    spec = fitted(load_study("breakthrough"), preset)
    for architecture in spec.architectures:
        largest = max(spec.space.axes[f"{architecture}.batch_size"].choices)
        assert largest <= preset.batch_sizes.get(architecture, largest)
        extremes = {"hybrid": {"hidden_dims": (2048, 1024, 512, 256), "n_factors": 250}}
        config = spec.config(
            {
                "architecture": architecture,
                "latent_dim": 160,
                "batch_size": largest,
                **extremes.get(architecture, {}),
            }
        )
        need = memory_need(config.for_split(is_random=True), ML_32M).of_batch(largest)
        assert need <= 0.9 * preset.memory_gb * GIB
    for known in spec.known_trials():
        assert spec.space.axes.keys() >= known.params.keys()


def test_known_configs_get_the_largest_batch_that_fits():
    spec = fitted(load_study("breakthrough"), find_preset("rtx3090"))
    assert [entry.get("batch_size") for entry in spec.known] == [None, 1024, 1024]


@pytest.mark.parametrize(
    ("axis", "cap", "left"),
    [
        ({"choice": [512, 1024, 2048]}, 1024, "one of 512, 1024"),
        ({"choice": [512, 1024, 2048]}, 5000, "one of 512, 1024, 2048"),
        ({"int": [500, 2000], "step": 500}, 1200, "500 to 1000 in steps of 500"),
        ({"int": [64, 4096], "log": True}, 1000, "64 to 1000"),
    ],
)
def test_an_axis_ends_at_what_the_memory_holds(axis, cap, left):
    spec = restricted(study(space={"batch_size": axis}), holding(cap))
    assert str(spec.space.axes["batch_size"]) == left


def test_an_axis_without_a_batch_that_fits_is_refused():
    with pytest.raises(StudyError, match="space batch_size: preset tiny holds batches of at most"):
        restricted(study(), holding(100))


NO_BATCHES = {"learning_rate": {"float": [0.001, 0.01]}}


def test_a_default_batch_size_that_does_not_fit_becomes_the_largest_that_does():
    spec = restricted(study(space=NO_BATCHES), holding(100))
    assert spec.base["mf.batch_size"] == 100
    assert restricted(spec, holding(100)) == spec


def test_a_batch_size_in_the_base_is_refused_if_it_does_not_fit():
    base = {"architecture": "mf", "batch_size": 512}
    with pytest.raises(StudyError, match=r"base: mf trains in batches of 512, but preset tiny hol"):
        restricted(study(base=base, space=NO_BATCHES), holding(100))


def test_a_batch_size_in_the_base_replaces_the_plans():
    base = {"architecture": "hybrid", "batch_size": 2048}
    spec = study(base=base, space=NO_BATCHES)
    assert fitted(spec, find_preset("rtx3090"), SMALL).base["batch_size"] == 2048


def test_fitting_a_fitted_study_again_changes_nothing():
    spec = load_study("breakthrough")
    fit = fit_new(spec, find_preset("rtx3090"), ML_32M, 1.0)
    once = restricted(spec, fit)
    assert restricted(once, fit) == once
    assert once != spec


def test_the_precision_of_the_study_file_stays():
    preset = find_preset("a6000")
    assert fitted(study(), preset, SMALL).base["amp"] == "bf16"
    base = {"architecture": "mf", "amp": "off"}
    assert fitted(study(base=base), preset, SMALL).base["amp"] == "off"
    space = {"amp": {"choice": ["bf16", "off"]}, "batch_size": {"choice": [512]}}
    assert "amp" not in fitted(study(space=space), preset, SMALL).base


def test_a_study_of_biases_has_neither_batches_nor_a_precision():
    spec = study(base={"architecture": "biases"}, space={"user_shrinkage": {"float": [1, 9]}})
    assert fitted(spec, find_preset("a6000"), SMALL) == spec


def test_more_workers_on_a_gpu_leave_less_for_each():
    preset = Preset(name="tiny", gpu="T4", memory_gb=24)
    spec = load_study("breakthrough")
    sizes = ML_32M._replace(n_ratings=5_000_000)
    alone, shared = (fit_new(spec, preset, sizes, share).batch_sizes for share in (1, 0.5))
    assert all(1000 < shared[name] < alone[name] for name in alone)


def test_data_that_does_not_fit_is_refused():
    with pytest.raises(StudyError, match=r"two_tower may take 17\.\d GB for 25,600,164 train"):
        fit_new(load_study("breakthrough"), find_preset("rtx3090"), ML_32M, 0.25)


def test_a_study_goes_on_with_a_preset_that_holds_its_batches():
    spec = load_study("breakthrough")
    before = fit_new(spec, find_preset("rtx3090"), ML_32M, 1.0)
    after = fit_stored(restricted(spec, before), before, find_preset("h100"), ML_32M, 1.0)
    assert after == before.model_copy(update={"preset": "h100", "usd_per_hour": 4.0})


def test_a_study_does_not_go_on_with_a_preset_that_is_too_small():
    spec = load_study("breakthrough")
    tiny = Preset(name="tiny", gpu="T4", memory_gb=19)
    with pytest.raises(StudyError, match=r"proposes batches of up to 65536 for two_tower, but pre"):
        fit_stored(spec, None, tiny, ML_32M, 1.0)


def test_what_a_preset_changes_is_described():
    spec = load_study("breakthrough")
    preset = find_preset("rtx3090")
    fit = fit_new(spec, preset, ML_32M, 1.0)
    assert describe_fit(spec, restricted(spec, fit), fit, preset) == (
        "preset rtx3090 (24 GB): precision bf16; hybrid.batch_size one of 1024, not one of 1024, "
        "1536, 2048, 3072; experiment_2 with a batch size of 1024; a6000 with a batch size of 1024"
    )
