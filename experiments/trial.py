"""One trial: train a network, then score it. A function of settings and prepared arrays, on any core of any machine."""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from stages.dataset.augment import warp
from stages.dataset.records import TrainingInputs
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays
from stages.pipeline.checkpoint import Checkpoint
from stages.report import metrics
from stages.train import Data, Settings, learn, model_arrays

SHIFT = 0.5  # pixels, of test-time augmentation

Model = Mapping[str, Any]  # the arrays of a model file, by name


@dataclass(frozen=True)
class Prepared:
    """Prepared arrays: the `.npy` files that `preprocess` writes, in a directory, and their description."""

    directory: Path
    inputs: TrainingInputs

    def split(self, name: str) -> tuple[np.ndarray, np.ndarray]:
        """Return the images (N, D) and targets (N, K) of a split, memory-mapped: processes share the pages."""
        images, targets = (np.load(self.directory / f"{name}_{part}.npy", "r") for part in ("images", "targets"))
        return images, targets


@dataclass(frozen=True)
class Result:
    """The outcome of a trial. Accuracies are fractions; None where there are no images, or none were asked for."""

    validation_accuracy: float | None
    validation_loss: float | None
    test_accuracy: float | None
    tta_accuracy: float | None  # with test-time augmentation
    seconds: float  # of `learn`: training, and scoring after each epoch
    model: Model  # as `train` writes it


def run_trial(
    settings: Settings,
    prepared: Prepared,
    *,
    tested: bool = True,
    teacher: Model | None = None,
    temperature: float = 1.0,
    checkpoint: Checkpoint | None = None,
) -> Result:
    """Train with the settings of the section `train`; score the network, on the test images only if it is `tested`.

    With a `teacher`, the targets are its probabilities at that temperature for each image as the network sees it
    (Hinton, Vinyals and Dean, 2015). Training resumes from the `checkpoint`, if there is one, to the same bytes. Reads
    and writes no other file, but for the prepared arrays, which it reads.
    """
    inputs = prepared.inputs
    data = Data(*prepared.split("train"), *prepared.split("validation"), inputs.image_shape)
    targets = partial(soften, from_arrays(teacher), temperature) if teacher else None
    state = checkpoint.load() if checkpoint else None
    start = time.perf_counter() - (float(state["seconds"]) if state else 0.0)
    with threadpool_limits(settings["blas_threads"], user_api="blas"):
        for trained in learn(data, settings, targets=targets, state=state):
            seconds = time.perf_counter() - start
            if checkpoint and trained.row["epoch"] < settings["epochs"]:
                checkpoint.save({**trained.state, "seconds": seconds})
        test, tta = test_accuracies(trained.network, prepared) if tested else (None, None)
    if checkpoint:
        checkpoint.remove()
    model = model_arrays(trained.network, settings, inputs)
    return Result(trained.row["validation_accuracy"], trained.row["validation_loss"], test, tta, seconds, model)


def soften(teacher: Network, temperature: float, images: np.ndarray) -> np.ndarray:
    """Return the teacher's probabilities (N, K) for images (N, D); the higher the temperature, the more alike."""
    return softmax(teacher.predict(images) / temperature, teacher.arithmetic)


def test_accuracies(network: Network, prepared: Prepared) -> tuple[float, float]:
    """Return the accuracy on the test images, and that with test-time augmentation."""
    images, targets = prepared.split("test")
    labels = targets.argmax(axis=1)
    probabilities = [
        softmax(network.predict(view), network.arithmetic) for view in views(images, prepared.inputs.image_shape)
    ]
    plain, mean = network.predict(images), sum(probabilities)
    return round(metrics.accuracy(plain, labels), 6), round(metrics.accuracy(mean, labels), 6)


def views(images: np.ndarray, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield flat images (N, D) as they are, and moved up, down, left and right by SHIFT."""
    rows, columns = shape
    still = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
    for move in ((0, 0), (SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)):
        yield warp(images, (still + np.array(move).reshape(2, 1, 1))[None], shape)
