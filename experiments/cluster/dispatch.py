"""Run trials on the matching workers of a cluster, and yield their rows as they come.

No more trials are submitted than there are free workers: a worker that dies takes no waiting trial with it, and one
that joins later is used. Workers write nothing but their cache; one process, the client, writes the results.
"""

import itertools
import math
import sys
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from distributed import CancelledError, Client, wait
from distributed.scheduler import KilledWorker
from tqdm import tqdm

from experiments.cluster.execute import IDENTITY, Model, execute, theta_digest
from experiments.trial import RETRYABLE, Row, Trial
from stages.nn.network import from_arrays
from stages.pipeline import files, stage

MODELS = Path("experiments/models")
TICK = 1.0  # seconds, at most, between two looks at the workers
RETRIES = 2  # by Dask, of a trial with an error that another attempt may not have
PATIENCE, SLOWER = 1800.0, 10  # seconds that any trial may take, and how many times the slowest one's per epoch


def run_trials(client: Client, trials: Sequence[Trial], keep_models: bool) -> Iterator[tuple[Trial, Row, Model]]:
    """Yield each trial with its row, and its model if these are kept.

    Raises ConnectionError when the scheduler is lost.
    """
    waiting = {trial.key: trial for trial in trials}
    unfinished = {*waiting}
    running: dict[Any, tuple[Trial, float]] = {}  # with the time of its start, by future
    workers, numbers, slowest = Workers(client), itertools.count(), 0.0  # seconds per epoch
    while unfinished:
        if client.status not in ("running", "connecting"):
            raise ConnectionError("lost the scheduler; run the same command to resume")
        for trial in list(itertools.islice(waiting.values(), max(0, workers.count() - len(running)))):
            del waiting[trial.key]
            key = f"trial-{trial.key}-{next(numbers)}"  # a new one: Dask remembers a released key for a while
            options = {"key": key, "pure": False, "retries": RETRIES, "resources": {IDENTITY: 1}}
            future = client.submit(execute, trial, keep_models, IDENTITY, **options)
            running[future] = trial, time.monotonic()
        with suppress(TimeoutError, CancelledError):
            wait(list(running), timeout=TICK, return_when="FIRST_COMPLETED") if running else time.sleep(TICK)
        for future in [future for future in running if future.status != "pending"]:
            trial, _ = running.pop(future)
            if trial.key not in unfinished:  # another worker was faster
                continue
            try:
                row, model = result(trial, future)
            except CancelledError:  # the connection was cut, or the scheduler started again
                waiting[trial.key] = trial
                continue
            slowest = max(slowest, (row.seconds or 0) / trial.settings["train"]["epochs"])
            yield trial, row, model
            unfinished.discard(trial.key)
            waiting.pop(trial.key, None)
        for future, (trial, start) in running.items():
            limit = max(PATIENCE, SLOWER * slowest * trial.settings["train"]["epochs"])
            if time.monotonic() > start + limit and trial.key in unfinished:
                running[future], waiting[trial.key] = (trial, math.inf), trial
                tqdm.write(f"{trial}: no result after {limit:.0f} s; another worker gets it as well", file=sys.stderr)


def result(trial: Trial, future: Any) -> tuple[Row, Model]:
    """Return the row of a finished trial and its model; CancelledError if the result never arrived."""
    try:
        return future.result()
    except CancelledError:
        raise
    except KilledWorker as error:
        problem = f"its worker died {error.allowed_failures + 1} times, perhaps out of memory"
    except Exception as error:  # whatever a worker raises is the problem of its trial
        problem = f"{RETRYABLE}{type(error).__name__}, {stage.describe(error)}"
    return Row(trial.name, trial.seed, trial.key, problem=" ".join(problem.splitlines())), {}


class Workers:
    """The workers of a cluster that have the code of this program."""

    def __init__(self, client: Client) -> None:
        self.client, self.last, self.others, self.asked = client, -1, set[str](), 0.0

    def count(self) -> int:
        """Return how many trials they can run at a time; report changes, and workers that have different code."""
        scheduler = self.client.scheduler
        if self.client.status != "running" or scheduler is None:
            return 0
        if self.last > 0 and time.monotonic() < self.asked + TICK:
            return self.last
        self.asked = time.monotonic()
        try:  # scheduler_info() is emptied by a thread of Dask's now and then
            workers = self.client.sync(scheduler.identity, n_workers=-1)["workers"]
        except OSError:  # the connection has just been cut
            return 0
        ours = {address: each["nthreads"] for address, each in workers.items() if IDENTITY in each["resources"]}
        for address in workers.keys() - ours - self.others:
            has = ", ".join(workers[address]["resources"]) or "none of ours; start it with `make worker`"
            tqdm.write(f"worker {address} is not used: it has {has}; this program has {IDENTITY}", file=sys.stderr)
            self.others.add(address)
        if (count := sum(ours.values())) != self.last:
            waits = "" if count else "; trials wait for one"
            tqdm.write(f"{count or 'no'} worker{'s' * (count != 1)}{waits}")
        self.last = count
        return count


def model_path(trial: Trial) -> Path:
    """Return the place of the trial's model file."""
    return MODELS / f"{trial.key}.npz"


def has_model(trial: Trial, row: Row | None) -> bool:
    """Return True if the model file of a trial is there and undamaged: its parameters have the digest of the row."""
    with suppress(OSError, ValueError):
        return row is not None and theta_digest(from_arrays(files.read_arrays(model_path(trial)))) == row.model
    return False
