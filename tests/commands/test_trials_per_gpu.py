"""The option --trials-per-gpu where it has no effect, or another one decides."""

from __future__ import annotations

import pytest
from recsys_search.errors import OptionError
from recsys_search.search.presets import machine
from recsys_search.search.presets.table import find_preset
from recsys_search.search.sharing import options

START = ("start", "--study", "demo")


@pytest.mark.parametrize(
    ("command", "message"),
    [
        ((*START, "--trials-per-gpu", "0"), "write a number from 1, or auto"),
        ((*START, "--trials-per-gpu", "many"), "write a number from 1, or auto"),
        ((*START, "--trials-per-gpu", "2", "--device", "cpu"), "write --workers N, or auto"),
        (("worker", "--trials-per-gpu", "auto", "--device", "cpu"), "trials train on the CPU"),
        ((*START, "--trials-per-gpu", "2", "--workers", "2"), "both set the number of trials"),
        ((*START, "--trials-per-gpu", "2", "--detach"), "give it to the workers"),
        ((*START, "--trials-per-gpu", "auto", "--cluster", "auto"), "write a number with"),
        (
            (*START, "--trials-per-gpu", "2", "--cluster", "auto", "--gpus-per-trial", "0.5"),
            "set the same thing",
        ),
    ],
)
def test_it_is_refused_with_the_remedy(cli, command, message):
    code, _, err = cli(*command)
    assert code == 2
    assert "--trials-per-gpu" in err
    assert message in err


def test_a_cluster_takes_a_number():
    shares = {"cluster": "auto", "gpus_per_trial": None, "detach": False}
    options.check_start_shares(4, "auto", **shares)
    with pytest.raises(OptionError):
        options.check_start_shares("auto", "auto", **shares)


@pytest.mark.parametrize(("trials_per_gpu", "share"), [("auto", 1), (4, 0.25)])
def test_a_preset_fits_batches_to_what_each_trial_has(trials_per_gpu, share):
    assert machine.memory_share(find_preset("a100"), "cuda:0", 1, trials_per_gpu) == share
