"""The facts that go with the digits from stage to stage, beside the arrays."""

from dataclasses import dataclass

RAW_FILES = {  # the names in data/raw, whatever the files are called at their sources
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
TRAINING_ARRAYS = [f"{split}_{part}.npy" for split in ("train", "validation") for part in ("images", "targets")]
TEST_ARRAYS = ["test_images.npy", "test_targets.npy"]
STRICT = {"extra": "forbid", "allow_inf_nan": False}  # for who reads these types from a file


@dataclass(frozen=True)
class RawDataset:
    """What data/raw holds: data/raw/dataset.json."""

    title: str
    classes: list[str]
    sha256: dict[str, str]  # of each file
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(RAW_FILES.values()):
            raise ValueError("sha256 must be given for each of the four files")
        if len(self.classes) < 2:
            raise ValueError("classes must be two or more")


@dataclass(frozen=True)
class TrainingInputs:
    """What training reads in data/processed, and what new images need to be treated alike: inputs.json there."""

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
            raise ValueError("sha256 must be given for each of the four arrays")
        if len(self.classes) < 2 or min(self.image_shape) < 1 or self.std <= 0:
            raise ValueError("classes must be two or more, image_shape and std positive")


@dataclass(frozen=True)
class TestInputs:
    """What evaluation alone reads: data/processed/test.json. Training does not know that it is there."""

    sha256: dict[str, str]  # of each array
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(TEST_ARRAYS):
            raise ValueError("sha256 must be given for both arrays")
