"""Fit the network to the training digits."""

import json
import math
from dataclasses import asdict
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits
from tqdm import tqdm

from stages.dataset.arrays import check_examples
from stages.dataset.augment import Augmentation
from stages.dataset.batches import Batches
from stages.dataset.records import TrainingInputs
from stages.nn.initializers import INITIALIZERS
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, Momentum, Optimizer
from stages.nn.schedules import SCHEDULES
from stages.nn.training import fit, predict
from stages.pipeline import files, stage
from stages.pipeline.checkpoint import Checkpoint, key_of
from stages.report import metrics

PROCESSED = Path("data/processed")
INPUTS = PROCESSED / "inputs.json"
CHECKPOINT = Path("models/checkpoint.npz")
LARGEST = 2**28  # weights and biases of a network: 1 GiB, of which training holds some six


def train(
    *,
    seed: Annotated[int, Field(ge=0, lt=2**32, description="draws first weights, order, dropout and warps")],
    hidden: Annotated[
        list[Annotated[int, Field(ge=1, le=2**16)]], Field(max_length=16, description="neurons of each hidden layer")
    ],
    activation: Annotated[
        Literal["relu", "leaky_relu", "tanh", "sigmoid"], Field(description="what follows each hidden layer")
    ],
    initializer: Annotated[
        Literal["he_normal", "he_uniform", "glorot_normal", "glorot_uniform"], Field(description="where weights start")
    ],
    epochs: Annotated[int, Field(ge=1, le=10**5, description="passes over the training images")],
    batch_size: Annotated[int | None, Field(ge=1, le=10**7, description="images a step; null for all of them")],
    optimizer: Annotated[
        Literal["gradient_descent", "momentum", "nesterov", "adam", "adamw"], Field(description="direction of a step")
    ],
    momentum: Annotated[float, Field(ge=0, lt=1, description="part of the velocity that momentum and nesterov keep")],
    learning_rate: Annotated[float, Field(gt=0, le=1000, description="length of a step, before the schedule")],
    schedule: Annotated[
        Literal["constant", "linear", "cosine", "one_cycle"], Field(description="factor of learning_rate over time")
    ],
    weight_decay: Annotated[float, Field(ge=0, le=1, description="pull of the weights toward zero")],
    label_smoothing: Annotated[float, Field(ge=0, lt=1, description="part of each target spread over all classes")],
    dropout: Annotated[float, Field(ge=0, lt=1, description="part of each hidden layer that is silenced in a step")],
    input_dropout: Annotated[float, Field(ge=0, lt=1, description="part of the pixels that is silenced in a step")],
    clip_norm: Annotated[float | None, Field(gt=0, description="longest gradient accepted; null for any")],
    averaging: Annotated[float, Field(ge=0, lt=1, description="part of the weight average kept each step; 0: none")],
    rotation: Annotated[
        float,
        Field(ge=0, le=180, description="most that an image is turned, either way, each time it is seen, in degrees"),
    ],
    scaling: Annotated[
        float, Field(ge=0, lt=1, description="most that an image is stretched or shrunk, as a part of its size")
    ],
    shear: Annotated[
        float, Field(ge=0, le=2, description="most that an image is slanted, either way, in columns a row")
    ],
    shift: Annotated[float, Field(ge=0, le=100, description="most that an image is moved, in pixels")],
    elastic: Annotated[
        float, Field(ge=0, le=100, description="how far each pixel is pushed its own way, in pixels (root mean square)")
    ],
    blas_threads: Annotated[int, Field(ge=1, le=256, description="processor threads of a matrix product")],
) -> None:
    """Train on data/processed; write models/network.npz, reports/history.csv and reports/validation.json.

    A run that was killed is taken up by the next one with the same parameters, data and code, to the same bytes.
    """
    parameters = locals().copy()
    inputs: TrainingInputs = files.read_json(INPUTS, TrainingInputs)
    shape, classes = inputs.image_shape, len(inputs.classes)
    images, targets = read_split("train", inputs)
    validation = read_split("validation", inputs)
    # The training accuracy is that of some training images, as many as validation has, without warps and dropout.
    probe = (images[: len(validation[0]) or 5000], targets[: len(validation[0]) or 5000])
    if batch_size is not None and batch_size > len(images):
        raise ValueError(
            f"train.batch_size is {batch_size}, but there are {len(images)} training images; null takes all"
        )

    sizes = [images.shape[1], *hidden, classes]
    size = sum((D + 1) * M for D, M in pairwise(sizes))
    if size > LARGEST:
        raise ValueError(
            f"train.hidden is {hidden}: that makes {size:,} weights and biases, {4 * size / 2**30:,.0f} GiB, and "
            f"training holds them some six times; choose fewer neurons, for at most {LARGEST:,}"
        )

    # Each use of randomness has a stream of its own, so that none depends on how much another drew.
    weights, order, silence, warps = (partial(stream, seed, use) for use in (1, 2, 3, 4))
    network = multilayer_perceptron(sizes, activation, dropout, input_dropout)
    network.initialize(INITIALIZERS[initializer], weights())
    augmentation = Augmentation(shape, rotation, scaling, shear, shift, elastic)

    def prepare(images: np.ndarray, targets: np.ndarray, epoch: int, block: int) -> None:
        if augmentation:
            augmentation(images, warps(epoch, block))
        targets[:] = smooth_labels(targets, label_smoothing)

    batches = Batches(images, targets, batch_size or len(images), order, prepare)

    checkpoint = Checkpoint(CHECKPOINT, key_of(parameters, [INPUTS, Path(__file__)]))
    state = checkpoint.load()
    history: list[dict[str, Any]] = json.loads(str(state["history"])) if state else []
    with (
        threadpool_limits(blas_threads, user_api="blas"),
        tqdm(initial=len(history), total=epochs, unit="epoch", disable=None, desc="train") as bar,
    ):
        for epoch in fit(
            network,
            batches,
            make_optimizer(optimizer, momentum),
            SCHEDULES[schedule],
            epochs=epochs,
            learning_rate=learning_rate,
            weight_decay=weight_decay,
            clip_norm=clip_norm,
            averaging=averaging,
            noise=silence,
            state=state,
        ):
            row = {
                "epoch": epoch.number,
                "learning_rate": float(f"{epoch.learning_rate:.6g}"),
                "batch_loss": round(epoch.loss, 6),
                **score(network, *probe, "train"),
                **score(network, *validation, "validation"),
            }
            history.append(row)
            if epoch.number < epochs:
                checkpoint.save({**epoch.state, "history": json.dumps(history)})
            bar.update()
            bar.set_postfix(shown(row))

    files.write_rows("reports/history.csv", history)
    measured = {key: history[-1][key] for key in ("validation_accuracy", "validation_loss")}
    files.write_json("reports/validation.json", {key: value for key, value in measured.items() if value is not None})
    model = {**network.parameters(), "activation": activation, **asdict(inputs)}
    del model["sha256"]  # of the files in data/processed; new images have others
    files.write_arrays("models/network.npz", model)
    checkpoint.remove()
    print(f"epoch {epochs}: " + ", ".join(f"{name} {value}" for name, value in shown(history[-1]).items()))


def read_split(name: str, inputs: TrainingInputs) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, D) and targets (N, K) of a split, checked; they stay on disk until they are asked for."""
    images_path, targets_path = PROCESSED / f"{name}_images.npy", PROCESSED / f"{name}_targets.npy"
    images = files.read_array(images_path, (None, math.prod(inputs.image_shape)), inputs.sha256[images_path.name])
    targets = files.read_array(targets_path, (None, len(inputs.classes)), inputs.sha256[targets_path.name])
    check_examples(images, targets, images_path)
    return images, targets


def stream(seed: int, use: int, epoch: int = 0, block: int = 0) -> np.random.Generator:
    """Return a source of random numbers, another one for each use, epoch and block."""
    return np.random.default_rng([seed, use, epoch, block])


def shown(row: dict[str, Any]) -> dict[str, str]:
    """Return what of a row of the history is worth watching."""
    names = ("batch_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return {name.replace("_", " "): f"{row[name]:.4f}" for name in names if row[name] is not None}


def make_optimizer(name: str, momentum: float) -> Optimizer:
    """Return the optimizer `name`, with the momentum if it takes one."""
    kind = OPTIMIZERS[name]
    return kind(momentum) if issubclass(kind, Momentum) else kind()


def score(network: Network, images: np.ndarray, targets: np.ndarray, name: str) -> dict[str, float | None]:
    """Return loss and accuracy of the network on a split, as history columns; None where the split is empty."""
    if not len(images):
        return {f"{name}_loss": None, f"{name}_accuracy": None}
    logits = predict(network, images)
    loss, _ = softmax_cross_entropy(logits, targets)
    accuracy = metrics.accuracy(logits, targets.argmax(axis=1))
    return {f"{name}_loss": round(loss, 6), f"{name}_accuracy": round(accuracy, 6)}


if __name__ == "__main__":
    stage.run(train)
