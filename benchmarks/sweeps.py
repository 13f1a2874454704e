"""What sweeps cost: the speed-up by workers, the overhead per trial, memory.

    python -m benchmarks.sweeps

Takes some 20 minutes and the data that `dvc repro fetch` downloads; writes benchmarks/sweeps.md. The numbers of workers
take turns, 1 2 4 1 2 4, so that a machine that slows down slows them all.
"""

import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
from distributed import Client
from tqdm import tqdm

from benchmarks.speed import describe_machine, table
from experiments import engine, plan, results, sweep
from experiments.command import command
from experiments.engine import Engine
from experiments.plan import Plan
from experiments.remote import Done, Job
from experiments.trial import Result
from experiments.work import Work
from stages.pipeline import files

PAGE = Path("benchmarks/sweeps.md")
WORKERS, ROUNDS, TRIALS, EMPTY, QUEUED = (1, 2, 4), 3, 8, 10_000, 100_000
SCALING = f"""
about: short trainings
base: default
axes: {{train.epochs: [4], train.learning_rate: {{uniform: [0.05, 0.15]}}}}
trials: {TRIALS}
"""
MANY = f"""
about: trials that do nothing
base: default
axes: {{train.learning_rate: {{uniform: [0.01, 1.0]}}, train.dropout: {{uniform: [0.0, 0.5]}}}}
trials: {EMPTY}
"""


def main() -> None:
    """Measure all, write the page."""
    with command(), tempfile.TemporaryDirectory() as directory:
        results.SWEEPS = Path(directory)
        parts = [
            "# What sweeps cost",
            "Made by `python -m benchmarks.sweeps`; do not edit. What sweeps are: [docs/sweeps.md](../docs/sweeps.md).",
            table(["machine", ""], describe_machine("numpy", "distributed").items()),
            "## Speed-up",
            f"{TRIALS} trainings of the default recipe with 4 epochs, each worker bound to a core, without the start "
            f"of the cluster: median of {ROUNDS} rounds and their range. The efficiency is the time with one worker "
            "over n times that with n workers; n is the number of cores where that is less. The memory is that of a "
            "worker alone; arrays are mapped and shared.",
            scaling(read("scaling", SCALING)),
            "## Overhead",
            f"{EMPTY:,} trials that return at once, on {engine.cores()} workers, their rows written as they come: "
            f"{1000 * overhead(read('many', MANY)):.1f} ms per trial.",
            "## The scheduler",
            scheduler_memory(read("scaling", SCALING)),
        ]
        files.write_text(PAGE, "\n\n".join(parts) + "\n")


def read(name: str, text: str) -> Plan:
    """Return the plan of a sweep file with this text."""
    (results.SWEEPS / f"{name}.yaml").write_text(text)
    return plan.load(name)


def scaling(of: Plan) -> str:
    """Train with different numbers of workers; return a table."""
    seconds: dict[int, list[float]] = {count: [] for count in WORKERS}
    memory: dict[int, int] = {}
    trials = of.trials(of.combinations)
    for _ in range(ROUNDS):
        for count in WORKERS:
            with engine.local(count) as cluster, Client(cluster) as client:
                client.wait_for_workers(count)
                for i, worker in enumerate(client.nthreads()):
                    client.run(bind, i, workers=[worker])
                start = time.perf_counter()
                for _ in Work(client, trials, keep_models=False):
                    memory[count] = max(memory.get(count, 0), *client.run(own_memory).values())
                seconds[count].append(time.perf_counter() - start)
    rows = []
    for count, of_count in seconds.items():
        pairs = [one / (min(count, engine.cores()) * many) for one, many in zip(seconds[1], of_count, strict=True)]
        time_spread, efficiency = (
            f"{statistics.median(values):.{digits}f} ({min(values):.{digits}f} to {max(values):.{digits}f})"
            for values, digits in ((of_count, 1), (pairs, 2))
        )
        rows.append([str(count), time_spread, efficiency, f"{memory[count] / 2**20:.0f}"])
    return table(["workers", "seconds", "efficiency", "MiB per worker"], rows)


def bind(number: int) -> None:
    """Bind the worker that calls it to one core (Linux): else one alone prepares the next batch on another core."""
    free = sorted(os.sched_getaffinity(0))
    for thread in psutil.Process().threads():
        os.sched_setaffinity(thread.id, {free[number % len(free)]})


def own_memory() -> int:
    """Return the bytes of anonymous memory of the process that calls it (Linux)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["RssAnon"].split()[0])


def empty(job: Job) -> Done:
    """Return a result without having done anything."""
    return Done(Result(0.5, 0.5, None, None, 0.0, {}), "0" * 64, "")


def overhead(of: Plan) -> float:
    """Return the seconds per trial of a sweep whose trials do nothing."""
    engine.work = empty
    rung_table = sweep.Table(of)
    rung = rung_table.begin(of.combinations, None)
    with engine.cluster() as client, tqdm(total=EMPTY) as bar:
        start = time.perf_counter()
        sweep.run_trials(client, rung.missing(), rung_table, bar)
        seconds = time.perf_counter() - start
    if rung.missing():
        raise ValueError(f"{len(rung.missing())} trials have no row")
    return seconds / EMPTY


def scheduler_memory(of: Plan) -> str:
    """Return how much memory a scheduler needs for many trials that wait, as a sentence."""
    trial = of.trials(of.combinations)[0]
    with scheduler() as process, Client(os.environ["SCHEDULER"]) as client:
        before = process.memory_info().rss
        queue = Engine(client)
        for i in tqdm(range(QUEUED), unit="trial"):
            queue.submit(Job(f"{trial.key}{i}", trial.settings["train"], Path("x"), False, None, None, 1.0, False))
        while client.run_on_scheduler(known_tasks) < QUEUED:
            time.sleep(1)
        grown = process.memory_info().rss - before
    return (
        f"{QUEUED:,} trials that wait for workers: {grown / 2**20:.0f} MiB, {grown / QUEUED / 1000:.1f} kB per trial."
    )


def known_tasks(dask_scheduler: Any) -> int:
    """Return how many tasks a scheduler knows; Dask passes it under this name."""
    return len(dask_scheduler.tasks)


@contextmanager
def scheduler() -> Iterator[psutil.Process]:
    """A scheduler in a process of its own, whose file SCHEDULER names."""
    path = results.SWEEPS / "scheduler.json"
    arguments = ["--host", "127.0.0.1", "--port", "0", "--no-dashboard", "--scheduler-file", path]
    with subprocess.Popen([sys.executable, "-m", "distributed.cli.dask_scheduler", *arguments]) as process:
        while not path.exists():
            time.sleep(0.1)
        os.environ["SCHEDULER"] = files.read_json(path)["address"]
        try:
            yield psutil.Process(process.pid)
        finally:
            process.terminate()


if __name__ == "__main__":
    main()
