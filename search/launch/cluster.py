"""A Ray cluster, and how the workers of a study share its nodes."""

from __future__ import annotations

import logging
import math
import socket
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import count, takewhile
from typing import Any, NamedTuple

import psutil

from ...errors import OptionError
from ..storage.urls import sqlite_file

CONNECT_S = 5.0


class Node(NamedTuple):
    """A node of the cluster, and all that Ray may hand out on it."""

    host: str
    cpus: float
    gpus: float
    memory: float


class Share(NamedTuple):
    """The workers of a study, and what each is given.

    Attributes:
        shortage: a sentence, if the cluster has no room for all of them at the moment.
    """

    workers: int
    cpus: int
    gpus: float
    shortage: str | None


@contextmanager
def connected(address: str | None) -> Iterator[list[Node]]:
    """The nodes of a Ray cluster, to which this process is connected within the block.

    Args:
        address: `host:port` of its head; `auto` is the cluster that this machine belongs to; None
            is no cluster, without nodes.

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
            raise _no_cluster(address, str(error).splitlines()[0]) from None
    try:
        yield [_read_node(node) for node in ray.nodes() if node["Alive"]]
    finally:
        if is_ours:
            ray.shutdown()


def check_storage(url: str, nodes: Sequence[Node]) -> None:
    """Refuse an SQLite storage on more than one machine: its locks hold on one only."""
    hosts = sorted({node.host for node in nodes})
    if len(hosts) > 1 and sqlite_file(url) is not None:
        names = ", ".join([*hosts[:3], *(["..."] if len(hosts) > 3 else [])])
        raise OptionError(
            f"the cluster has {len(hosts)} machines ({names}), and SQLite is for one; name a "
            "PostgreSQL server with --storage"
        )


def share_nodes(nodes: Sequence[Node], wanted: int | None, gpus: float | None) -> Share:
    """Give each worker the same part of the cluster, with as many cores as all can have.

    Args:
        wanted: number of workers; None has one for each GPU, or each part of one, and on a cluster
            without GPUs one for each core, as far as its memory goes.
        gpus: of each worker, such as 0.25; None is 1 where there are GPUs.

    Raises:
        OptionError: no node has so many GPUs.
    """
    if gpus is None:
        gpus = 1.0 if any(node.gpus >= 1 for node in nodes) else 0.0
    most = max((node.gpus for node in nodes), default=0.0)
    if gpus > most:
        raise OptionError(f"--gpus-per-trial {gpus:g}: no node has more than {most:g} GPUs")
    if gpus > 1:
        raise OptionError(f"--gpus-per-trial {gpus:g}: a trial trains on one GPU; write at most 1")

    def room(cpus: int, memory: float = 0.0) -> int:
        return sum(_room(node, cpus, gpus, memory) for node in nodes)

    workers = wanted or max(1, room(1, psutil.Process().memory_info().rss))
    cpus = max(takewhile(lambda cpus: room(cpus) >= workers, count(1)), default=1)
    shortage = None
    if room(1) < workers:
        shortage = (
            f"the cluster has room for {room(1)} of {workers} workers; the others begin when it "
            "has more"
        )
    return Share(workers, cpus, gpus, shortage)


def _room(node: Node, cpus: int, gpus: float, memory: float) -> int:
    """How many workers fit on a node."""
    limits = [node.cpus / cpus]
    if gpus:
        # Ray places a part of a GPU on one GPU only.
        limits.append(node.gpus // 1 * math.floor(1 / gpus + 1e-9))
    if memory:
        limits.append(node.memory / memory)
    return math.floor(min(limits))


def _check_address(address: str) -> None:
    """Refuse an address at which nobody listens: Ray itself would try for minutes."""
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
        raise _no_cluster(address, str(error)) from None


def _no_cluster(address: str, why: str) -> OptionError:
    return OptionError(
        f"--cluster {address}: no Ray cluster answers ({why}); start one with 'ray start --head', "
        "or join its other machines with 'ray start --address=HEAD:6379'"
    )


def _read_node(node: Mapping[str, Any]) -> Node:
    resource: Callable[..., float] = node["Resources"].get
    return Node(
        host=node["NodeManagerHostname"],
        cpus=resource("CPU", 0.0),
        gpus=resource("GPU", 0.0),
        memory=resource("memory", 0.0),
    )
