"""The digits that photographs are made of, and an answer without a network."""

import gzip
from pathlib import Path

import numpy as np
import pytest

from stages.dataset import idx
from stages.dataset.arrays import prepare
from stages.dataset.similarity import unit_vectors
from stages.photos.center import like_mnist

FIXTURE = Path(__file__).parents[1] / "fixture"


@pytest.fixture(scope="session")
def drawn(tmp_path_factory):
    """The test images of the fixture and their labels."""
    path = tmp_path_factory.mktemp("digits")
    arrays = []
    for name in ("t10k-images-idx3-ubyte", "t10k-labels-idx1-ubyte"):
        (path / name).write_bytes(gzip.decompress((FIXTURE / f"{name}.gz").read_bytes()))
        arrays.append(idx.read(path / name))
    return arrays


@pytest.fixture(scope="session")
def answer(drawn):
    """The label of the digit that an image is most similar to, each made as MNIST's are from its own pixels."""

    def vectors(images):
        return unit_vectors(prepare(np.stack(images), True, 33.0, 78.0), (28, 28), -33 / 78)

    def cropped(digit):
        rows, columns = np.flatnonzero(digit.any(axis=1)), np.flatnonzero(digit.any(axis=0))
        return digit[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]

    known = vectors([like_mnist(cropped(digit), (28, 28)) for digit in drawn[0]])
    return lambda digits: drawn[1][(vectors([d.image for d in digits]) @ known.T).argmax(axis=1)].tolist()
