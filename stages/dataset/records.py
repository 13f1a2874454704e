"""The records that stages exchange alongside the arrays: what is in data/raw and in data/processed."""

from dataclasses import dataclass

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
