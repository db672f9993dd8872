"""Trainings on a GPU: each precision, health, checkpoints, and several processes."""

from __future__ import annotations

import json
from dataclasses import asdict
from itertools import count
from math import isfinite

import pytest
import torch
from recsys_search.errors import ConfigError
from recsys_search.model.training.checkpoints import Checkpoints
from recsys_search.model.training.fits import Descent
from recsys_search.model.training.training import Training

pytestmark = pytest.mark.gpu

# A GPU draws other numbers than a CPU from the same seed. Validation RMSE after two epochs, in
# stars: seven to ten times the standard deviation over the seeds on a CPU (0.010, 0.001, 0.001).
TOLERANCE = {"two_tower": 0.07, "hybrid": 0.01, "mf": 0.01, "biases": 1e-5}
DESCENTS = ["two_tower", "hybrid", "mf"]
# The order of a sum may differ from run to run on a GPU. In stars, after some steps.
ROUNDING = 2e-3

TRAIN = """
import json, sys
from recsys_search.data.demo.generator import demo_ratings
from recsys_search.data.splits.spec import SplitSpec
from recsys_search.data.splits.split import split_ratings
from recsys_search.model.architectures.configs import build_config
from recsys_search.model.training.training import Training

split = split_ratings(demo_ratings(4000, n_users=80, n_films=100), SplitSpec())
config = build_config("mf", n_factors=8, batch_size=200, amp="off", max_epochs=2)
with Training(config, split, sys.argv[1]) as run:
    print(json.dumps([report.val_rmse for report in run]))
"""


def numbers(report):
    """All numbers of a report, those by tower and by metric included."""
    for value in asdict(report).values():
        yield from value.values() if isinstance(value, dict) else [value]


def val_rmse(run):
    return [report.val_rmse for report in run.reports]


@pytest.mark.parametrize("amp", ["auto", "off", "bf16", "fp16"])
@pytest.mark.parametrize("architecture", DESCENTS)
def test_a_training_is_as_good_as_on_a_cpu(device, config, train, architecture, amp):
    small = config(architecture, amp=amp, max_epochs=2)
    if amp == "fp16" and device == "cpu":
        with pytest.raises(ConfigError, match="amp fp16 needs a GPU"):
            train(small, device)
        return
    run = train(small, device)
    assert run.amp == amp or amp == "auto"
    assert len(run.reports) == 2
    for report in run.reports:
        assert all(isfinite(number) for number in numbers(report) if number is not None)
        assert report.grad_norm > 0
    expected = train(config(architecture, max_epochs=2), "cpu")
    assert val_rmse(run)[-1] == pytest.approx(val_rmse(expected)[-1], abs=TOLERANCE[architecture])
    assert run.bias_val_rmse == pytest.approx(expected.bias_val_rmse, abs=1e-6)
    assert run.n_parameters == expected.n_parameters


@pytest.mark.parametrize("likelihood", ["gaussian", "ordinal"])
@pytest.mark.parametrize("architecture", ["two_tower", "hybrid"])
def test_likelihoods_train_in_the_precision_of_auto(
    device, config, train, architecture, likelihood
):
    values = {"likelihood": likelihood, "max_epochs": 2, "kl_schedule": "controller"}
    run = train(config(architecture, amp="auto", **values), device)
    expected = train(config(architecture, **values), "cpu")
    assert all(isfinite(report.val_loss) for report in run.reports)
    # The controller's KL weight makes `hybrid` vary by 0.014 with the seed.
    assert val_rmse(run)[-1] == pytest.approx(val_rmse(expected)[-1], abs=0.1)


def test_biases_are_fitted_as_on_a_cpu(device, config, train):
    run, expected = train(config("biases"), device), train(config("biases"), "cpu")
    assert val_rmse(run) == pytest.approx(val_rmse(expected), abs=TOLERANCE["biases"])
    for name, weights in expected.best.weights.items():
        torch.testing.assert_close(run.best.weights[name], weights, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("architecture", DESCENTS)
def test_a_seed_repeats_a_training_but_for_rounding(device, config, train, architecture):
    run, again = (train(config(architecture, max_epochs=2), device) for _ in range(2))
    assert val_rmse(run) == pytest.approx(val_rmse(again), abs=ROUNDING)
    other = train(config(architecture, max_epochs=2, seed=7), device)
    assert val_rmse(run) != val_rmse(other)


def test_two_trainings_side_by_side_do_not_mix_their_draws(device, config, split, train):
    small = config("two_tower", max_epochs=2)
    alone = train(small, device)
    with Training(small, split, device) as one, Training(small, split, device) as other:
        assert len(list(zip(one, other, strict=True))) == 2
    assert val_rmse(one) == pytest.approx(val_rmse(alone), abs=ROUNDING)
    assert val_rmse(other) == pytest.approx(val_rmse(alone), abs=ROUNDING)


def test_a_step_that_overflows_is_skipped(cuda, config, split):
    """In fp16: a loss scale far too high makes the first gradients infinite."""
    with Training(config("hybrid", amp="fp16", max_epochs=2), split, str(cuda)) as run:
        fit = run._fit
        assert isinstance(fit, Descent)
        scaler = run._precision.scaler
        scaler.load_state_dict({**scaler.state_dict(), "scale": 2.0**26})
        *_, report = run
        assert scaler.get_scale() < 2.0**26
    assert isfinite(report.grad_norm)
    assert isfinite(report.val_rmse)


def test_a_report_has_the_figures_of_the_gpu(cuda, config, train):
    report = train(config("mf", max_epochs=1), str(cuda)).reports[0]
    assert 0 < report.peak_memory_mib < 2000
    assert 0 < report.gpu_memory_share < 1
    assert report.gpu_utilisation is None or 0 <= report.gpu_utilisation <= 100


def pause_and_go_on(small, split, folder, first, second, n_steps):
    """Pause on one device after a number of steps, and go on with another from the disk."""
    checkpoints, steps = Checkpoints(folder), count(1)
    with Training(small, split, first, should_pause=lambda: next(steps) == n_steps) as run:
        for _ in run:
            pass
        checkpoints.save(run.state())
    state = checkpoints.load()
    tensors = list(tensors_in(state))
    assert tensors
    assert all(tensor.device.type == "cpu" for tensor in tensors)
    with Training(small, split, second) as run:
        run.resume(state)
        for _ in run:
            pass
    return run


def tensors_in(value):
    if isinstance(value, torch.Tensor):
        yield value
    for part in value.values() if isinstance(value, dict) else ():
        yield from tensors_in(part)
    for part in value if isinstance(value, list | tuple) else ():
        yield from tensors_in(part)


@pytest.mark.parametrize("n_steps", [5, 20])  # in the first epoch and in the second
@pytest.mark.parametrize("amp", ["off", "auto"])
@pytest.mark.parametrize("architecture", DESCENTS)
def test_a_training_goes_on_in_the_middle_of_an_epoch(
    device, config, split, train, tmp_path, architecture, amp, n_steps
):
    small = config(architecture, amp=amp, max_epochs=2)
    run = pause_and_go_on(small, split, tmp_path, device, device, n_steps)
    assert run.resumed_from_epoch == (n_steps > 16)
    expected = train(small, device)
    # A product in half precision rounds a thousand times as much.
    tolerance = ROUNDING if amp == "off" else 5 * ROUNDING
    assert val_rmse(run) == pytest.approx(val_rmse(expected), abs=tolerance)


@pytest.mark.parametrize("architecture", DESCENTS)
@pytest.mark.parametrize("is_first", [True, False])
def test_a_training_goes_on_with_the_other_device(
    device, config, split, train, tmp_path, architecture, is_first
):
    """The rest of its epoch is drawn by the other device, so only its quality can be compared."""
    small = config(architecture, max_epochs=2)
    first, second = (device, "cpu") if is_first else ("cpu", device)
    run = pause_and_go_on(small, split, tmp_path, first, second, 20)
    assert [report.epoch for report in run.reports] == [1, 2]
    expected = train(small, "cpu")
    assert val_rmse(run)[-1] == pytest.approx(val_rmse(expected)[-1], abs=TOLERANCE[architecture])


def test_two_processes_train_at_the_same_time(device, config, train, start_python):
    processes = [start_python(TRAIN, device) for _ in range(2)]
    outputs = [process.communicate(timeout=250)[0] for process in processes]
    assert [process.returncode for process in processes] == [0, 0]
    expected = val_rmse(train(config("mf", max_epochs=2), device))
    for output in outputs:
        assert json.loads(output) == pytest.approx(expected, abs=ROUNDING)
