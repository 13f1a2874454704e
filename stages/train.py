"""Fit the network to the training digits."""

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import asdict, dataclass
from functools import partial
from itertools import pairwise
from math import isfinite, prod
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits
from tqdm import tqdm
from typing_extensions import TypedDict, Unpack

from stages.dataset.arrays import check_examples
from stages.dataset.augment import Augmentation
from stages.dataset.batches import Batches
from stages.dataset.records import TrainingInputs
from stages.nn.exact import ARITHMETICS, EXACT, check_machine
from stages.nn.frequencies import Inputs, choose_inputs
from stages.nn.initializers import INITIALIZERS
from stages.nn.layers import ACTIVATIONS
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, Momentum
from stages.nn.schedules import SCHEDULES
from stages.nn.training import diverged, fit
from stages.pipeline import files, stage
from stages.pipeline.checkpoint import Checkpoint, key_of
from stages.pipeline.params import Choice, Fraction, Seed, Threads
from stages.report import metrics

PROCESSED = Path("data/processed")
INPUTS = PROCESSED / "inputs.json"
CHECKPOINT = Path("models/checkpoint.npz")
MAX_PARAMETERS = 2**28  # 1 GiB; training needs about six times as much
TRAIN_SAMPLE = 5000  # training images on which the training accuracy is measured where there is no validation split
WEIGHTS, ORDER, DROPOUT, AUGMENTATION = 1, 2, 3, 4  # the uses of randomness, each with a stream of its own


class Warps(TypedDict):
    """The section `train.augmentation`."""

    rotation: Annotated[float, Field(ge=0, le=180)]
    scaling: Fraction
    shear: Annotated[float, Field(ge=0, le=2)]
    shift: Annotated[float, Field(ge=0, le=100)]
    elastic: Annotated[float, Field(ge=0, le=100)]


class Settings(TypedDict):
    """The section `train` of params.yaml, which says what each setting means."""

    seed: Seed
    frequencies: Annotated[int | None, Field(ge=1, le=2**12)]
    hidden: Annotated[list[Annotated[int, Field(ge=1, le=2**16)]], Field(max_length=16)]
    activation: Annotated[str, Choice(ACTIVATIONS)]
    initializer: Annotated[str, Choice(INITIALIZERS)]
    epochs: Annotated[int, Field(ge=1, le=10**5)]
    batch_size: Annotated[int | None, Field(ge=1, le=10**7)]
    optimizer: Annotated[str, Choice(OPTIMIZERS)]
    momentum: Fraction
    learning_rate: Annotated[float, Field(gt=0, le=1000)]
    schedule: Annotated[str, Choice(SCHEDULES)]
    weight_decay: Annotated[float, Field(ge=0, le=1)]
    label_smoothing: Fraction
    dropout: Fraction
    input_dropout: Fraction
    clip_norm: Annotated[float | None, Field(gt=0)]
    averaging: Fraction
    augmentation: Warps | None
    arithmetic: Annotated[str, Choice(ARITHMETICS)]
    blas_threads: Threads


@dataclass(frozen=True)
class Data:
    """What a network learns from, and the validation split it is scored on: images (N, D), one-hot targets (N, K)."""

    images: np.ndarray
    targets: np.ndarray
    validation_images: np.ndarray
    validation_targets: np.ndarray
    image_shape: tuple[int, int]  # rows, columns


@dataclass(frozen=True)
class Trained:
    """A network after an epoch."""

    network: Network  # on pixels
    row: dict[str, Any]  # of the history
    state: Mapping[str, np.ndarray]  # what `learn` needs to resume here


def train(**settings: Unpack[Settings]) -> None:
    """Train on data/processed; write models/network.npz, reports/history.csv and reports/validation.json.

    A run that was killed is resumed by the next one with the same parameters, data and code, to the same bytes.
    """
    inputs: TrainingInputs = files.read_json(INPUTS, TrainingInputs)
    data = Data(*read_split("train", inputs), *read_split("validation", inputs), inputs.image_shape)
    checkpoint = Checkpoint(CHECKPOINT, key_of(settings, [INPUTS, Path(__file__)]))
    state = checkpoint.load()
    history: list[dict[str, Any]] = json.loads(str(state["history"])) if state else []
    epochs = settings["epochs"]
    with (
        threadpool_limits(settings["blas_threads"], user_api="blas"),
        tqdm(initial=len(history), total=epochs, unit="epoch", disable=None, desc="train") as bar,
    ):
        for trained in learn(data, settings, state=state):
            history.append(trained.row)
            if len(history) < epochs:
                checkpoint.save({**trained.state, "history": json.dumps(history)})
            bar.update()
            bar.set_postfix(summary(trained.row))

    files.write_rows("reports/history.csv", history)
    scores = {key: trained.row[key] for key in ("validation_accuracy", "validation_loss")}
    files.write_json("reports/validation.json", {key: value for key, value in scores.items() if value is not None})
    files.write_arrays("models/network.npz", model_arrays(trained.network, settings, inputs))
    checkpoint.remove()
    print(f"epoch {epochs}: " + ", ".join(f"{name} {value}" for name, value in summary(trained.row).items()))


def learn(
    data: Data,
    settings: Settings,
    *,
    targets: Callable[[np.ndarray], np.ndarray] | None = None,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Trained]:
    """Train a network on `data`; yield it after each epoch. Reads and writes no file.

    `targets` gives the targets (n, K) for images (n, D) as the network sees them, instead of the labels: what a teacher
    answers, say. With the `state` of an earlier epoch, training resumes after it, to the same bytes. Raises ValueError
    when settings and data do not fit, FloatingPointError when training diverges.
    """
    images, batch_size = data.images, settings["batch_size"] or len(data.images)
    if batch_size > len(images):
        raise ValueError(
            f"train.batch_size is {batch_size}, but there are {len(images)} training images; null means all of them"
        )
    inputs, network, on_pixels = untrained(data, settings)
    stream = partial(random_stream, settings["seed"])
    shape = data.image_shape
    warps = settings["augmentation"]
    resolution = shape if targets else inputs.resolution
    augmentation = Augmentation(shape, **warps, resolution=resolution) if warps else None
    kind = OPTIMIZERS[settings["optimizer"]]
    optimizer = kind(settings["momentum"]) if issubclass(kind, Momentum) else kind()

    def prepare(x: np.ndarray, y: np.ndarray, epoch: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        if augmentation:
            x = augmentation(x, stream(AUGMENTATION, epoch, block))
        y = targets(x) if targets else smooth_labels(y, settings["label_smoothing"])
        return inputs.transform(x), y

    # The training accuracy is that of as many training images as validation has, without augmentation and dropout.
    sample = slice(len(data.validation_images) or TRAIN_SAMPLE)
    train_sample = inputs.transform(images[sample]), data.targets[sample]
    validation = inputs.transform(data.validation_images), data.validation_targets
    for epoch in fit(
        network,
        Batches(images, data.targets, batch_size, partial(stream, ORDER), prepare),
        optimizer,
        SCHEDULES[settings["schedule"]],
        epochs=settings["epochs"],
        learning_rate=settings["learning_rate"],
        weight_decay=settings["weight_decay"],
        clip_norm=settings["clip_norm"],
        averaging=settings["averaging"],
        dropout_rng=partial(stream, DROPOUT),
        state=state,
    ):
        row = {
            "epoch": epoch.number,
            "learning_rate": float(f"{epoch.learning_rate:.6g}"),
            "batch_loss": round(epoch.loss, 6),
            **score(network, *train_sample, "train", epoch.number),
            **score(network, *validation, "validation", epoch.number),
        }
        on_pixels.load(network.parameters() | {"W1": inputs.fold(network.dense[0].W)})
        yield Trained(on_pixels, row, epoch.state)


def untrained(data: Data, settings: Settings) -> tuple[Inputs, Network, Network]:
    """Return what the network learns from, and the network before training: on that, and on pixels.

    ValueError when it would not fit in memory, ArithmeticError where this machine is not exact.
    """
    arithmetic = ARITHMETICS[settings["arithmetic"]]
    if arithmetic is EXACT:
        check_machine()
    inputs = choose_inputs(data.image_shape, settings["frequencies"], arithmetic)

    def new_network(size: int) -> Network:
        sizes = check_size([size, *settings["hidden"], data.targets.shape[1]])
        options = settings["activation"], settings["dropout"], settings["input_dropout"]
        return multilayer_perceptron(sizes, *options, arithmetic=arithmetic)

    on_pixels, network = new_network(data.images.shape[1]), new_network(inputs.F)
    on_pixels.initialize(INITIALIZERS[settings["initializer"]], random_stream(settings["seed"], WEIGHTS))
    network.load(on_pixels.parameters() | {"W1": inputs.project(on_pixels.dense[0].W)})
    return inputs, network, on_pixels


def model_arrays(network: Network, settings: Settings, inputs: TrainingInputs) -> dict[str, Any]:
    """Return the arrays of a model file, by name: the network, and how images are prepared for it."""
    choices = {"activation": settings["activation"], "arithmetic": settings["arithmetic"]}
    model = {**network.parameters(), **choices, **asdict(inputs)}
    del model["sha256"]  # the digests of the training arrays
    return model


def check_size(sizes: list[int]) -> list[int]:
    """Return the sizes of the layers; ValueError when the network would not fit in memory."""
    parameters = sum((inputs + 1) * outputs for inputs, outputs in pairwise(sizes))
    if parameters > MAX_PARAMETERS:
        raise ValueError(
            f"train.hidden is {sizes[1:-1]}: that makes {parameters:,} weights and biases, "
            f"{4 * parameters / 2**30:,.0f} GiB, and training needs about six times as much memory; choose fewer "
            f"neurons, for at most {MAX_PARAMETERS:,}"
        )
    return sizes


def random_stream(seed: int, use: int, epoch: int = 0, block: int = 0) -> np.random.Generator:
    """Return a source of random numbers, independent for each use, epoch and block."""
    return np.random.default_rng([seed, use, epoch, block])


def read_split(name: str, inputs: TrainingInputs) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, D) and targets (N, K) of a split, checked and memory-mapped."""
    images_path, targets_path = PROCESSED / f"{name}_images.npy", PROCESSED / f"{name}_targets.npy"
    images = files.read_array(images_path, (None, prod(inputs.image_shape)), inputs.sha256[images_path.name])
    targets = files.read_array(targets_path, (None, len(inputs.classes)), inputs.sha256[targets_path.name])
    check_examples(images, targets, images_path)
    return images, targets


@np.errstate(over="ignore", invalid="ignore")  # an overflow shows in the loss
def score(network: Network, images: np.ndarray, targets: np.ndarray, name: str, epoch: int) -> dict[str, float | None]:
    """Return loss and accuracy of the network on a split, as history columns; None where the split is empty.

    Raises FloatingPointError when the loss is not finite: the last step of the epoch may have diverged.
    """
    if not len(images):
        return {f"{name}_loss": None, f"{name}_accuracy": None}
    logits = network.predict(images)
    loss, _ = softmax_cross_entropy(logits, targets, network.arithmetic)
    if not isfinite(loss):
        raise diverged(loss, f"the end of epoch {epoch}, on the {name} images")
    accuracy = metrics.accuracy(logits, targets.argmax(axis=1))
    return {f"{name}_loss": round(loss, 6), f"{name}_accuracy": round(accuracy, 6)}


def summary(row: dict[str, Any]) -> dict[str, str]:
    """Return the entries of a history row that are worth watching."""
    names = ("batch_loss", "train_accuracy", "validation_loss", "validation_accuracy")
    return {name.replace("_", " "): f"{row[name]:.4f}" for name in names if row[name] is not None}


if __name__ == "__main__":
    stage.run(train)
