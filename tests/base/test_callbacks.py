"""A callback that fails does not end the work."""

from __future__ import annotations

import warnings

import pytest
from recsys_search.base.callbacks import never_failing


def test_the_first_error_is_a_warning_and_later_ones_are_ignored():
    called = []

    def fail(value):
        called.append(value)
        raise ValueError(f"no {value}")

    callback = never_failing(fail, "on_epoch")
    with pytest.warns(UserWarning) as caught:
        callback(1)
        callback(2)
    assert [str(each.message) for each in caught] == [
        "on_epoch failed with ValueError: no 1; the work goes on, and further errors of on_epoch "
        "are not shown"
    ]
    assert called == [1, 2]


@pytest.mark.parametrize("error", [KeyboardInterrupt, SystemExit])
def test_a_demand_to_stop_passes(error):
    def stop():
        raise error

    with warnings.catch_warnings(), pytest.raises(error):
        warnings.simplefilter("error")
        never_failing(stop, "listener")()
