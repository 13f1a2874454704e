"""The facts that go with the digits from stage to stage, beside the arrays."""

from dataclasses import dataclass

RAW_FILES = {  # the names in data/raw, whatever the files are called at their sources
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
ARRAY_FILES = [f"{split}_{part}.npy" for split in ("train", "validation", "test") for part in ("images", "targets")]
STRICT = {"extra": "forbid", "allow_inf_nan": False}  # for who reads these types from a file


@dataclass(frozen=True)
class Raw:
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
class Processed:
    """What data/processed holds, and what new images need to be treated alike: data/processed/inputs.json."""

    title: str
    classes: list[str]
    image_shape: tuple[int, int]
    deskew: bool
    mean: float
    std: float
    sha256: dict[str, str]  # of each array
    __pydantic_config__ = STRICT

    def __post_init__(self) -> None:
        if set(self.sha256) != set(ARRAY_FILES):
            raise ValueError("sha256 must be given for each of the six arrays")
        if len(self.classes) < 2 or min(self.image_shape) < 1 or self.std <= 0:
            raise ValueError("classes must be two or more, image_shape and std positive")
