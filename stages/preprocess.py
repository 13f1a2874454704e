"""Turn the IDX files into the arrays that training and evaluation read, and split off the validation images."""

from dataclasses import asdict
from math import prod
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.arrays import chunks, one_hot, pixel_statistics, prepare
from stages.dataset.deskew import remove_skew
from stages.dataset.records import TEST_ARRAYS, TRAINING_ARRAYS, RawDataset, TestInputs, TrainingInputs
from stages.dataset.split import split
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Seed

HINT = "choose other files, or fix the dataset's entry in data/catalog.yaml"


def preprocess(*, seed: Seed, validation_size: Annotated[int, Field(ge=0, le=10**7)], deskew: bool) -> None:
    """Write float32 rows and one-hot targets for training, validation and test to data/processed.

    The mean and standard deviation for the normalization are those of the training images alone.
    """
    raw: RawDataset = files.read_json(paths.DATASET, RawDataset)
    images, labels = read_labeled("train", raw)
    test_images, test_labels = read_labeled("t10k", raw)
    shape, test_shape = images.shape[1:], test_images.shape[1:]
    if shape != test_shape:
        raise ValueError(f"{paths.RAW}: training images are {shape}, test images {test_shape}; {HINT}")
    D, K = prod(shape), len(raw.classes)
    train, validation = split(labels, validation_size, np.random.default_rng(seed))
    upright = remove_skew if deskew else np.asarray
    mean, std = pixel_statistics(upright(images[train[some]]) for some in chunks(len(train), D))
    sha256 = {}

    def write(name: str, images: np.ndarray, labels: np.ndarray, rows: np.ndarray) -> None:
        pixels = (prepare(images[rows[some]], deskew, mean, std) for some in chunks(len(rows), D))
        targets = (one_hot(labels[rows[some]], K) for some in chunks(len(rows), K))
        for part, width, blocks in (("images", D, pixels), ("targets", K, targets)):
            path = paths.PROCESSED / f"{name}_{part}.npy"
            files.write_array(path, (len(rows), width), blocks)
            sha256[path.name] = files.digest(path)

    write("train", images, labels, train)
    write("validation", images, labels, validation)
    write("test", test_images, test_labels, np.arange(len(test_labels)))
    training, test = ({name: sha256[name] for name in names} for names in (TRAINING_ARRAYS, TEST_ARRAYS))
    inputs = TrainingInputs(raw.title, raw.classes, shape, deskew, mean, std, training)
    files.write_json(paths.INPUTS, files.sealed(asdict(inputs)))
    files.write_json(paths.TEST, files.sealed(asdict(TestInputs(test))))
    print(f"{len(train)} training, {len(validation)} validation, {len(test_labels)} test images")


def read_labeled(part: str, raw: RawDataset) -> tuple[np.ndarray, np.ndarray]:
    """Return the images (N, rows, columns) and class numbers (N,) of one part of the dataset, checked."""
    images_path, labels_path = (paths.RAW / f"{part}-{kind}-ubyte" for kind in ("images-idx3", "labels-idx1"))
    images, labels = (idx.read(path, raw.sha256[path.name]) for path in (images_path, labels_path))
    try:
        valid = range(raw.first_label, raw.first_label + len(raw.classes))
        idx.check_labeled(images, labels, valid, images_path, labels_path)
    except ValueError as error:
        raise ValueError(f"{error}; {HINT}") from None
    return raw.upright(images), labels.astype(np.intp) - raw.first_label


if __name__ == "__main__":
    stage.run(preprocess)
