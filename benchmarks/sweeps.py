"""What sweeps cost: the speed-up by workers, the overhead per trial, memory.

    python -m benchmarks.sweeps

Takes some minutes and the data that `dvc repro fetch` downloads; writes benchmarks/sweeps.md. The numbers of workers
take turns, 1 2 4 1 2 4, so that a machine that slows down slows them all.
"""

import os
import statistics
import tempfile
import time
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import psutil
from distributed import Client

from benchmarks.speed import describe_machine
from experiments.cluster import connect, dispatch
from experiments.command import command
from experiments.pages import table
from experiments.recipes import resolve
from experiments.table import Table
from experiments.trial import Row, Trial
from stages.pipeline import files

PAGE = Path("benchmarks/sweeps.md")
WORKERS, ROUNDS, TRIALS, EMPTY = (1, 2, 4), 3, 8, 10_000


def main() -> None:
    """Measure both, write the page."""
    with command():
        (first, *_) = resolve.load(["default"])[1]
        short = resolve.merge(first.settings, {"train": {"epochs": 4}})
        trials = [resolve.with_seed(replace(first, settings=short, tested=False), seed) for seed in range(EMPTY)]
        parts = [
            "# What sweeps cost",
            "Made by `python -m benchmarks.sweeps`; do not edit. What sweeps are: [docs/sweeps.md](../docs/sweeps.md).",
            table(["machine", ""], describe_machine("numpy", "distributed").items()),
            f"{TRIALS} runs of the default recipe with 4 epochs, each worker bound to a core, without the start of the "
            f"cluster: median of {ROUNDS} rounds and their range. The efficiency is the time with one worker over n "
            "times that with n workers; n is the number of cores where that is less. The memory is that of a worker "
            "alone; arrays are mapped and shared.",
            scaling(trials[:TRIALS]),
            f"{EMPTY:,} trials that return at once, on {connect.cores()} workers, their rows written as they come: "
            f"{1000 * overhead(trials):.1f} ms per trial.",
        ]
        files.write_text(PAGE, "\n\n".join(parts) + "\n")


def scaling(trials: list[Trial]) -> str:
    """Train with different numbers of workers; return a table."""
    seconds: dict[int, list[float]] = {count: [] for count in WORKERS}
    memory = dict.fromkeys(WORKERS, 0)
    for _ in range(ROUNDS):
        for count in WORKERS:
            with connect.local(count) as cluster, Client(cluster) as client:
                for i, worker in enumerate(client.nthreads()):
                    client.run(bind, i, workers=[worker])
                start = time.perf_counter()
                for _ in dispatch.run_trials(client, trials, ()):
                    memory[count] = max(memory[count], *client.run(own_memory).values())
                seconds[count].append(time.perf_counter() - start)
    rows = []
    for count, of_count in seconds.items():
        pairs = [one / (min(count, connect.cores()) * many) for one, many in zip(seconds[1], of_count, strict=True)]
        spreads = [f"{statistics.median(each):.2f} ({min(each):.2f} to {max(each):.2f})" for each in (of_count, pairs)]
        rows.append([count, *spreads, f"{memory[count] / 2**20:.0f}"])
    return table(["workers", "seconds", "efficiency", "MiB per worker"], rows)


def bind(number: int) -> None:
    """Bind the worker that calls it to one core (Linux): else one alone prepares the next batch on another core."""
    free = sorted(os.sched_getaffinity(0))
    for thread in psutil.Process().threads():
        os.sched_setaffinity(thread.id, {free[number % len(free)]})


def own_memory() -> int:
    """Return the bytes of memory of the process that calls it that it shares with no other (Linux)."""
    return int(psutil.Process().memory_full_info().uss)


def empty(trial: Trial, *_: Any) -> tuple[Row, dict[str, Any]]:
    """Return a row without having done anything."""
    return Row(trial.name, trial.seed, trial.key, 0.5, 0.5, seconds=0.0), {}


def overhead(trials: list[Trial]) -> float:
    """Return the seconds per trial of trials that do nothing, with the start of the cluster."""
    dispatch.run_trials = partial(dispatch.run_trials, run=empty)
    with tempfile.TemporaryDirectory() as directory:
        of_nothing = Table(Path(directory) / "many.csv")
        of_nothing.listed = trials
        start = time.perf_counter()
        of_nothing.run(trials)
    return (time.perf_counter() - start) / len(trials)


if __name__ == "__main__":
    main()
