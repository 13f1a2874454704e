"""One measurement in a process of its own, its result as a line of JSON.

    python -m benchmarks.job train "PyTorch eager" --batch-size 128 --threads 2 --epochs 4
    python -m benchmarks.job infer ours --threads 1
    python -m benchmarks.job grow ours --rows 16
    python -m benchmarks.job learn exact --threads 2 --seed 3

The process is bound to as many processors as it may use threads.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks.contenders import CONTENDERS, Job
from experiments.cluster import cache, execute
from experiments.trial import Trial
from stages.pipeline import kernels, params
from stages.train import train

PROCESSED = Path("data/processed")


def main() -> None:
    """Make the measurement that the command line asks for."""
    kernels.use_widest()
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("kind", choices=["train", "infer", "grow", "learn"])
    parser.add_argument("contender", help="of contenders.py; for `learn`, an arithmetic: exact or fast")
    parser.add_argument("--rows", type=int, default=1, help="how many times the training set is repeated, on disk")
    for field in fields(Job):
        parser.add_argument(f"--{field.name.replace('_', '-')}", type=type(field.default), default=field.default)
    options = vars(parser.parse_args())
    kind, contender, rows = (options.pop(name) for name in ("kind", "contender", "rows"))
    job = Job(**options)
    bind(job.threads)
    with threadpool_limits(job.threads, user_api="blas"):
        if kind == "train":
            result = measure_epochs(contender, job)
        elif kind == "infer":
            result = infer(contender, job)
        elif kind == "grow":
            result = grow(contender, job, rows)
        else:
            result = learn_default(contender, job)
    print(json.dumps(result))


def bind(threads: int) -> None:
    """Bind this process to that many processors, where the system can do that (Linux)."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:threads])


def load(split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return images (N, D) and labels (N,) of a split, in memory."""
    return np.load(PROCESSED / f"{split}_images.npy"), np.load(PROCESSED / f"{split}_targets.npy").argmax(axis=1)


def measure_epochs(contender: str, job: Job) -> dict[str, Any]:
    """Return the seconds of each epoch, and the accuracy on the test images after it (not timed)."""
    images, labels = load("train")
    test_images, test_labels = load("test")
    run = CONTENDERS[contender](images, labels, job)
    next(run)  # set up
    seconds, accuracy = [], []
    for _ in range(job.epochs):
        start = time.perf_counter()
        predict = next(run)
        seconds.append(time.perf_counter() - start)
        accuracy.append(float((predict(test_images).argmax(axis=1) == test_labels).mean()))
    return {"seconds": seconds, "accuracy": accuracy}


def learn_default(arithmetic: str, job: Job) -> dict[str, Any]:
    """Return the seconds and the last test accuracy of what the stage `train` does, with params.yaml and this seed."""
    settings = params.read(train) | {"arithmetic": arithmetic, "seed": job.seed, "blas_threads": job.threads}
    trial = Trial("default", {"preprocess": {}, "train": settings}, [], tested=True)
    row, _ = execute.train_and_score(trial, cache.read(PROCESSED, tested=True))
    return {"seconds": [row.seconds], "accuracy": [row.test_accuracy]}


def infer(contender: str, job: Job) -> dict[str, Any]:
    """Return the seconds to classify 10,000 images, and one: medians of many calls."""
    images, labels = load("train")
    test_images, _ = load("test")
    run = CONTENDERS[contender](images[:2048], labels[:2048], job)
    *_, predict = run
    return {
        "seconds_10000": median_seconds(lambda: predict(test_images), 50),
        "seconds_1": median_seconds(lambda: predict(test_images[:1]), 2000),
    }


def median_seconds(call: Callable[[], Any], times: int) -> float:
    """Return the median seconds of a call, after a tenth as many calls to warm up."""
    seconds = []
    for _ in range(times + times // 10):
        start = time.perf_counter()
        call()
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds[times // 10 :])


def grow(contender: str, job: Job, rows: int) -> dict[str, Any]:
    """Return seconds of each epoch and memory, for a training set repeated `rows` times on disk."""
    images = np.load(PROCESSED / "train_images.npy", mmap_mode="r")
    with tempfile.TemporaryDirectory(dir=PROCESSED) as folder:
        path, shape = Path(folder) / "images.npy", (rows * len(images), images.shape[1])
        repeated = np.lib.format.open_memmap(path, mode="w+", dtype=np.float32, shape=shape)
        for i in range(rows):
            repeated[i * len(images) : (i + 1) * len(images)] = images
        repeated.flush()
        labels = np.tile(np.load(PROCESSED / "train_targets.npy").argmax(axis=1), rows)
        run = CONTENDERS[contender](np.load(path, mmap_mode="r"), labels, job)
        next(run)  # set up
        seconds, memory = [], 0
        for _ in range(job.epochs):
            start = time.perf_counter()
            next(run)
            seconds.append(time.perf_counter() - start)
            memory = max(memory, own_memory())
    return {"seconds": seconds, "own_bytes": memory}


def own_memory() -> int:
    """Return the bytes of anonymous memory of this process; pages of mapped files are not counted (Linux)."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    return 1024 * int(status["RssAnon"].split()[0])


if __name__ == "__main__":
    main()
