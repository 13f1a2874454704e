"""How fast the network trains, beside other libraries and beside the matrix products alone.

    python -m benchmarks.speed            measure (at most 20 minutes on two cores), then report
    python -m benchmarks.speed report     write the report from the recorded measurements

A contender has one process per number of threads. It is bound to as many processors before it starts, because JAX
takes its number of threads from that alone. The contenders take turns in a random order, so that a machine that slows
down slows them all, and are compared round by round.
"""

import json
import os
import platform
import random
import sys
from concurrent.futures import ProcessPoolExecutor
from importlib.metadata import version
from multiprocessing import get_context
from pathlib import Path
from statistics import median
from typing import Any

from matplotlib.figure import Figure
from threadpoolctl import threadpool_info
from tqdm import tqdm

from benchmarks import job
from benchmarks.contenders import CONTENDERS, OURS, PRODUCTS
from experiments.pages import table
from stages.pipeline import files, stage
from stages.report import style

RECORD = Path(__file__).with_suffix(".json")
THREADS = {"one thread": 1, "two threads": 2}
PEERS, TRAINED = list(CONTENDERS)[1:], list(CONTENDERS)[:-1]
HEAD = """# Speed

Made by `make bench`; do not edit. {machine}.

An epoch of 55,000 images: 784 pixels or their 136 lowest waves, 128 hidden neurons, 10 classes, float32, Nesterov
momentum, weight decay, one-cycle schedule, data in memory. The fastest of {job.EPOCHS} epochs per round counts. Ours is
the median of {job.ROUNDS} rounds; the others are their time over ours, median and range: **above 1, ours is faster**.
Ours classifies in float64. Preparing is as in params.yaml.
"""

Runs = dict[str, list[float]]  # seconds per round by contender


def bench() -> None:
    """Measure, unless the command line says `report`, and report."""
    if sys.argv[1:] != ["report"]:
        files.write_json(RECORD, measure())
    record = json.loads(RECORD.read_text())
    page = report(record)
    files.write_text(RECORD.with_suffix(".md"), page)
    style.save(picture(record), RECORD.with_suffix(".png"), 130)
    print(page)


def measure() -> dict[str, Any]:
    """Return the seconds of all rounds by threads, case and contender, and the accuracy of each contender."""
    cores = sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else []
    if len(cores) < 2:
        raise ValueError("needs Linux, which can bind a process to processors, and two of them")
    record: dict[str, Any] = {"machine": describe_machine(), "seconds": {}, "accuracy": {}}
    rng = random.Random(0)
    for title, threads in THREADS.items():
        seconds: dict[str, Runs] = {}
        os.sched_setaffinity(0, cores[:threads])  # processes inherit it
        pools = {name: ProcessPoolExecutor(1, get_context("spawn")) for name in CONTENDERS}
        for number in tqdm(range(job.ROUNDS), desc=title, unit="round"):
            for case, call in job.CASES.items():
                racers = [OURS] if case == job.PREPARE else list(CONTENDERS)
                runs = seconds.setdefault(case, {name: [] for name in racers})
                for name in rng.sample(racers, len(racers)):
                    runs[name].append(pools[name].submit(call, name, number).result())
        record["seconds"][title] = seconds
        for case, of in job.JOBS.items():
            record["accuracy"][case] = {name: pools[name].submit(job.accuracy, *of, name).result() for name in TRAINED}
        for pool in pools.values():
            pool.shutdown()
    return record


def describe_machine() -> str:
    """Return processor, kernel of the matrix products of NumPy, and versions."""
    info = Path("/proc/cpuinfo").read_text().splitlines()
    processor = next((line.split(": ")[1] for line in info if line.startswith("model name")), platform.machine())
    blas = next(library for library in threadpool_info() if library["user_api"] == "blas")
    kernel = f"{blas['internal_api']} {blas['version']}, kernel {blas.get('architecture')}"
    return "; ".join([processor, kernel, *(f"{name} {version(name)}" for name in ("numpy", "torch", "jax"))])


def report(record: dict[str, Any]) -> str:
    """Return the page: a table per number of threads, and the accuracy."""
    parts = [HEAD.format(machine=record["machine"], job=job), "![Seconds per epoch by batch size](speed.png)\n"]
    for title, cases in record["seconds"].items():
        rows = [[case, clock(median(r[OURS])), *(spread(ratios(r, n)) for n in PEERS)] for case, r in cases.items()]
        parts += [f"## Time with {title}\n", table(["", *CONTENDERS], rows)]
    rows = [[case, *(f"{100 * value:.2f}" for value in of.values())] for case, of in record["accuracy"].items()]
    return "\n".join([*parts, "## Validation accuracy at the end, percent\n", table(["", *TRAINED], rows)])


def ratios(runs: Runs, name: str) -> list[float]:
    """Return the time of a contender over ours, round by round; empty if it has none."""
    return [other / own for other, own in zip(runs[name], runs[OURS], strict=True)] if name in runs else []


def spread(values: list[float]) -> str:
    """Return the median and the range."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})" if values else ""


def clock(seconds: float) -> str:
    """Return a time with three digits and its unit."""
    factor, unit = next((f, u) for f, u in ((1, "s"), (1e3, "ms"), (1e6, "µs")) if f * seconds >= 0.1)
    return f"{factor * seconds:#.3g} {unit}"


@style.styled
def picture(record: dict[str, Any]) -> Figure:
    """Seconds per epoch over the batch size, with one thread, a panel for each kind of inputs."""
    figure = Figure(figsize=(9, 3.8))
    panels = figure.subplots(1, len(job.INPUTS))
    colors = dict(zip(CONTENDERS, (style.BLUE, style.RED, style.ORANGE, "#CC79A7", style.GRAY), strict=True))
    for axes, inputs in zip(panels, job.INPUTS, strict=True):
        cases = [record["seconds"]["one thread"][case] for case, of in job.JOBS.items() if of[0] == inputs]
        for name, color in colors.items():
            seconds = [median(runs[name]) for runs in cases]
            axes.plot(range(len(cases)), seconds, "--" if name == PRODUCTS else "o-", color=color, label=name)
        axes.set_xticks(range(len(cases)), [f"{n:,}" for n in job.BATCH_SIZES])
        axes.set(xlabel="batch size", title=f"{inputs}: seconds per epoch", ylim=(0, None))
    panels[0].legend(frameon=False)
    figure.suptitle("One epoch of 55,000 digits with one thread", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    stage.run(bench)
