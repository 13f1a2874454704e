"""How fast the network trains, beside other libraries and beside the matrix products alone.

    python -m benchmarks.speed            measure (about an hour on two cores), then report
    python -m benchmarks.speed report     write the report from the recorded measurements

Every measurement runs in a process of its own, bound to as many processors as it may use threads. The contenders take
turns, A B C A B C, so that a machine that slows down slows them all, and are compared round by round. The first epoch
of each process is a warm-up (PyTorch and JAX compile in it) and does not count.
"""

import json
import platform
import re
import statistics
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure
from matplotlib.ticker import NullFormatter
from threadpoolctl import threadpool_info
from tqdm import tqdm

from benchmarks.contenders import CONTENDERS
from stages.pipeline import files
from stages.report import figures

HERE = Path(__file__).parent
PAGE, RECORDS = HERE / "speed.md", HERE / "speed"  # a record and a figure per kind of machine
BATCH_SIZES, THREADS, ROUNDS = (32, 64, 128, 256, 512, 1024), (1, 2), 5
OURS, FLOOR = "ours", "matrix products alone"
PEERS = ["PyTorch eager", "PyTorch compiled", "scikit-learn", "JAX jit"]
VARIANTS = [name for name in CONTENDERS if name not in (OURS, FLOOR, *PEERS)]
VARIED = 128  # the batch size at which the variants are measured
# How many epochs of the quick recipe bring each of ten seeds to an accuracy on the validation images: on pixels, and
# on 136 frequencies.
QUICK = {"peak": 0.15, "weight_decay": 1e-4, "label_smoothing": 0.05}
GOALS = {0.975: (1, 1), 0.985: (5, 6)}
RACERS, FEW = [OURS, "PyTorch eager", "JAX jit"], ", 136 frequencies"
SEEDS = range(10)
ROWS, WIDTHS = (1, 4, 16), (32, 128, 512, 2048)

Measurement = dict[str, Any]


def main() -> None:
    """Measure and report, or only report."""
    if sys.argv[1:] != ["report"]:
        measure()
    report()


def plan() -> Iterator[Measurement]:
    """Yield the measurements to be made, in order."""
    for turn in range(ROUNDS):
        for batch_size in BATCH_SIZES:
            for threads in THREADS:
                for name in [OURS, *PEERS, FLOOR, *(VARIANTS if batch_size == VARIED else [])]:
                    job = {"batch_size": batch_size, "threads": threads, "epochs": 3, "seed": turn}
                    yield {"kind": "train", "contender": name, **job}
        for threads in THREADS:
            for name in [OURS, *PEERS]:
                yield {"kind": "infer", "contender": name, "threads": threads, "epochs": 1, "seed": turn}
        for rows in ROWS:
            yield {"kind": "grow", "contender": OURS, "rows": rows, "epochs": 2, "seed": turn}
        for width in WIDTHS:
            yield {"kind": "grow", "contender": OURS, "width": width, "epochs": 2, "seed": turn}
    for seed in SEEDS:
        for goal, (on_pixels, on_frequencies) in GOALS.items():
            for threads in THREADS:
                for name in RACERS:
                    job = {"threads": threads, "seed": seed, "goal": goal, **QUICK}
                    yield {"kind": "train", "contender": name, "epochs": on_pixels, **job}
                    yield {"kind": "train", "contender": name + FEW, "epochs": on_frequencies, **job}
        for arithmetic in ("fast", "exact"):
            yield {"kind": "learn", "contender": arithmetic, "threads": 2, "seed": seed}


def measure() -> None:
    """Carry out the plan; write the record after each measurement, so that an interrupted run loses only the last."""
    measurements: list[Measurement] = []
    machine = describe_machine("numpy", "torch", "scikit-learn", "jax")
    path = RECORDS / f"{'-'.join(re.findall('[a-z0-9]+', machine['processor'].lower()))}.json"
    for task in tqdm(list(plan()), unit="job"):
        options = {key: value for key, value in task.items() if key not in ("kind", "contender", "goal")}
        flags = [part for key, value in options.items() for part in (f"--{key.replace('_', '-')}", str(value))]
        command = [sys.executable, "-m", "benchmarks.job", task["kind"], task["contender"], *flags]
        result = subprocess.run(command, capture_output=True, text=True, check=False)
        if result.returncode:
            raise SystemExit(f"{' '.join(command[2:])} failed:\n{result.stderr}")
        measurements.append({**task, **json.loads(result.stdout.splitlines()[-1])})
        lines = ",\n".join(json.dumps(measurement) for measurement in measurements)
        files.write_text(path, f'{{"machine": {json.dumps(machine, indent=1)},\n"measurements": [\n{lines}\n]}}\n')


def describe_machine(*packages: str) -> dict[str, str]:
    """Return processor, BLAS and versions."""
    cpuinfo = Path("/proc/cpuinfo")
    models = [line for line in cpuinfo.read_text().splitlines() if "model name" in line] if cpuinfo.exists() else []
    blas = next(info for info in threadpool_info() if info["user_api"] == "blas")
    return {
        "processor": f"{len(models)} x {models[0].split(': ')[1]}" if models else platform.processor(),
        "BLAS of NumPy": f"{blas['internal_api']} {blas['version']}, kernel {blas.get('architecture')}",
        "Python": platform.python_version(),
        **{name: version(name) for name in packages},
    }


def report() -> None:
    """Write the page and the figures from the records."""
    parts = [
        "# Speed",
        "Made by `make bench`; do not edit. A machine with another processor adds a chapter.",
        "The same job for all: 784-128-10, float32, Nesterov momentum, one-cycle schedule, data in memory, a new "
        "permutation per epoch. Each process is bound to as many processors as it may use threads; contenders take "
        "turns; numbers are medians, with the range over the rounds in parentheses.",
    ]
    for path in sorted(RECORDS.glob("*.json")):
        parts += chapter(json.loads(path.read_text()), path.stem)
    files.write_text(PAGE, "\n\n".join(parts) + "\n")


def chapter(record: dict[str, Any], name: str) -> list[str]:
    """Return what one machine has measured; draw its figure."""
    data = record["measurements"]
    figures.save(picture(data), RECORDS / f"{name}.png", 130)
    return [
        f"## {record['machine']['processor']}",
        table(["machine", ""], record["machine"].items()),
        f"![Seconds per epoch]({RECORDS.name}/{name}.png)",
        f"### Seconds per epoch, and the ratio to ours (above 1: ours is faster); {len(epoch_runs(data))} processes",
        *(speed_table(data, threads) for threads in THREADS),
        f"### Exact arithmetic and low frequencies, batch size {VARIED}",
        "*exact*: arithmetic with the same bits on every machine, float64 products of rounded operands. *136 "
        "frequencies*: the lowest frequencies of the images instead of their 784 pixels, for every contender from the "
        "same transform, which is not timed.",
        variant_table(data),
        "### Accuracy: the same job?",
        "Test accuracy after three epochs, mean ± standard deviation over the rounds, one thread.",
        accuracy_table(data),
        "### Seconds of training to an accuracy on the test images",
        f"The quick recipe ({', '.join(f'{k} {v}' for k, v in QUICK.items())}) with as many epochs as bring each of "
        f"{len(SEEDS)} seeds to the goal on the validation images. Setup and compiling do not count. Seconds are "
        "medians over the seeds; then, how many seeds reached the goal on the test images; then the ratio of the "
        "medians to that of ours on 136 frequencies.",
        goal_table(data),
        "### The default recipe",
        f"All that the stage `train` computes, warps included, on two cores; {len(SEEDS)} seeds.",
        default_table(data),
        "### Inference",
        inference_table(data),
        "### How the cost grows",
        "One thread, batch size 128. The training set is repeated on disk and memory-mapped; memory is what the "
        "process allocates: mapped files do not count.",
        growth_table(data, "rows", ROWS),
        growth_table(data, "width", WIDTHS),
    ]


def epoch_runs(data: list[Measurement]) -> list[Measurement]:
    """Return the measurements of the seconds per epoch."""
    return [m for m in data if m["kind"] == "train" and "goal" not in m]


def epoch_seconds(data: list[Measurement], name: str, batch_size: int, threads: int) -> list[float]:
    """Return the median seconds per epoch of each round, without the warm-up."""
    chosen = [
        m for m in epoch_runs(data) if (m["contender"], m["batch_size"], m["threads"]) == (name, batch_size, threads)
    ]
    return [statistics.median(m["seconds"][1:]) for m in chosen]


def ratios(a: list[float], b: list[float]) -> str:
    """Return the median of a / b, round by round, with its range."""
    pairs = [x / y for x, y in zip(a, b, strict=True)]
    return f"{statistics.median(pairs):.2f} ({min(pairs):.2f} to {max(pairs):.2f})"


def speed_table(data: list[Measurement], threads: int) -> str:
    """Seconds of all contenders, then ratios."""
    rows = []
    for batch_size in BATCH_SIZES:
        own = epoch_seconds(data, OURS, batch_size, threads)
        row = [str(batch_size), f"**{statistics.median(own):.3f}**"]
        for name in PEERS:
            other = epoch_seconds(data, name, batch_size, threads)
            row.append(f"{statistics.median(other):.3f}: {ratios(other, own)}")
        least = epoch_seconds(data, FLOOR, batch_size, threads)
        row.append(f"{statistics.median(least):.3f}: {ratios(least, own)}")
        rows.append(row)
    head = [f"batch size, {threads} thread{'s' * (threads > 1)}", OURS, *(f"{name}: ratio" for name in PEERS)]
    return table([*head, f"{FLOOR}: fraction of ours"], rows)


def variant_table(data: list[Measurement]) -> str:
    """Seconds per epoch of ours and of the variants, and their ratios to ours."""
    rows = []
    for name in [OURS, *VARIANTS]:
        row = [name]
        for threads in THREADS:
            own, seconds = (epoch_seconds(data, who, VARIED, threads) for who in (OURS, name))
            row += [f"{statistics.median(seconds):.3f}", ratios(seconds, own)]
        rows.append(row)
    return table(["", "1 thread", "ratio to ours", "2 threads", "ratio to ours"], rows)


def accuracy_table(data: list[Measurement]) -> str:
    """Accuracy of each contender at each batch size."""
    rows = []
    for batch_size in BATCH_SIZES:
        row = [str(batch_size)]
        for name in [OURS, *PEERS]:
            last = [
                100 * m["accuracy"][-1]
                for m in epoch_runs(data)
                if (m["contender"], m["batch_size"], m["threads"]) == (name, batch_size, 1)
            ]
            row.append(f"{statistics.mean(last):.2f} ± {statistics.stdev(last):.2f}")
        rows.append(row)
    return table(["batch size", OURS, *PEERS], rows)


def goal_runs(data: list[Measurement], goal: float, name: str, threads: int) -> list[Measurement]:
    """Return the measurements of a contender's way to a goal."""
    return [m for m in data if (m.get("goal"), m["contender"], m.get("threads")) == (goal, name, threads)]


def goal_seconds(runs: list[Measurement]) -> float:
    """Return the seconds of training, all epochs, as a median over the seeds."""
    return statistics.median(sum(m["seconds"]) for m in runs)


def goal_table(data: list[Measurement]) -> str:
    """Seconds to each goal, how many seeds reached it, and the ratio to ours."""
    rows = []
    for goal, epochs in GOALS.items():
        for name, count in [(name + kind, n) for kind, n in zip(("", FEW), epochs, strict=True) for name in RACERS]:
            row = [f"{100 * goal:.1f} %", name, str(count)]
            for threads in THREADS:
                runs, own = (goal_runs(data, goal, who, threads) for who in (name, OURS + FEW))
                seconds, reached = goal_seconds(runs), sum(m["accuracy"][-1] >= goal for m in runs)
                row.append(f"{seconds:.2f} s, {reached} of {len(runs)}, {seconds / goal_seconds(own):.1f}")
            rows.append(row)
    return table(["goal", "", "epochs", "1 thread", "2 threads"], rows)


def default_table(data: list[Measurement]) -> str:
    """Seconds and accuracy of the default recipe."""
    rows = []
    for arithmetic in ("exact", "fast"):
        runs = [m for m in data if (m["kind"], m["contender"]) == ("learn", arithmetic)]
        seconds, accuracy = ([m[key][-1] for m in runs] for key in ("seconds", "accuracy"))
        percent = f"{100 * statistics.mean(accuracy):.2f} ± {100 * statistics.stdev(accuracy):.2f}"
        reached = sum(value >= 0.99 for value in accuracy)
        spread = f"{statistics.median(seconds):.1f} ({min(seconds):.1f} to {max(seconds):.1f})"
        rows.append([arithmetic, spread, percent, f"{reached} of {len(runs)}"])
    return table(["arithmetic", "seconds", "test accuracy, %", "seeds with 99.0 % or more"], rows)


def inference_table(data: list[Measurement]) -> str:
    """Time to classify many images, and one."""
    rows = []
    for threads in THREADS:
        for key, unit, factor in (
            ("seconds_10000", "ms for 10,000 images", 1e3),
            ("seconds_1", "µs for one image", 1e6),
        ):
            row = [unit, str(threads)]
            for name in [OURS, *PEERS]:
                chosen = ("infer", name, threads)
                runs = [m[key] for m in data if (m["kind"], m["contender"], m.get("threads")) == chosen]
                row.append(f"{factor * statistics.median(runs):.3g}")
            rows.append(row)
    return table(["", "threads", OURS, *PEERS], rows)


def growth_table(data: list[Measurement], what: str, sizes: Iterable[int]) -> str:
    """Seconds per epoch and memory at each size."""
    rows = []
    for size in sizes:
        runs = [m for m in data if m["kind"] == "grow" and m.get(what) == size]
        seconds = statistics.median(m["seconds"][-1] for m in runs)
        memory = statistics.median(m["own_bytes"] for m in runs)
        rows.append([str(size), f"{seconds:.3f}", f"{memory / 2**20:.0f}"])
    head = {"rows": "size of the training set, times 55,000", "width": "hidden neurons"}[what]
    return table([head, "seconds per epoch", "MiB"], rows)


def table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("| " + " | ".join(map(str, line)) + " |" for line in lines)


@figures.styled
def picture(data: list[Measurement]) -> Figure:
    """Seconds per epoch over the batch size, one panel per number of threads."""
    colors = dict(zip([OURS, *PEERS], (figures.BLUE, figures.RED, figures.ORANGE, "#009E73", "#CC79A7"), strict=True))
    figure = Figure(figsize=(10, 4.4))
    panels = figure.subplots(1, len(THREADS), sharey=True)
    for axes, threads in zip(panels, THREADS, strict=True):
        for name in [*reversed(PEERS), OURS, FLOOR]:
            seconds = [statistics.median(epoch_seconds(data, name, size, threads)) for size in BATCH_SIZES]
            if name == FLOOR:
                axes.fill_between(BATCH_SIZES, 0, seconds, color=figures.GRAY, alpha=0.18, linewidth=0, label=name)
            else:
                width = 2.6 if name == OURS else 1.4
                axes.plot(BATCH_SIZES, seconds, "o-", color=colors[name], linewidth=width, markersize=4, label=name)
        axes.set_xscale("log", base=2)
        axes.set_xticks(BATCH_SIZES, BATCH_SIZES)
        axes.xaxis.set_minor_formatter(NullFormatter())
        axes.set_title(f"{threads} thread{'s' * (threads > 1)}: seconds per epoch")
        axes.set_xlabel("batch size")
        axes.grid(axis="y", color=figures.GRAY, alpha=0.25, linewidth=0.6)
    panels[0].set_ylim(bottom=0)  # of both
    panels[0].legend(frameon=False, fontsize=9)
    figure.suptitle("One epoch of 55,000 digits, 784-128-10", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    main()
