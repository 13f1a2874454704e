"""Turn the original bytes into the arrays that training and evaluation read, and set validation aside."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.arrays import normalize, one_hot, pixel_statistics
from stages.dataset.deskew import remove_skew
from stages.dataset.records import TEST_ARRAYS, TRAINING_ARRAYS, RawDataset, TestInputs, TrainingInputs
from stages.dataset.split import split
from stages.pipeline import files, stage

RAW = Path("data/raw")
PROCESSED = Path("data/processed")
CURE = "choose other files, or mend the data set's entry in data/catalog.yaml"


def preprocess(
    *,
    seed: Annotated[int, Field(ge=0, lt=2**32, description="draws the validation images")],
    validation_size: Annotated[int, Field(ge=0, le=10**7, description="training images set aside for validation")],
    deskew: Annotated[bool, Field(description="stand slanted images upright by their moments")],
) -> None:
    """IDX in data/raw to float32 rows and one-hot targets in data/processed, for training, validation and test.

    The constants of the normalization come from the training images alone.
    """
    raw: RawDataset = files.read_json(RAW / "dataset.json", RawDataset)
    images, labels = read_labeled("train", raw)
    test_images, test_labels = read_labeled("t10k", raw)
    if images.shape[1:] != test_images.shape[1:]:
        raise ValueError(f"{RAW}: training images are {images.shape[1:]}, test images {test_images.shape[1:]}; {CURE}")
    if deskew:
        images, test_images = remove_skew(images), remove_skew(test_images)

    train, validation = split(labels, validation_size, np.random.default_rng(seed))
    mean, std = pixel_statistics(images[train])
    splits = {
        "train": (images[train], labels[train]),
        "validation": (images[validation], labels[validation]),
        "test": (test_images, test_labels),
    }
    sha256 = {}
    for name, (pixels, digits) in splits.items():
        for part, array in (("images", normalize(pixels, mean, std)), ("targets", one_hot(digits, len(raw.classes)))):
            path = PROCESSED / f"{name}_{part}.npy"
            files.write_array(path, array)
            sha256[path.name] = files.digest(path)
    rows, columns = images.shape[1:]
    learned_from, held_out = ({name: sha256[name] for name in names} for names in (TRAINING_ARRAYS, TEST_ARRAYS))
    inputs = TrainingInputs(raw.title, raw.classes, (rows, columns), deskew, mean, std, learned_from)
    files.write_json(PROCESSED / "inputs.json", asdict(inputs))
    files.write_json(PROCESSED / "test.json", asdict(TestInputs(held_out)))
    print(f"{len(train)} training, {len(validation)} validation, {len(test_labels)} test images")


def read_labeled(part: str, raw: RawDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, rows, columns) and labels (N,) of one part of the data set, checked."""
    images_path, labels_path = RAW / f"{part}-images-idx3-ubyte", RAW / f"{part}-labels-idx1-ubyte"
    images, labels = (idx.read(path, raw.sha256[path.name]) for path in (images_path, labels_path))
    try:
        idx.check_labeled(images, labels, len(raw.classes), images_path, labels_path)
    except ValueError as error:
        raise ValueError(f"{error}; {CURE}") from None
    return images, labels


if __name__ == "__main__":
    stage.run(preprocess)
