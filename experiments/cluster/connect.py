"""Connect to a Dask cluster: the cores of this machine, or a scheduler that the environment variable SCHEDULER names.

A scheduler and its workers run whatever code they are sent. So they listen on loopback alone, or they use TLS.
"""

import ipaddress
import logging
import os
import signal
import socket
import sys
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from multiprocessing import resource_tracker
from threading import Thread
from typing import Any
from urllib.parse import urlsplit

try:
    import dask
except ValueError as error:  # of a file in ~/.config/dask
    sys.exit(str(error).splitlines()[0])
from dask.system import CPU_COUNT
from distributed import Client, LocalCluster

from experiments.cluster.execute import IDENTITY

SECONDS, RECONNECT = 8, 90  # until a scheduler counts as unreachable: at the start, and when it was lost
# Dask lets workers return memory to the system at once, and training allocates arrays in each step.
SETTINGS: dict[str, Any] = {
    "distributed.nanny.pre-spawn-environ": {},
}


@contextmanager
def cluster() -> Iterator[Client]:
    """Connect to the scheduler at the address SCHEDULER; else start a local cluster.

    A local cluster has as many processes as the environment variable WORKERS says, or one per core. Raises OSError
    within ten seconds when no scheduler answers.
    """
    for name in ("distributed", "distributed.client"):
        logging.getLogger(name).setLevel(logging.CRITICAL)  # what matters is reported here
    dask.config.set(SETTINGS)
    address, workers = os.environ.get("SCHEDULER"), os.environ.get("WORKERS")
    if workers and not workers.isdecimal():
        raise ValueError(f"WORKERS must be a whole number, got {workers}")
    if address:
        with connect(address) as client:
            client._timeout = RECONNECT  # Dask has one timeout for both
            yield client
    else:
        with local(int(workers or CPU_COUNT)) as ours, Client(ours) as client:
            yield client


def local(workers: int) -> LocalCluster:
    """Start processes with one thread each, for this user alone. They end with this process, however it ends."""
    dask.config.set(SETTINGS)
    resource_tracker.ensure_running()  # when it starts, it unblocks Ctrl-C
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})  # workers inherit it: Ctrl-C is not for them
    try:
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


def connect(address: str) -> Client:
    """Return a client of a running scheduler."""
    try:
        check_private(address if "://" in address else f"tcp://{address}")
        Thread(target=attempt, args=[address, answer := Future[Client]()], daemon=True).start()
        return answer.result(SECONDS + 1)
    except Exception as error:  # Dask raises errors of any type on what another server sends
        reason = (str(error) or type(error).__name__).splitlines()[0]
        reason = "a different kind of server" if isinstance(error, MemoryError) else reason
        raise OSError(f"SCHEDULER={address}: no scheduler answers there, {reason}") from None


def attempt(address: str, answer: "Future[Client]") -> None:
    """Connect, in a thread that can be given up: Dask waits for ever for a server that is silent."""
    try:
        answer.set_result(Client(address, timeout=SECONDS))
    except Exception as error:
        answer.set_exception(error)


def check_private(address: str) -> bool:
    """Return True if an address is on loopback; ConnectionError if it is elsewhere and without TLS."""
    parts = urlsplit(address)
    if parts.scheme in ("inproc", "tls"):
        return False
    if parts.hostname and ipaddress.ip_address(socket.getaddrinfo(parts.hostname, None)[0][4][0]).is_loopback:
        return True
    raise ConnectionError(
        f"{address or 'SCHEDULER'} is neither on this machine nor tls://; docs/sweeps.md shows how to use TLS"
    )
