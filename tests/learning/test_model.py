"""Own images through the model: right, or refused in a sentence."""

import warnings

import numpy as np
import pytest

from stages.dataset import idx
from tools.classify import check, classify


@pytest.fixture
def model(finished):
    return finished / "models/network.npz"


@pytest.fixture
def images(finished):
    return idx.read(finished / "data/raw/t10k-images-idx3-ubyte")


def test_images_get_a_class_and_a_confidence(model, images, finished):
    labels = idx.read(finished / "data/raw/t10k-labels-idx1-ubyte")
    with warnings.catch_warnings(action="error"):
        answers = classify(images, model)
    assert np.mean([name == str(label) for (name, _), label in zip(answers, labels, strict=True)]) > 0.8
    assert all(0 < confidence <= 1 for _, confidence in answers)


def test_a_single_image_and_none(model, images):
    assert classify(images[3], model) == classify(images[3:4], model)
    assert classify(images[:0], model) == []


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x / 255,
            r"images are float64, but the model takes uint8 of shape \(N, 28, 28\) or \(28, 28\), from",
        ),
        (lambda x: x.tolist(), "images are a list, but the model takes a NumPy array"),
        (lambda x: x.astype(int), r"images are int64, but the model takes uint8"),
        (lambda x: x > 127, r"images are bool, but the model takes uint8"),
        (lambda x: (x > 127).astype(np.uint8), "the brightest pixel is 1, but the model takes pixels from 0 to 255"),
        (lambda x: np.zeros((64, 64), np.uint8), r"images have shape \(64, 64\), but the model takes uint8 of shape"),
        (lambda x: x.reshape(-1, 784), r"images have shape \(200, 784\), but"),
        (lambda x: x[None], r"images have shape \(1, 200, 28, 28\), but"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(change, message, model, images):
    with pytest.raises(ValueError, match=message) as raised:
        classify(change(images), model)
    assert "\n" not in str(raised.value)


def test_inverted_images_are_reported(model, images):
    with pytest.warns(UserWarning, match=r"^3 of 5 images look inverted: .* try 255 - images"):
        classify(np.concatenate([images[:2], 255 - images[:3]]), model)


def test_a_model_of_dark_ink_takes_bright_borders(images):
    with warnings.catch_warnings(action="error"):
        check(255 - images, (28, 28), mean=220.0)


def test_a_model_that_is_missing_or_damaged_is_explained(tmp_path, images):
    with pytest.raises(FileNotFoundError, match="`dvc repro` makes it"):
        classify(images, tmp_path / "network.npz")
    (tmp_path / "network.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="cannot be read"):
        classify(images, tmp_path / "network.npz")
