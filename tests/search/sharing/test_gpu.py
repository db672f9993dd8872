"""Which trials train on a GPU at the same time."""

from __future__ import annotations

from threading import Event, Thread

import pytest
from recsys_search.search.sharing.gpu import CONTEXT_BYTES, GIB, Limits, has_room, reserved_bytes
from recsys_search.search.sharing.ledger import Entry, Ledger

from .conftest import config, ended_trial


def entry(state="training", gib=0.0, alone=False):
    return Entry(worker={"run": state}, state=state, bytes=gib * GIB, alone=alone)


TEN = Limits(10 * GIB, None)


@pytest.mark.parametrize(
    ("trial", "others", "limits", "fits"),
    [
        (entry(gib=6), [entry(gib=4)], TEN, True),
        (entry(gib=6.1), [entry(gib=4)], TEN, False),
        (entry(gib=60), [], TEN, True),  # alone, whatever it takes
        (entry(gib=60), [entry("idle"), entry("waiting", 3)], TEN, True),
        (entry(gib=1), [entry(gib=4, alone=True)], TEN, False),
        (entry(gib=1, alone=True), [entry(gib=1)], TEN, False),
        (entry(gib=60), [entry(gib=60)], Limits(None, 2), True),
        (entry(gib=1), [entry(gib=1), entry(gib=1)], Limits(None, 2), False),
    ],
)
def test_a_trial_begins_if_it_fits_or_trains_alone(trial, others, limits, fits):
    assert has_room(trial, others, limits) is fits


def test_a_process_that_does_not_train_keeps_its_context():
    waiting, idle = entry("waiting", gib=9), entry("idle")
    assert reserved_bytes([entry(gib=4), waiting, idle]) == 4 * GIB + 2 * CONTEXT_BYTES


def test_a_trial_that_does_not_fit_is_announced_and_begins_when_another_has_ended(machine):
    first, second = machine.worker(), machine.worker(should_stop=lambda: None)
    machine.need(8 * GIB)
    begun = Event()

    def train_second():
        with second.reserved(machine.trial(7), config()) as is_there:
            assert is_there
            begun.set()

    thread = Thread(target=train_second)
    with first.reserved(machine.trial(), config()) as is_there:
        assert is_there
        thread.start()
        assert not begun.wait(0.3)
    assert begun.wait(5)
    thread.join()
    # 90% of 16 GB, of which the first has reserved 8.
    assert second.notices == [
        "trial 7 waits for room on the GPU: it may take 8.0 GB, and 6.4 of 14.4 GB are free"
    ]


def test_nobody_overtakes_a_trial_that_waits(machine):
    first, large, small = (machine.worker() for _ in range(3))
    stop = Event()
    large._should_stop = lambda: "stopped" if stop.is_set() else None

    def wait_for_room():
        with large.reserved(machine.trial(1), config()) as is_there:
            assert not is_there

    machine.need(4 * GIB)
    with first.reserved(machine.trial(), config()):
        machine.need(12 * GIB)
        thread = Thread(target=wait_for_room)
        thread.start()
        while not large.notices:
            pass
        machine.need(1 * GIB)
        with small.reserved(machine.trial(2), config()) as is_there:
            assert not is_there  # it would fit
        stop.set()
        thread.join()
        with small.reserved(machine.trial(2), config()) as is_there:
            assert is_there


def test_a_number_limits_the_trials_whatever_they_take(machine):
    machine.need(100 * GIB)
    first, second, third = (machine.worker(2) for _ in range(3))
    with (
        first.reserved(machine.trial(0), config()) as has_first,
        second.reserved(machine.trial(1), config()) as has_second,
        third.reserved(machine.trial(2), config()) as has_third,
    ):
        assert (has_first, has_second, has_third) == (True, True, False)


def test_what_other_programs_hold_is_not_shared_out(machine):
    machine.free_bytes = machine.total_bytes - 5 * GIB - CONTEXT_BYTES  # the context is our own
    machine.need(5 * GIB)
    first, second = machine.worker(), machine.worker()
    with (
        first.reserved(machine.trial(0), config()),
        second.reserved(machine.trial(1), config()) as is_there,
    ):
        assert not is_there  # 14.4 - 5 leaves 9.4


def test_the_peak_is_that_of_the_trial_and_neighbours_count_from_begin_to_end(machine):
    first, second = machine.worker(), machine.worker()
    machine.need(2 * GIB)
    machine.peak_bytes = 3 * 2**20
    with first.reserved(machine.trial(0), config()), second.reserved(machine.trial(1), config()):
        assert (first.neighbours, second.neighbours) == (0, 1)
    assert (first.neighbours, first.peak_mib) == (0, 3.0)
    with second.reserved(machine.trial(2), config()):
        assert (second.neighbours, second.peak_mib) == (0, None)


def test_a_trial_alone_on_its_gpu_waits_for_all_others(machine):
    machine.need(1 * GIB)
    first, second = machine.worker(2), machine.worker(2)
    with (
        first.reserved(machine.trial(0), config()),
        second.reserved(machine.trial(1, alone_on_gpu=True), config()) as is_there,
    ):
        assert not is_there
    assert second.notices == []  # it was to stop at once


def test_a_trial_waits_for_one_that_needs_the_gpu_to_itself(machine):
    machine.need(1 * GIB)
    alone, other = machine.worker(), machine.worker(should_stop=lambda: None)
    thread = Thread(target=lambda: other.reserved(machine.trial(5), config()).__enter__())
    with alone.reserved(machine.trial(0, alone_on_gpu=True), config()):
        thread.start()
        while not other.notices:
            pass
    thread.join()
    assert other.notices == ["trial 5 waits for the GPU, which another trial needs to itself"]


def test_measured_trials_lower_what_the_next_one_reserves(machine):
    worker = machine.worker()
    with worker.reserved(machine.trial(), config()), Ledger("GPU-0000", machine.folder).open() as p:
        (bound,) = p.entries
    machine.trials = [ended_trial(config(latent_dim=8 * n), 20.0, n) for n in (1, 2, 3)]
    with worker.reserved(machine.trial(), config()), Ledger("GPU-0000", machine.folder).open() as p:
        (learned,) = p.entries
    assert CONTEXT_BYTES < learned.bytes < bound.bytes


def test_an_error_in_the_trial_gives_its_room_back(machine):
    worker, other = machine.worker(), machine.worker()
    machine.need(100 * GIB)
    with pytest.raises(MemoryError), worker.reserved(machine.trial(), config()):
        raise MemoryError
    with other.reserved(machine.trial(), config()) as is_there:
        assert is_there
