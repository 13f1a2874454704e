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

import dask
from distributed import Client, LocalCluster, as_completed
from distributed.comm import CommClosedError
from distributed.scheduler import KilledWorker
from tqdm import tqdm

from experiments import remote
from experiments.remote import Done, Failed, Identity, Job, Missing, Refusal, work
from stages.pipeline import stage

LOST = "the scheduler is lost; the same command resumes"
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
    lost: bool  # no fault of the job: the next time it may go well


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
    try:
        if address:
            with connect(address) as client:
                yield client
        else:
            with local(int(workers or cores())) as ours, Client(ours) as client:
                yield client
    except CommClosedError:
        raise ConnectionError(LOST) from None


def local(workers: int) -> LocalCluster:
    """Start a cluster of processes that listens on this machine alone. They end with this process, however it ends."""
    with dask.config.set(SETTINGS), interrupts_held_back():
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
    except (OSError, ValueError, TypeError, RuntimeError) as error:  # TypeError, RuntimeError: TLS on one side only
        reason = f"{str(error) or type(error).__name__}".splitlines()[0]
        raise OSError(f"SCHEDULER={address}: no scheduler answers there, {reason}") from None


def describe(client: Client) -> str:
    """Return what a user wants to know of a cluster, in one line."""
    count = threads(client)
    workers = f"{count} worker{'s' * (count != 1)}" if count else "no workers yet; trials wait for them"
    view = f", dashboard {client.dashboard_link}" if has_dashboard() else ""
    return f"{workers} at {client.scheduler.address}{view}"


def threads(client: Client) -> int:
    """Return how many trials run at a time."""
    try:
        return sum(client.nthreads().values())
    except OSError:
        raise ConnectionError(LOST) from None


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
        self.completed = as_completed(loop=client.loop, with_results=True, raise_errors=False)
        if self.check_workers() and not client.nthreads():
            raise OSError("no worker is left that can be used")

    def check_workers(self) -> bool:
        """Shut down the workers that cannot give the same results; say whether there were any."""
        found = self.client.run(remote.identity, on_error="return")
        others = {worker: identity for worker, identity in found.items() if identity != remote.IDENTITY}
        for worker, identity in others.items():
            self.refuse(worker, identity)
        return bool(others)

    def refuse(self, worker: str, identity: Identity | BaseException) -> None:
        """Shut down a worker that has other code or another NumPy, or cannot work, and say why."""
        if isinstance(identity, Identity):
            reason = f"it has {identity}, and this program {remote.IDENTITY}; give both the same and start it again"
        else:
            error = f"{type(identity).__name__}: {identity}".splitlines()[0]
            reason = f"it failed ({error}); start it in the project's directory, with its environment and disk space"
        tqdm.write(f"worker {worker} is shut down: {reason}", file=sys.stderr)
        self.client.retire_workers([worker])

    def submit(self, job: Job) -> None:
        """Hand a job to the scheduler."""
        self.jobs[job.key] = job
        key = f"trial-{job.key}-{next(self.submissions)}"  # a new one: a future that is released lives for a while
        self.completed.add(self.client.submit(work, job, key=key, pure=False))

    def __iter__(self) -> Iterator[list[tuple[str, Done | Failure]]]:
        """Yield outcomes until no job is left. ConnectionError when the scheduler is lost."""
        for batch in self.completed.batches():
            outcomes, again, lost = [], [], False
            for future, result in batch:
                _, key, _ = future.key.split("-")
                if future.status == "finished":
                    outcome = Failure(result.problem, lost=False) if isinstance(result, Failed) else result
                elif future.status == "error":
                    outcome = failure(result[1])
                else:
                    lost = True
                    continue
                future.release()  # or it would run again if the worker that holds it died
                if isinstance(outcome, (Done, Failure)):
                    outcomes.append((key, outcome))
                else:
                    again.append((key, outcome))
            for key, _ in outcomes:
                del self.jobs[key]
            if outcomes:
                yield outcomes
            if lost:
                raise ConnectionError(LOST)
            for key, outcome in again:
                if isinstance(outcome, Missing):
                    self.deliver(outcome)
                elif isinstance(outcome, Refusal):
                    self.refuse(outcome.worker, outcome.identity)
                elif not self.check_workers():  # no worker is to blame for an import that failed
                    raise outcome
                self.submit(self.jobs[key])

    def deliver(self, missing: Missing) -> None:
        """Copy what a worker lacks to its directory, unless another worker there has received it meanwhile."""
        path, run = missing.path, partial(self.client.run, workers=[missing.worker])
        try:
            if any(run(remote.absent, path, missing.sha256).values()):
                for file in sorted(path.iterdir()) if path.is_dir() else [path]:
                    run(remote.receive, path, file.name if path.is_dir() else None, file.read_bytes())
                run(remote.complete, path)
        except OSError as error:  # its disk is full, say, or it has just died
            self.refuse(missing.worker, error)


def failure(error: BaseException) -> Failure | ImportError | AttributeError:
    """Return why a job has failed; the error itself where its worker could not import the project."""
    if isinstance(error, (ImportError, AttributeError)):
        return error
    if isinstance(error, KilledWorker):
        return Failure(f"its worker died {error.allowed_failures + 1} times, perhaps out of memory", lost=False)
    problem = stage.describe(error) if isinstance(error, stage.EXPECTED) else f"{type(error).__name__}: {error}"
    return Failure(" ".join(problem.splitlines()), lost=not isinstance(error, MemoryError))
