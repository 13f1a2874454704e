"""Train a network on a dataset. The stage `train`, a trial of a sweep and a test call the same function."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from math import isfinite
from typing import Any

import numpy as np

from stages.dataset.arrays import Split, chunks
from stages.dataset.augment import Augmentation
from stages.dataset.batches import Batches
from stages.learning.settings import Settings
from stages.nn.exact import check_machine, rounded
from stages.nn.frequencies import Inputs, choose_inputs
from stages.nn.initializers import INITIALIZERS
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.optimizers import chain
from stages.nn.schedules import SCHEDULES
from stages.nn.training import diverged, fit

MAX_PARAMETERS = 2**28  # 1 GiB; training needs about six times as much
TRAIN_SAMPLE = 5000  # training images to measure the training accuracy on where there is no validation split
WEIGHTS, ORDER, TRAINING, AUGMENTATION = 1, 2, 3, 4  # one random stream per purpose


@dataclass(frozen=True)
class Data:
    """A training set and the validation split: images (N, D), one-hot targets (N, K)."""

    train: Split
    validation: Split
    image_shape: tuple[int, int]  # rows, columns


@dataclass(frozen=True)
class Trained:
    """A network after an epoch."""

    network: Network  # on its own inputs
    inputs: Inputs
    row: dict[str, Any]  # of the history
    state: Mapping[str, np.ndarray]  # everything `learn` needs to resume from here

    def on_pixels(self, settings: Settings) -> Network:
        """Return the network as one that takes pixels."""
        first, *others = self.network.dense
        W1 = self.inputs.fold(first.W)
        network = multilayer_perceptron(
            [len(W1), first.outputs, *(layer.outputs for layer in others)], settings["activation"]
        )
        network.load(self.network.parameters() | {"W1": W1})
        return network


def learn(data: Data, settings: Settings, *, state: Mapping[str, np.ndarray] | None = None) -> Iterator[Trained]:
    """Train a network on `data`; yield it after each epoch. Reads and writes no file.

    With the `state` of an earlier epoch, training resumes after it, to the same bytes. Raises ValueError when settings
    and data do not fit, FloatingPointError when training diverges, ArithmeticError where this machine is not exact.
    """
    (images, targets), stream = data.train, partial(random_stream, settings["seed"])
    batch_size = settings["batch_size"] or len(images)
    if batch_size > len(images):
        raise ValueError(
            f"train.batch_size is {batch_size}, but there are {len(images)} training images; null means all of them"
        )
    check_machine()
    inputs = choose_inputs(data.image_shape, settings["frequencies"])
    network = untrained(data, settings, inputs)
    direction = chain(
        settings["optimizer"],
        network.weights.size,
        settings["momentum"],
        settings["weight_decay"],
        settings["clip_norm"],
    )
    schedule, peak = SCHEDULES[settings["schedule"]], settings["learning_rate"]
    # The training accuracy is measured on len(validation) images, without augmentation and dropout.
    sample = slice(len(data.validation[0]) or TRAIN_SAMPLE)
    scored = {"train": (images[sample], targets[sample]), "validation": data.validation}
    scored = {name: (in_chunks(inputs.transform, x), y) for name, (x, y) in scored.items()}
    for epoch in fit(
        network,
        Batches(len(images), batch_size, partial(stream, ORDER), reader(data, settings, inputs)),
        direction,
        lambda progress: peak * schedule(progress),
        epochs=settings["epochs"],
        rng=partial(stream, TRAINING),
        averaging=settings["averaging"],
        state=state,
    ):
        row: dict[str, Any] = {
            "epoch": epoch.number,
            "learning_rate": float(f"{epoch.learning_rate:.6g}"),
            "batch_loss": round(epoch.loss, 6),
        }
        for name, split in scored.items():
            row |= score(network, *split, name, epoch.number)
        yield Trained(network, inputs, row, epoch.state)


def untrained(data: Data, settings: Settings, inputs: Inputs) -> Network:
    """Return the network before training. Its first layer is drawn on pixels; ValueError when it is too large."""
    pixels, classes = data.train[0].shape[1], data.train[1].shape[1]
    check_size([pixels, *settings["hidden"], classes])
    network = multilayer_perceptron(
        [inputs.F, *settings["hidden"], classes],
        settings["activation"],
        settings["dropout"],
        settings["input_dropout"],
    )
    initializer, rng = INITIALIZERS[settings["initializer"]], random_stream(settings["seed"], WEIGHTS)
    first, *others = network.dense
    first.W[:] = inputs.project(initializer(rng, pixels, first.outputs))
    for layer in others:
        layer.W[:] = initializer(rng, layer.inputs, layer.outputs)
    return network


def reader(data: Data, settings: Settings, inputs: Inputs) -> Callable[[np.ndarray, int, int], Split]:
    """Return what prepares a block of minibatches: warp, transform, round.

    It takes the numbers of the examples (n,), of the epoch and of the block.
    """
    (images, labels), warps = data.train, settings["augmentation"]
    warp = Augmentation(data.image_shape, **warps, resolution=inputs.resolution) if warps else None

    def read(rows: np.ndarray, epoch: int, block: int) -> Split:
        rng = random_stream(settings["seed"], AUGMENTATION, epoch, block)
        x = warp(images, rng, rows, inputs.transform) if warp else inputs.transform(images[rows])
        return rounded(x), smooth_labels(labels[rows], settings["label_smoothing"])

    return read


def in_chunks(transform: Callable[[np.ndarray], np.ndarray], images: np.ndarray) -> np.ndarray:
    """Return images (N, D) transformed in float64, for scores, as float32 (N, F); memory stays flat."""
    parts = [transform(images[some].astype(np.float64)).astype(np.float32) for some in chunks(*images.shape)]
    return np.concatenate(parts) if parts else images[:0]


def check_size(sizes: list[int]) -> None:
    """Raise ValueError when a network with layers of these sizes would not fit in memory."""
    parameters = sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
    if parameters > MAX_PARAMETERS:
        raise ValueError(
            f"train.hidden is {sizes[1:-1]}: that makes {parameters:,} weights and biases, "
            f"{4 * parameters / 2**30:,.0f} GiB, and training needs about six times as much memory; choose fewer "
            f"neurons, for at most {MAX_PARAMETERS:,}"
        )


def random_stream(seed: int, use: int, epoch: int = 0, block: int = 0) -> np.random.Generator:
    """Return a source of random numbers, independent for each use, epoch and block."""
    return np.random.default_rng([seed, use, epoch, block])


@np.errstate(over="ignore", invalid="ignore")  # an overflow shows in the loss
def score(network: Network, x: np.ndarray, targets: np.ndarray, name: str, epoch: int) -> dict[str, float | None]:
    """Return loss and accuracy of the network on a split, as history columns; None where the split is empty.

    Raises FloatingPointError when the loss is not finite: the last step of the epoch may have diverged.
    """
    if not len(x):
        return {f"{name}_loss": None, f"{name}_accuracy": None}
    logits = network.predict(x)
    loss, _ = softmax_cross_entropy(logits, targets)
    if not isfinite(loss):
        raise diverged(loss, f"the end of epoch {epoch}, on the {name} images")
    accuracy = float((logits.argmax(axis=1) == targets.argmax(axis=1)).mean())
    return {f"{name}_loss": round(loss, 6), f"{name}_accuracy": round(accuracy, 6)}
