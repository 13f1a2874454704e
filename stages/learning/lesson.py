"""The training that the page does itself: fewer images, as waves in whole numbers, and random numbers that are hashes.

JavaScript does the same from the same numbers (stages/report/web), to the same bytes.
"""

import hashlib
from collections.abc import Callable, Iterator
from functools import partial
from math import frexp, ldexp
from typing import Any, NamedTuple, cast

import numpy as np

from stages.dataset.arrays import Split, chunks
from stages.dataset.batches import Batches
from stages.nn.frequencies import LowFrequencies
from stages.nn.initializers import he_normal
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.optimizers import chain
from stages.nn.random import Hashed
from stages.nn.schedules import SCHEDULES
from stages.nn.training import fit

FREQUENCIES = 16
BITS = 5  # of a whole number, besides its sign
WEIGHTS, ORDER, TRAINING = 1, 2, 3  # one random stream per purpose
RECIPE: dict[str, Any] = {  # what the page starts with
    "hidden": 128,
    "optimizer": "nesterov",
    "learning_rate": 0.2,
    "momentum": 0.9,
    "schedule": "one_cycle",
    "epochs": 16,
    "batch_size": 128,
    "weight_decay": 0.001,
    "input_dropout": 0.1,
    "seed": 0,
}


class Examples(NamedTuple):
    """Images as whole numbers, int8 (N, F), and the number of the class of each, uint8 (N,)."""

    levels: np.ndarray
    labels: np.ndarray


class Lesson(NamedTuple):
    """A level stands for a wave of `level * unit`, and goes into the network as `level * scale`; about 1 on average."""

    train: Examples
    validation: Examples
    classes: int
    unit: float
    scale: float

    def inputs(self, examples: Examples) -> Split:
        """Return what the network takes, float32 (N, F), and the targets (N, K)."""
        targets = np.eye(self.classes, dtype=np.float32)[examples.labels]
        return examples.levels * np.float32(self.scale), targets


def choose(train: Split, validation: Split, counts: tuple[int, int], shape: tuple[int, int], seed: int) -> Lesson:
    """Return about counts[0] and counts[1] of the images (N, D), or all, each class as often as the others if it can.

    The unit is a power of two that leaves BITS bits for the largest wave.
    """
    rng, waves = np.random.default_rng(seed), LowFrequencies(shape, FREQUENCIES)
    chosen = []
    for (images, targets), count in zip((train, validation), counts, strict=True):
        (_, K), labels = targets.shape, targets.argmax(axis=1)
        rows = [rng.permutation(np.flatnonzero(labels == k))[: -(-count // K)] for k in range(K)]
        order = np.sort(np.concatenate(rows))
        parts = [
            waves.transform(images[order[some]].astype(np.float64)) for some in chunks(len(order), images.shape[1])
        ]
        chosen.append((np.concatenate([np.empty((0, waves.F)), *parts]), labels[order].astype(np.uint8)))
    unit = ldexp(1.0, frexp(np.abs(chosen[0][0]).max())[1] - BITS)
    examples = [Examples(np.rint(np.clip(x / unit, -127, 127)).astype(np.int8), labels) for x, labels in chosen]
    mean_square = float(np.square(examples[0].levels, dtype=np.int64).sum()) / examples[0].levels.size
    scale = ldexp(1.0, -((frexp(mean_square)[1] - 1) // 2))
    return Lesson(examples[0], examples[1], train[1].shape[1], unit, scale)


def learn(lesson: Lesson, settings: dict[str, Any]) -> Iterator[Network]:
    """Train a network from scratch; yield it after each epoch."""
    x, targets = lesson.inputs(lesson.train)

    def stream(*key: int) -> np.random.Generator:
        return cast(np.random.Generator, Hashed(settings["seed"], *key))

    network = multilayer_perceptron(
        [x.shape[1], settings["hidden"], lesson.classes], input_dropout=settings["input_dropout"]
    )
    network.initialize(he_normal, stream(WEIGHTS))
    direction = chain(settings["optimizer"], network.weights.size, settings["momentum"], settings["weight_decay"])
    schedule, peak = SCHEDULES[settings["schedule"]], settings["learning_rate"]
    order: Callable[[int], np.random.Generator] = partial(stream, ORDER)
    batches = Batches(len(x), settings["batch_size"], order, lambda rows, epoch, block: (x[rows], targets[rows]))
    for _ in fit(
        network,
        batches,
        direction,
        lambda progress: peak * schedule(progress),
        epochs=settings["epochs"],
        rng=partial(stream, TRAINING),
    ):
        yield network


def outcome(lesson: Lesson, settings: dict[str, Any]) -> dict[str, Any]:
    """Train to the end; return the SHA-256 of theta and the accuracy on the validation images.

    Without validation images it is that on the training images.
    """
    *_, network = learn(lesson, settings)
    x, targets = lesson.inputs(lesson.validation if len(lesson.validation.labels) else lesson.train)
    accuracy = float((network.predict(x).argmax(axis=1) == targets.argmax(axis=1)).mean())
    return {"sha256": hashlib.sha256(network.theta.astype("<f4").tobytes()).hexdigest(), "accuracy": accuracy}
