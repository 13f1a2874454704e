"""A trained model: the network, how images are prepared for it, and when its answer is not to be trusted.

from stages.learning.model import load

load("models/network.npz").classify(images)    # [Answer(name="7", confidence=0.9998, similarity=0.93, sure=True)]
"""

import warnings
from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from stages.dataset import arrays
from stages.dataset.arrays import Split
from stages.dataset.records import TrainingInputs
from stages.dataset.similarity import best_similarity, unit_vectors
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays
from stages.pipeline import files

KNOWN = 1000  # training images that new ones are compared with
ABSTAIN = 0.02  # fraction of the validation images below each threshold
# The fields of a model file besides the network's own: name, number of dimensions, type.
FIELDS = {
    "activation": (0, np.str_),
    "classes": (1, np.str_),
    "image_shape": (1, np.int64),
    "deskew": (0, np.bool_),
    "mean": (0, np.float64),
    "std": (0, np.float64),
    "known": (3, np.uint8),
    "confidence": (0, np.float64),
    "similarity": (0, np.float64),
    "validation": (1, np.int64),
}


class Answer(NamedTuple):
    """The class of an image, how confident the network is, how similar known images are, and whether both suffice."""

    name: str
    confidence: float  # 0 to 1
    similarity: float  # -1 to 1
    sure: bool


@dataclass(frozen=True)
class Model:
    """Everything that prediction needs."""

    network: Network  # on pixels
    activation: str
    classes: list[str]
    image_shape: tuple[int, int]  # rows, columns
    deskew: bool
    mean: float
    std: float
    # Training images before normalization, uint8 (n, rows, columns), the same number of each class.
    known: np.ndarray
    # Thresholds below which an answer is uncertain: of the confidence, and of the similarity to the known images.
    confidence: float = 0.0
    similarity: float = -1.0
    # Effect of the thresholds on the validation images: their number, those below a threshold, those with a wrong
    # answer, and those below a threshold with a wrong answer.
    validation: tuple[int, int, int, int] = (0, 0, 0, 0)

    @property
    def background(self) -> float:
        """The value of a normalized pixel without ink."""
        return float((self.known.min() - self.mean) / self.std)

    def prepare(self, images: np.ndarray) -> np.ndarray:
        """Return uint8 images (N, rows, columns) as the network takes them, float32 (N, D)."""
        return arrays.prepare(images, self.deskew, self.mean, self.std)

    def unit_vectors(self, x: np.ndarray) -> np.ndarray:
        """Return prepared images (N, D) as vectors (N, D) whose products are similarities."""
        return unit_vectors(x, self.image_shape, self.background)

    @cached_property
    def known_vectors(self) -> np.ndarray:
        """The known images as unit vectors (n, D)."""
        return self.unit_vectors(arrays.normalize(self.known, self.mean, self.std))

    def answers(self, x: np.ndarray) -> list[Answer]:
        """Return the answer for each prepared image, x (N, D)."""
        probabilities = softmax(self.network.predict(x))
        similarity = best_similarity(self.unit_vectors(x), self.known_vectors)
        return [
            Answer(
                self.classes[row.argmax()],
                float(row.max()),
                float(s),
                bool(row.max() >= self.confidence and s >= self.similarity),
            )
            for row, s in zip(probabilities, similarity, strict=True)
        ]

    def classify(self, images: np.ndarray) -> list[Answer]:
        """Return the answer for each image.

        Images are uint8, (N, rows, columns) or, for a single one, (rows, columns), of the size that the model was
        trained on, from 0, the background, to 255, the ink. ValueError when they are anything else; a UserWarning when
        they look inverted.
        """
        check_images(images, self.image_shape, self.mean)
        return self.answers(self.prepare(images.reshape(-1, *self.image_shape)))

    def arrays(self) -> dict[str, np.ndarray]:
        """Return the arrays of the model file, by name."""
        return {**self.network.parameters(), **{name: np.array(getattr(self, name)) for name in FIELDS}}

    def save(self, path: Path | str) -> None:
        """Write the model file."""
        files.write_arrays(path, self.arrays())


def new_model(network: Network, activation: str, inputs: TrainingInputs, train: Split, validation: Split) -> Model:
    """Return the model of a network on pixels, with the fraction ABSTAIN of the validation images below each threshold.

    The known images are drawn from the training images (N, D), the same number of each class. Without validation images
    there is nothing to choose thresholds by, and every answer is sure.
    """
    labels = train[1].argmax(axis=1)
    order = np.random.default_rng(0).permutation(len(labels))
    each = -(-KNOWN // len(inputs.classes))
    rows = np.concatenate([order[labels[order] == k][:each] for k in range(len(inputs.classes))])
    known = np.rint(train[0][np.sort(rows)] * np.float32(inputs.std) + np.float32(inputs.mean)).astype(np.uint8)
    shown = inputs.classes, inputs.image_shape, inputs.deskew, inputs.mean, inputs.std
    model = Model(network, activation, *shown, known.reshape(-1, *inputs.image_shape))
    if not len(validation[0]):
        return model
    answers = model.answers(validation[0])
    names = np.array(inputs.classes)[validation[1].argmax(axis=1)]
    wrong = np.array([answer.name for answer in answers]) != names
    scores = np.array([answer[1:3] for answer in answers])  # confidence, similarity
    thresholds = np.floor(np.sort(scores, axis=0)[int(ABSTAIN * len(scores))] * 1e4) / 1e4  # never rounded up to 1
    below = (scores < thresholds).any(axis=1)
    counts = len(scores), int(below.sum()), int(wrong.sum()), int((wrong & below).sum())
    confidence, similarity = thresholds.tolist()
    return replace(model, confidence=confidence, similarity=similarity, validation=counts)


def load(path: Path | str) -> Model:
    """Return the model in a file; ValueError, in one line, when it is not one."""
    saved = files.read_arrays(path)
    with files.explain_errors(path):
        return from_file(saved)


def from_file(saved: Mapping[str, Any]) -> Model:
    """Return the model with these arrays of a model file; ValueError when they are not those of a model."""
    network = from_arrays(saved)
    for name, (dimensions, kind) in FIELDS.items():
        if name not in saved:
            raise ValueError(f"has no {name}")
        if saved[name].ndim != dimensions or saved[name].dtype.type is not kind:
            raise ValueError(f"its {name} has shape {saved[name].shape} and type {saved[name].dtype}")
    own = {name: saved[name] if name == "known" else saved[name].tolist() for name in FIELDS}
    shape = own["image_shape"] = tuple(own["image_shape"])
    sizes = network.dense[0].inputs, network.dense[-1].outputs
    if len(shape) != 2 or min(shape) < 1 or (shape[0] * shape[1], len(own["classes"])) != sizes:
        raise ValueError("its layers do not fit its image_shape and classes")
    if len(set(own["classes"])) != len(own["classes"]) or any(name.splitlines() != [name] for name in own["classes"]):
        raise ValueError("its classes must be different lines of text")
    if not np.isfinite([own[name] for name in ("mean", "std", "confidence", "similarity")]).all() or own["std"] <= 0:
        raise ValueError("its mean, std, confidence and similarity must be finite, std positive")
    if own["known"].shape[1:] != shape or not len(own["known"]):
        raise ValueError("its known images must be of its image_shape, one or more")
    if len(own["validation"]) != 4:
        raise ValueError("its validation must be four counts")
    return Model(network, **own)


def check_images(images: np.ndarray, shape: tuple[int, int], mean: float) -> None:
    """Raise ValueError unless a model that was trained on this shape and this mean of pixels takes these images."""
    if not isinstance(images, np.ndarray):
        raise ValueError(f"images are a {type(images).__name__}, but the model takes a NumPy array")
    wanted = f"uint8 of shape (N, {shape[0]}, {shape[1]}) or ({shape[0]}, {shape[1]})"
    if images.dtype != np.uint8:
        hint = "; multiply by 255, round, and convert with astype(np.uint8)" if images.dtype.kind == "f" else ""
        raise ValueError(f"images are {images.dtype}, but the model takes {wanted}, from 0 to 255{hint}")
    if images.ndim not in (2, 3) or images.shape[-2:] != shape:
        raise ValueError(f"images have shape {images.shape}, but the model takes {wanted}")
    if images.size and 0 < images.max() <= 1 < mean:
        raise ValueError("the brightest pixel is 1, but the model takes pixels from 0 to 255; multiply by 255")
    border = np.ones(shape, bool)
    border[1:-1, 1:-1] = False
    bright = int((images.reshape(-1, *shape)[:, border].mean(axis=1) > 127).sum()) if mean < 128 else 0
    if bright:
        warnings.warn(
            f"{bright} of {images.size // border.size} images look inverted: their borders are bright, but the model "
            "takes bright ink on a dark background; try 255 - images",
            stacklevel=3,
        )
