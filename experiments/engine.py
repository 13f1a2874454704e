"""Run trials on a Dask cluster: the cores of this machine, or one that stands elsewhere.

    SCHEDULER=tcp://HOST:8786 python -m experiments.sweep NAME

A trial is a function of its job alone, so that any worker gives the same bytes. The scheduler hands each job to a free
worker, and to another one when that worker dies. Workers write nothing but their cache; one process, the client,
writes the results.
"""

import importlib.util
import itertools
import logging
import os
import signal
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import dask
from distributed import Client, Future, LocalCluster, as_completed
from distributed.scheduler import KilledWorker
from tqdm import tqdm

from experiments import remote
from experiments.remote import Done, Identity, Job, Missing, Refusal, work
from stages.pipeline import stage

SECONDS = 8  # until a scheduler counts as unreachable
SETTINGS = {
    # With another value, a worker holds a job that waits, which is lost with it when the running one kills it.
    "distributed.scheduler.worker-saturation": 1.0,
    # Dask lets workers return memory to the system at once, and a training allocates arrays in each step.
    "distributed.nanny.pre-spawn-environ": {},
}


@dataclass(frozen=True)
class Failure:
    """Why a job has no result."""

    problem: str  # one line
    lost: bool  # it may go well the next time: its worker died, say


@contextmanager
def cluster() -> Iterator[Client]:
    """Connect to the scheduler that the environment variable SCHEDULER names, an address or a scheduler file.

    Without one, start a cluster on this machine and end it at the end: as many processes with one thread each as the
    environment variable WORKERS says, or one per core. Raises OSError, within ten seconds, when no scheduler answers.
    """
    logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters is reported here
    address, workers = os.environ.get("SCHEDULER"), os.environ.get("WORKERS")
    if workers and not workers.isdecimal():
        raise ValueError(f"WORKERS must be a whole number, got {workers}")
    with dask.config.set(SETTINGS):
        if address:
            with connect(address) as client:
                yield client
        else:
            with interrupts_held_back():
                ours = local(int(workers or cores()))
            with ours, Client(ours) as client:
                yield client


def local(workers: int) -> LocalCluster:
    """Start a cluster of processes that listens on this machine alone. They end with this process, however it ends."""
    return LocalCluster(
        n_workers=workers,
        threads_per_worker=1,
        host="127.0.0.1",
        dashboard_address="127.0.0.1:0",  # any free port
        silence_logs=logging.CRITICAL,
    )


@contextmanager
def interrupts_held_back() -> Iterator[None]:
    """Let Ctrl-C wait. A process that is started meanwhile never notices it: its parent ends it."""
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def connect(address: str) -> Client:
    """Return a client of a scheduler that stands."""
    place = {"address": address} if "://" in address else {"scheduler_file": address}
    try:
        if "scheduler_file" in place and not Path(address).is_file():  # Dask would wait for it
            raise OSError("no such file")
        return Client(**place, timeout=SECONDS)
    except (OSError, ValueError) as error:
        reason = str(error).splitlines()[0]
        raise OSError(f"SCHEDULER={address}: no scheduler answers there, {reason}") from None


def describe(client: Client) -> str:
    """Return what a user wants to know of a cluster, in one line."""
    count = threads(client)
    workers = f"{count} worker{'s' * (count != 1)}" if count else "no workers yet; trials wait for them"
    view = f", dashboard {client.dashboard_link}" if has_dashboard() else ""
    return f"{workers} at {client.scheduler.address}{view}"


def threads(client: Client) -> int:
    """Return how many trials run at a time."""
    return sum(client.nthreads().values())


def has_dashboard() -> bool:
    """Say whether the package that Dask's dashboard needs is installed."""
    return importlib.util.find_spec("bokeh") is not None


def cores() -> int:
    """Return the number of processor cores that this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


class Engine:
    """Jobs on a cluster. Iterating over it yields, as they come, lists of (key, outcome)."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.jobs: dict[str, Job] = {}  # that have no outcome yet, by key
        self.submissions = itertools.count()
        self.refused: dict[str, str] = {}  # why a worker is not used, by its address
        self.completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        for worker, identity in client.run(remote.identity, on_error="return").items():
            self.check(worker, identity)

    def check(self, worker: str, identity: Identity | BaseException) -> None:
        """Refuse a worker that has other code, or another NumPy."""
        if identity == remote.IDENTITY or worker in self.refused:
            return
        if isinstance(identity, BaseException):
            reason = f"it cannot import the project ({identity}); start it in the project's directory"
        else:
            reason = f"it has {identity}, and this program {remote.IDENTITY}; give both the same and start it again"
        self.refused[worker] = reason
        tqdm.write(f"worker {worker} is not used: {reason}", file=sys.stderr)

    def submit(self, job: Job) -> None:
        """Hand a job to the scheduler."""
        self.jobs[job.key] = job
        allowed = None
        if self.refused:
            allowed = [worker for worker in self.client.nthreads() if worker not in self.refused]
            if not allowed:
                raise OSError("no worker is left that can be used")
        key = f"trial-{job.key}-{next(self.submissions)}"  # a new one: a future that is released lives for a while
        self.completed.add(self.client.submit(work, job, key=key, pure=False, workers=allowed))

    def __iter__(self) -> Iterator[list[tuple[str, Done | Failure]]]:
        """Yield outcomes until no job is left. ConnectionError when the scheduler is lost."""
        for batch in self.completed.batches():
            outcomes = []
            for future, result in batch:
                _, key, _ = future.key.split("-")
                outcome = self.outcome(future, result)
                future.release()  # or it would run again if the worker that holds it died
                if isinstance(outcome, Missing):
                    self.deliver(outcome)
                    self.submit(self.jobs[key])
                elif isinstance(outcome, Refusal):
                    self.check(outcome.worker, outcome.identity)
                    self.submit(self.jobs[key])
                else:
                    del self.jobs[key]
                    outcomes.append((key, outcome))
            yield outcomes

    def outcome(self, future: Future, result: Any) -> Done | Missing | Refusal | Failure:
        """Return what became of a job."""
        if future.status == "finished":
            return result
        if future.status != "error":
            raise ConnectionError("the scheduler is lost; the same command resumes")
        _, error, _ = result
        if isinstance(error, KilledWorker):
            died = error.allowed_failures + 1
            return Failure(f"its worker died {died} times, perhaps because memory ran out", lost=True)
        if isinstance(error, stage.EXPECTED):
            return Failure(" ".join(stage.describe(error).splitlines()), not isinstance(error, remote.SETTLED))
        return Failure(f"{type(error).__name__}: {error}", lost=True)

    def deliver(self, missing: Missing) -> None:
        """Copy what a worker lacks to its directory, unless another worker there has received it meanwhile."""
        path, run = missing.path, partial(self.client.run, workers=[missing.worker])
        if any(run(remote.absent, path, missing.sha256).values()):
            for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                run(remote.receive, path, file.name if path.is_dir() else None, file.read_bytes())
            run(remote.complete, path)
