"""The records that stages pass on beside the arrays: what is in data/raw, in data/processed and in a model."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

RAW_FILES = {  # the names in data/raw, whatever the files are called at their sources
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
TRAINING_ARRAYS = [f"{split}_{part}.npy" for split in ("train", "validation") for part in ("images", "targets")]
TEST_ARRAYS = ["test_images.npy", "test_targets.npy"]
STRICT = {"extra": "forbid", "allow_inf_nan": False}  # for those who read these types from a file with pydantic


@dataclass(frozen=True)
class RawDataset:
    """The contents of data/raw: data/raw/dataset.json."""

    title: str
    classes: list[str]
    sha256: dict[str, str]  # of each file
    transposed: bool = False  # whether rows and columns are swapped in the file of images
    first_label: int = 0  # the label of the first class
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(RAW_FILES.values()):
            raise ValueError("sha256 must name the four files")
        if len(self.classes) < 2:
            raise ValueError("classes must be two or more")

    def upright(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, ., .) as they are in a file of this data set as images (N, rows, columns)."""
        return images.swapaxes(1, 2) if self.transposed else images


@dataclass(frozen=True)
class TrainingInputs:
    """What training reads in data/processed, and how new images are prepared: data/processed/inputs.json."""

    title: str
    classes: list[str]
    image_shape: tuple[int, int]
    deskew: bool
    mean: float
    std: float
    sha256: dict[str, str]  # of each array that training reads
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(TRAINING_ARRAYS):
            raise ValueError("sha256 must name the four arrays")
        if len(self.classes) < 2 or min(self.image_shape) < 1 or self.std <= 0:
            raise ValueError("classes must be two or more, image_shape and std positive")


@dataclass(frozen=True)
class TestInputs:
    """What only evaluation reads: data/processed/test.json. Training never opens it."""

    sha256: dict[str, str]  # of each array
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(TEST_ARRAYS):
            raise ValueError("sha256 must name both arrays")


@dataclass(frozen=True)
class Thresholds:
    """Below which confidence, and below which likeness to `known` test images, an answer is not sure."""

    confidence: float
    likeness: float
    known: list[int]  # numbers of test images
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if not self.known or min(self.known) < 0:
            raise ValueError("known must be numbers of test images")


@dataclass(frozen=True)
class ModelInputs:
    """What a trained network takes and answers, and how images are prepared for it: beside the weights in a model."""

    classes: list[str]
    image_shape: tuple[int, int]
    deskew: bool
    mean: float
    std: float


def check_model(arrays: Mapping[str, Any], inputs: int, outputs: int) -> ModelInputs:
    """Return what the arrays of a model with `inputs` and `outputs` say about them.

    ValueError when something is missing, is of another type or does not fit the network.
    """
    missing = {field.name for field in fields(ModelInputs)} - set(arrays)
    if missing:
        raise ValueError(f"has no {min(missing)}")
    shape, classes = arrays["image_shape"], arrays["classes"]
    if shape.shape != (2,) or shape.dtype.kind not in "iu":
        raise ValueError("image_shape must be two integers")
    rows, columns = shape.tolist()
    if (rows * columns, classes.shape) != (inputs, (outputs,)):
        raise ValueError("its layers do not fit its image_shape and classes")
    deskew, mean, std = (arrays[name] for name in ("deskew", "mean", "std"))
    if [(array.shape, array.dtype.kind) for array in (deskew, mean, std)] != [((), "b"), ((), "f"), ((), "f")]:
        raise ValueError("deskew must be true or false, mean and std numbers")
    if not (np.isfinite(mean) and np.isfinite(std) and std > 0):
        raise ValueError("mean and std must be finite, std positive")
    return ModelInputs(classes.tolist(), (rows, columns), deskew.item(), mean.item(), std.item())
