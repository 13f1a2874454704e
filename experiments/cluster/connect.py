"""Connect to a Dask cluster: the cores of this machine, or a scheduler that the environment variable SCHEDULER names.

A scheduler and its workers run whatever code they are sent. So they listen on loopback alone, or they use TLS.
"""

import ipaddress
import logging
import os
import signal
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import resource_tracker
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import dask
from distributed import Client, LocalCluster

from experiments.cluster.execute import IDENTITY
from stages.pipeline import files

LOST = "lost the scheduler; run the same command to resume"
SECONDS = 8  # until a scheduler counts as unreachable
# Dask lets workers return memory to the system at once, and training allocates arrays in each step.
SETTINGS: dict[str, Any] = {"distributed.nanny.pre-spawn-environ": {}}


@contextmanager
def cluster() -> Iterator[Client]:
    """Connect to the scheduler that SCHEDULER names, an address or a scheduler file; else start a local cluster.

    A local cluster has as many processes as the environment variable WORKERS says, or one per core. Raises OSError
    within ten seconds when no scheduler answers.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is reported here
    place, workers = os.environ.get("SCHEDULER"), os.environ.get("WORKERS")
    if workers and not workers.isdecimal():
        raise ValueError(f"WORKERS must be a whole number, got {workers}")
    if place:
        with connect(place) as client:
            yield client
    else:
        with local(int(workers or cores())) as ours, Client(ours) as client:
            yield client


def local(workers: int) -> LocalCluster:
    """Start processes with one thread each, for this user alone. They end with this process, however it ends."""
    resource_tracker.ensure_running()  # when it starts, it unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # workers inherit it: Ctrl-C is not for them
    try:
        with dask.config.set(SETTINGS):
            return LocalCluster(
                n_workers=workers,
                threads_per_worker=1,
                host="127.0.0.1",
                security=True,  # certificates that only this program and its workers have
                dashboard_address="127.0.0.1:0",
                scheduler_kwargs={"dashboard": False},
                silence_logs=logging.CRITICAL,
                resources={IDENTITY: 1},
            )
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def connect(place: str) -> Client:
    """Return a client of a running scheduler."""
    try:
        address = address_of(place)
        check_private(address)
        return Client(address, timeout=SECONDS)
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # TypeError, RuntimeError: TLS on one side only
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise OSError(f"SCHEDULER={place}: no scheduler answers there, {reason}") from None


def address_of(place: str) -> str:
    """Return the address that a scheduler file holds, or the address itself."""
    if "://" in place:
        return place
    if not Path(place).is_file():
        raise OSError("no such file")
    return str(files.read_json(place)["address"])


def check_private(address: str) -> bool:
    """Return True if an address is on loopback; ConnectionError if it is elsewhere and without TLS."""
    parts = urlsplit(address)
    if parts.scheme in ("inproc", "tls"):
        return False
    if ipaddress.ip_address(socket.getaddrinfo(parts.hostname, None)[0][4][0]).is_loopback:
        return True
    raise ConnectionError(f"{address} is neither on this machine nor tls://; docs/sweeps.md shows how to use TLS")


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
