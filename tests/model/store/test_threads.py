"""Work on several threads gives what it gives on one, in the same order."""

from __future__ import annotations

import threading

import pytest
import torch
from recsys_search.model.store.threads import AHEAD, map_on_threads, n_workers

CPU = torch.device("cpu")


@pytest.fixture(params=[1, 2, 3])
def n_threads(request):
    before = torch.get_num_threads()
    torch.set_num_threads(request.param)
    yield request.param
    torch.set_num_threads(before)


def test_results_come_in_the_order_of_the_items(n_threads):
    assert list(map_on_threads(lambda i: i * i, range(20), CPU)) == [i * i for i in range(20)]
    assert list(map_on_threads(str, [], CPU)) == []


def test_torch_uses_one_thread_in_each(n_threads):
    seen = set(map_on_threads(lambda _: torch.get_num_threads(), range(20), CPU))
    assert seen == {1}
    assert torch.get_num_threads() == n_threads


def test_gradients_are_on_where_they_are_in_the_caller(n_threads):
    def is_on(_):
        return torch.is_grad_enabled()

    with torch.no_grad():
        assert not any(map_on_threads(is_on, range(8), CPU))
    assert all(map_on_threads(is_on, range(8), CPU))


def test_an_error_reaches_the_caller(n_threads):
    def fail_at_five(i):
        if i == 5:
            raise ValueError("five")
        return i

    results = map_on_threads(fail_at_five, range(20), CPU)
    assert [next(results) for _ in range(5)] == list(range(5))
    with pytest.raises(ValueError, match="five"):
        next(results)


def test_few_results_wait_for_a_slow_caller(n_threads):
    started, lock = [], threading.Lock()

    def work(i):
        with lock:
            started.append(i)

    results = map_on_threads(work, range(100), CPU)
    for _ in range(10):
        next(results)
    results.close()
    assert len(started) <= 10 + AHEAD * n_threads


def test_a_gpu_is_fed_by_one_thread(n_threads):
    assert n_workers(torch.device("cuda"), 100) == 1
    assert n_workers(CPU, 1) == 1
    assert n_workers(CPU, 100) == n_threads
