"""A Ray cluster: the connection to it, its nodes, and how many workers fit on them."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, takewhile
from typing import Any, NamedTuple

import psutil

from ...base.messages import format_error
from ...errors import OptionError
from ..storage.urls import sqlite_file

CONNECT_S = 5.0  # for the head to answer


class Node(NamedTuple):
    """A node of the cluster, and its resources, whether they are free or taken.

    Attributes:
        memory: in bytes.
    """

    host: str
    cpus: float
    gpus: float
    memory: float


class Allocation(NamedTuple):
    """How many workers run on the cluster, and what each of them is given.

    Attributes:
        gpus: in [0, 1], to 4 digits, which is Ray's precision.
        shortage: a message that not all of them fit; None if they do.
    """

    workers: int
    cpus: int
    gpus: float
    shortage: str | None


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """Connect this process to a Ray cluster within the block; yields its nodes.

    A connection that the process has already is used, and kept.

    Args:
        address: `host:port` of its head; `auto` is the cluster that this machine belongs to; with
            None there is no cluster, and no nodes.

    Raises:
        OptionError: Ray is not installed, or there is no cluster at the address.
    """
    if address is None:
        yield []
        return
    try:
        import ray
    except ImportError:
        raise OptionError(
            "--cluster needs Ray: pip install 'recsys-search[cluster]', on every node"
        ) from None
    is_ours = not ray.is_initialized()
    if is_ours:
        _check_address(address)
        try:
            ray.init(address=address, log_to_driver=False, logging_level=logging.ERROR)
        except (ConnectionError, RuntimeError) as error:
            raise _no_cluster(address, error) from None
    try:
        yield [_read_node(node) for node in ray.nodes() if node["Alive"]]
    finally:
        if is_ours:
            ray.shutdown()


def check_storage(url: str, nodes: Sequence[Node]) -> None:
    """Refuse an SQLite storage for more than one machine: its locks hold on one only.

    Raises:
        OptionError: it is one, and the nodes are on several machines.
    """
    hosts = sorted({node.host for node in nodes})
    if len(hosts) > 1 and sqlite_file(url) is not None:
        names = ", ".join([*hosts[:3], *(["..."] if len(hosts) > 3 else [])])
        raise OptionError(
            f"the cluster has {len(hosts)} machines ({names}), but SQLite works on one only; "
            "name a PostgreSQL server with --storage"
        )


def allocate_nodes(
    nodes: Sequence[Node], wanted: int | None, gpus: float | None, device: str
) -> Allocation:
    """Divide the cluster equally among workers, with as many cores each as leave room for all.

    Args:
        wanted: number of workers; None is one for each GPU, or part of one, and without GPUs one
            for each core, as far as the memory suffices.
        gpus: of each worker, such as 0.25; None is 1 if a node has a GPU and the device is not
            `cpu`, otherwise 0.
        device: of the trials, as in `--device`.

    Raises:
        OptionError: no node has so many GPUs, or they are not in [0, 1].
    """
    most = max((node.gpus for node in nodes), default=0.0)
    if gpus is None:
        gpus = 1.0 if most >= 1 and device != "cpu" else 0.0
    _check_gpus(gpus, most)
    gpus = math.floor(gpus * 10_000 + 1e-6) / 10_000  # rounded up, 1/7 would fit 6 times only

    def room(cpus: int, memory: float = 0.0) -> int:
        return sum(_workers_that_fit(node, cpus, gpus, memory) for node in nodes)

    # A worker needs about as much memory as this process, which has loaded torch; the ratings are
    # in memory that all workers of a node share.
    workers = wanted or max(1, room(1, psutil.Process().memory_info().rss))
    cpus = max(takewhile(lambda cpus: room(cpus) >= workers, count(1)), default=1)
    shortage = None
    if room(1) < workers:
        shortage = (
            f"the cluster has room for {room(1)} of {workers} workers; the others begin when it "
            "has more"
        )
    return Allocation(workers, cpus, gpus, shortage)


def _check_gpus(gpus: float, most: float) -> None:
    """Refuse what no worker can be given.

    Args:
        gpus: of each worker.
        most: GPUs on one node.

    Raises:
        OptionError: likewise.
    """
    if not (gpus == 0 or 1e-4 <= gpus <= 1):  # NaN too
        raise OptionError(
            f"--gpus-per-trial {gpus:g}: a trial trains on at most one GPU; write 0, or a share "
            "from 0.0001 to 1"
        )
    if gpus > most:
        raise OptionError(
            f"--gpus-per-trial {gpus:g}: no node has more than {most:g} GPUs; start Ray on one "
            "that has, or leave the option out"
        )


def _workers_that_fit(node: Node, cpus: int, gpus: float, memory: float) -> int:
    """How many workers with these resources each fit on a node; 0 bytes sets no limit on memory."""
    limits = [node.cpus / cpus]
    if gpus:
        # Ray places a worker's share of a GPU on one GPU, never across two.
        limits.append(node.gpus // 1 * math.floor(1 / gpus + 1e-9))
    if memory:
        limits.append(node.memory / memory)
    return math.floor(min(limits))


def _check_address(address: str) -> None:
    """Refuse an address at which nothing listens: Ray itself would try for minutes.

    Raises:
        OptionError: it is one, or is not an address of a head.
    """
    if address == "auto":
        return
    if "://" in address:
        raise OptionError(
            f"--cluster {address}: run this command on a node of the cluster, with --cluster auto"
        )
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal():
        raise OptionError(f"--cluster {address}: write host:port of the cluster's head, or auto")
    try:
        socket.create_connection((host, int(port)), timeout=CONNECT_S).close()
    except (OSError, OverflowError) as error:
        raise _no_cluster(address, error) from None


def _no_cluster(address: str, error: Exception) -> OptionError:
    # On one line, and all of it: after the first line Ray lists versions that differ.
    return OptionError(
        f"--cluster {address}: cannot connect to a Ray cluster ({format_error(error)}); start one "
        "with 'ray start --head', and join its other machines with 'ray start --address=HEAD:6379'"
    )


def _read_node(node: Mapping[str, Any]) -> Node:
    resource: Callable[..., float] = node["Resources"].get
    return Node(
        host=node["NodeManagerHostname"],
        cpus=resource("CPU", 0.0),
        gpus=resource("GPU", 0.0),
        memory=resource("memory", 0.0),
    )
