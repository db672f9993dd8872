"""How workers share the nodes of a cluster, and addresses at which there is none."""

from __future__ import annotations

import socket
import sys

import pytest
from recsys_search.errors import OptionError
from recsys_search.search.launch import cluster
from recsys_search.search.launch.cluster import (
    Node,
    allocate_nodes,
    check_storage,
    connected,
)


def node(cpus, gpus=0.0, memory=1e15, host="a"):
    return Node(host=host, cpus=cpus, gpus=gpus, memory=memory)


@pytest.mark.parametrize(
    ("nodes", "wanted", "gpus", "allocation"),
    [
        ([node(4), node(2)], None, None, (6, 1, 0)),
        ([node(4), node(2)], 3, None, (3, 2, 0)),
        ([node(4), node(4)], 3, None, (3, 2, 0)),
        ([node(4), node(4)], 2, None, (2, 4, 0)),
        ([node(16, gpus=2), node(4)], None, None, (2, 8, 1)),
        ([node(16, gpus=2)], None, 0.25, (8, 2, 0.25)),
        ([node(16, gpus=1)], None, 0.3, (3, 5, 0.3)),
        ([node(16, gpus=1)], None, 0, (16, 1, 0)),
    ],
)
def test_the_workers_share_the_cluster_equally(nodes, wanted, gpus, allocation):
    assert allocate_nodes(nodes, wanted, gpus, "auto") == (*allocation, None)


def test_trials_on_the_cpu_take_no_gpu():
    assert allocate_nodes([node(4, gpus=2)], None, None, "cpu") == (4, 1, 0, None)


def test_a_seventh_of_a_gpu_fits_seven_times_in_the_four_digits_of_ray():
    allocation = allocate_nodes([node(16, gpus=1)], None, 1 / 7, "auto")
    assert (allocation.workers, allocation.gpus) == (7, 0.1428)


def test_memory_limits_the_number_of_workers_on_cores(monkeypatch):
    process = type("", (), {"memory_info": lambda self: type("", (), {"rss": 2e9})})
    monkeypatch.setattr(cluster.psutil, "Process", process)
    assert allocate_nodes([node(8, memory=7e9), node(1)], None, None, "auto").workers == 4


def test_too_many_workers_for_the_cluster_are_announced():
    allocation = allocate_nodes([node(2), node(1)], 5, None, "auto")
    assert (allocation.workers, allocation.cpus) == (5, 1)
    assert allocation.shortage == (
        "the cluster has room for 3 of 5 workers; the others begin when it has more"
    )


@pytest.mark.parametrize(
    ("gpus", "message"),
    [
        (0.5, "--gpus-per-trial 0.5: no node has more than 0 GPUs; start Ray on one that has"),
        (2, "--gpus-per-trial 2: a trial trains on at most one GPU; write 0, or a share from"),
        (-1, "--gpus-per-trial -1: a trial trains on at most one GPU"),
        (1e-5, "--gpus-per-trial 1e-05: a trial trains on at most one GPU"),
        (float("nan"), "--gpus-per-trial nan: a trial trains on at most one GPU"),
    ],
)
def test_gpus_that_no_worker_can_be_given_are_refused(gpus, message):
    with pytest.raises(OptionError, match=message):
        allocate_nodes([node(4)], None, gpus, "auto")


def test_sqlite_is_for_one_machine():
    nodes = [node(1, host="a"), node(1, host="b")]
    refusal = r"2 machines \(a, b\), but SQLite works on one only; name a PostgreSQL server"
    with pytest.raises(OptionError, match=refusal):
        check_storage("sqlite:///studies.db", nodes)
    check_storage("sqlite:///studies.db", [node(1), node(1)])
    check_storage("postgresql://db/studies", nodes)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("ray://head:10001", "run this command on a node of the cluster, with --cluster auto"),
        ("head", "write host:port of the cluster's head, or auto"),
        ("head:x", "write host:port of the cluster's head, or auto"),
    ],
)
def test_an_address_of_another_form_is_refused(address, message):
    pytest.importorskip("ray", reason="ray is not installed")
    with pytest.raises(OptionError, match=message), connected(address):
        pass


def test_an_address_at_which_nobody_listens_is_refused_at_once():
    pytest.importorskip("ray", reason="ray is not installed")
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with (
            pytest.raises(
                OptionError, match=r"cannot connect to a Ray cluster .*refused.*'ray start --head"
            ),
            connected(address),
        ):
            pass


def test_the_error_without_a_cluster_says_how_to_start_one(monkeypatch):
    """With Ray's own error: the machine that runs the tests may have a cluster."""
    ray = pytest.importorskip("ray", reason="ray is not installed")

    def find_none(**options):
        raise ConnectionError("Could not find any running Ray instance.")

    monkeypatch.setattr(ray, "init", find_none)
    with (
        pytest.raises(OptionError, match=r"--cluster auto: cannot connect .*any running Ray inst"),
        connected("auto"),
    ):
        pass


def test_all_lines_of_rays_own_error_are_shown(monkeypatch):
    ray = pytest.importorskip("ray", reason="ray is not installed")

    def refuse(**options):
        raise RuntimeError("Version mismatch: The cluster was started with:\n    Python: 3.11.9")

    monkeypatch.setattr(ray, "init", refuse)
    with pytest.raises(OptionError, match=r"started with: Python: 3\.11\.9"), connected("auto"):
        pass


def test_ray_that_is_missing_names_its_extra(monkeypatch):
    monkeypatch.setitem(sys.modules, "ray", None)
    missing = r"pip install 'recsys-search\[cluster\]'"
    with pytest.raises(OptionError, match=missing), connected("auto"):
        pass
