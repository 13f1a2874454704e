"""The records that stages exchange alongside the arrays: what is in data/raw and in data/processed."""

from collections.abc import Collection
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

RAW_FILES = {  # the names in data/raw, whatever the files are called at their sources
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
TRAINING_ARRAYS = [f"{split}_{part}.npy" for split in ("train", "validation") for part in ("images", "targets")]
TEST_ARRAYS = ["test_images.npy", "test_targets.npy"]


class Record:
    """Names files, and is read strictly from JSON."""

    names: ClassVar[Collection[str]]  # of the files
    sha256: dict[str, str]  # of each file
    __pydantic_config__: ClassVar = {"extra": "forbid", "allow_inf_nan": False}

    def __post_init__(self) -> None:
        if set(self.sha256) != set(self.names):
            raise ValueError(f"sha256 must name {', '.join(self.names)}")


@dataclass(frozen=True)
class RawDataset(Record):
    """The contents of data/raw: data/raw/dataset.json."""

    names = RAW_FILES.values()
    title: str
    classes: list[str]
    sha256: dict[str, str]
    transposed: bool = False  # whether rows and columns are swapped in the file of images
    first_label: int = 0  # the label of the first class

    def upright(self, images: np.ndarray) -> np.ndarray:
        """Return images (N, ., .) as they are in a file of this dataset as images (N, rows, columns)."""
        return images.swapaxes(1, 2) if self.transposed else images


@dataclass(frozen=True)
class TrainingInputs(Record):
    """What training reads in data/processed, and how new images are prepared: data/processed/inputs.json."""

    names = TRAINING_ARRAYS
    title: str
    classes: list[str]
    image_shape: tuple[int, int]
    deskew: bool
    mean: float
    std: float
    sha256: dict[str, str]


@dataclass(frozen=True)
class TestInputs(Record):
    """What only evaluation reads: data/processed/test.json. Training never opens it."""

    names = TEST_ARRAYS
    sha256: dict[str, str]
