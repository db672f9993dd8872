"""Event files, as TensorBoard reads them."""

from __future__ import annotations

import math

import pytest
from recsys_search.search.trackers.table import read_tracker

pytest.importorskip("tensorboard", reason="tensorboard is not installed")


@pytest.fixture
def runs(tmp_path, record):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    record(read_tracker({"tensorboard": {"folder": str(tmp_path)}}))
    return [EventAccumulator(str(tmp_path / "small" / name)).Reload() for name in ("0", "1")]


def hparams_data(run, name):
    from tensorboard.plugins.hparams.plugin_data_pb2 import HParamsPluginData

    content = run.SummaryMetadata(f"_hparams_/session_{name}_info").plugin_data.content
    return HParamsPluginData.FromString(content)


def test_curves(runs):
    first, second = runs
    assert [(point.step, round(point.value, 6)) for point in first.Scalars("val_rmse")] == [
        (1, 0.9),
        (2, 0.8),
    ]
    assert [point.value for point in first.Scalars("active_units/user")] == [3, 3]
    assert all(math.isnan(point.value) for point in second.Scalars("val_rmse"))
    assert [(p.step, round(p.value, 6)) for p in first.Scalars("best_val_rmse")] == [(2, 0.8)]


def test_hyperparameters_and_status(runs):
    from tensorboard.plugins.hparams.api_pb2 import STATUS_FAILURE, STATUS_SUCCESS

    info = hparams_data(runs[0], "start").session_start_info
    assert info.group_name == "small/0"
    assert info.hparams["learning_rate"].number_value == 0.001
    assert info.hparams["hidden_dims"].string_value == "(64, 32)"
    assert info.hparams["bias"].bool_value is True
    assert "patience" not in info.hparams  # None
    status = [hparams_data(run, "end").session_end_info.status for run in runs]
    assert status == [STATUS_SUCCESS, STATUS_FAILURE]


def test_why_a_trial_ended_and_what_it_goes_on_from(runs):
    def text(run, tag):
        return run.Tensors(tag)[0].tensor_proto.string_val[0].decode()

    assert text(runs[0], "end") == (
        "- state: complete\n- stop_reason: plateau\n- reason: flat for 5 epochs"
    )
    assert "- known_config: defaults" in text(runs[0], "trial")
    assert "- continues: small/0" in text(runs[1], "trial")
