"""What a process of the benchmark measures: all cases of one contender, which it sets up once.

The process is bound to its processors before it starts. Each job stays in memory and goes on in the next round.
"""

import time
from collections import deque
from collections.abc import Callable, Iterator
from functools import cache, partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks.contenders import CONTENDERS, Job, Predict
from stages.dataset.batches import Batches
from stages.dataset.records import TrainingInputs
from stages.learning.data import read_split
from stages.learning.learn import ORDER, Data, random_stream, reader
from stages.nn.frequencies import choose_inputs
from stages.pipeline import files, params, paths
from stages.train import train

ROUNDS, EPOCHS = 5, 3  # rounds, and epochs per round
INPUTS = {"136 waves": 16, "784 pixels": None}  # how many frequencies


@cache
def data() -> Data:
    """Return the training set and the validation split of the pipeline, in memory."""
    inputs: TrainingInputs = files.read_json(paths.INPUTS, TrainingInputs)
    train, validation = (list(map(np.array, read_split(name, inputs))) for name in ("train", "validation"))
    return Data((train[0], train[1]), (validation[0], validation[1]), inputs.image_shape)


@cache
def prepared(inputs: str, split: str) -> tuple[np.ndarray, np.ndarray]:
    """Return inputs (N, D) and labels (N,) of a split."""
    images, targets = getattr(data(), split)
    return choose_inputs(data().image_shape, INPUTS[inputs]).transform(images), targets.argmax(axis=1)


@cache
def started(contender: str, inputs: str, batch_size: int) -> tuple[Iterator[Predict], Predict]:
    """Return the job of a contender after its first epoch, which sets up and compiles, and what predicts."""
    epochs = CONTENDERS[contender](Job(*prepared(inputs, "train"), batch_size, 1 + ROUNDS * EPOCHS))
    return epochs, next(epochs)


def epoch(inputs: str, batch_size: int, contender: str, number: int) -> float:
    """Return the seconds of the fastest of the next epochs of a job."""
    epochs, _ = started(contender, inputs, batch_size)
    return min(seconds(partial(next, epochs)) for _ in range(EPOCHS))


def accuracy(inputs: str, batch_size: int, contender: str) -> float:
    """Return the accuracy on the validation images so far, to see that all contenders do the same job."""
    x, labels = prepared(inputs, "validation")
    return float((started(contender, inputs, batch_size)[1](x).argmax(axis=1) == labels).mean())


def predict(count: int, contender: str, number: int) -> float:
    """Return the median seconds to classify as many images."""
    x, (_, scores) = prepared("784 pixels", "train")[0][:count], started(contender, "784 pixels", 128)
    return median(seconds(partial(scores, x)) for _ in range(20 if count > 1 else 1000))


def prepare(contender: str, number: int) -> float:
    """Return the seconds to prepare an epoch as params.yaml has it: warp, transform, round."""
    settings: Any = params.read(train)
    read = reader(data(), settings, choose_inputs(data().image_shape, settings["frequencies"]))
    batches = Batches(len(data().train[0]), settings["batch_size"] or 128, partial(random_stream, 0, ORDER), read)
    return seconds(lambda: deque(batches.epoch(number), maxlen=0))


def seconds(call: Callable[[], Any]) -> float:
    """Return the seconds of a call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


BATCH_SIZES = 32, 128, 1024
JOBS = {f"{inputs}, batches of {n:,}": (inputs, n) for inputs in INPUTS for n in BATCH_SIZES}
PREPARE = "preparing an epoch"
# What measures each case, for a contender and a round.
CASES: dict[str, Callable[[str, int], float]] = {
    **{name: partial(epoch, *job) for name, job in JOBS.items()},
    "classifying 10,000 images": partial(predict, 10_000),
    "classifying one image": partial(predict, 1),
    PREPARE: prepare,
}
