"""Turn the IDX files into the arrays that training and evaluation read, and split off the validation images."""

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.arrays import normalize, one_hot, pixel_statistics, prepare
from stages.dataset.deskew import remove_skew
from stages.dataset.records import TEST_ARRAYS, TRAINING_ARRAYS, RawDataset, TestInputs, TrainingInputs
from stages.dataset.split import split
from stages.pipeline import files, stage
from stages.pipeline.params import Seed

RAW = Path("data/raw")
PROCESSED = Path("data/processed")
HINT = "choose other files, or fix the data set's entry in data/catalog.yaml"


def preprocess(*, seed: Seed, validation_size: Annotated[int, Field(ge=0, le=10**7)], deskew: bool) -> None:
    """Write float32 rows and one-hot targets for training, validation and test to data/processed.

    The mean and standard deviation for the normalization are those of the training images alone.
    """
    raw: RawDataset = files.read_json(RAW / "dataset.json", RawDataset)
    images, labels = read_labeled("train", raw)
    test_images, test_labels = read_labeled("t10k", raw)
    shape, test_shape = images.shape[1:], test_images.shape[1:]
    if shape != test_shape:
        raise ValueError(f"{RAW}: training images are {shape}, test images {test_shape}; {HINT}")
    if deskew:
        images = remove_skew(images)
    train, validation = split(labels, validation_size, np.random.default_rng(seed))
    mean, std = pixel_statistics(images[train])
    sha256 = {}

    def write(name: str, rows: np.ndarray, digits: np.ndarray) -> None:
        for part, array in (("images", rows), ("targets", one_hot(digits, len(raw.classes)))):
            path = PROCESSED / f"{name}_{part}.npy"
            files.write_array(path, array)
            sha256[path.name] = files.digest(path)

    write("train", normalize(images[train], mean, std), labels[train])
    write("validation", normalize(images[validation], mean, std), labels[validation])
    write("test", prepare(test_images, deskew, mean, std), test_labels)
    training, test = ({name: sha256[name] for name in names} for names in (TRAINING_ARRAYS, TEST_ARRAYS))
    inputs = TrainingInputs(raw.title, raw.classes, shape, deskew, mean, std, training)
    files.write_json(PROCESSED / "inputs.json", asdict(inputs))
    files.write_json(PROCESSED / "test.json", asdict(TestInputs(test)))
    print(f"{len(train)} training, {len(validation)} validation, {len(test_labels)} test images")


def read_labeled(part: str, raw: RawDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, rows, columns) and labels (N,) of one part of the data set, checked."""
    images_path, labels_path = RAW / f"{part}-images-idx3-ubyte", RAW / f"{part}-labels-idx1-ubyte"
    images, labels = (idx.read(path, raw.sha256[path.name]) for path in (images_path, labels_path))
    try:
        idx.check_labeled(images, labels, len(raw.classes), images_path, labels_path)
    except ValueError as error:
        raise ValueError(f"{error}; {HINT}") from None
    return images, labels


if __name__ == "__main__":
    stage.run(preprocess)
