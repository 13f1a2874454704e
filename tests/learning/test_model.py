"""A trained model: saved and loaded, asked about images, and refused in a sentence where it cannot answer."""

import warnings
from dataclasses import replace

import numpy as np
import pytest

from stages.dataset.arrays import normalize, one_hot
from stages.dataset.records import TRAINING_ARRAYS, TrainingInputs
from stages.learning.model import FIELDS, check_images, from_file, load, new_model
from stages.nn.network import multilayer_perceptron
from stages.pipeline import files
from tools.docs.mathematics import digits

IMAGES, LABELS = digits("train")
TESTS, TEST_LABELS = digits("t10k")
MEAN, STD = 35.0, 80.0
INPUTS = TrainingInputs("Digits", list("0123456789"), (28, 28), False, MEAN, STD, dict.fromkeys(TRAINING_ARRAYS, ""))
TRAIN = normalize(IMAGES, MEAN, STD), one_hot(LABELS, 10)
HELD_OUT = normalize(TESTS, MEAN, STD), one_hot(TEST_LABELS, 10)


@pytest.fixture(scope="module")
def network():
    """Of one layer: an image is like the mean of its class."""
    network = multilayer_perceptron([784, 10])
    means = TRAIN[1].T @ TRAIN[0] / TRAIN[1].sum(axis=0)[:, None]
    network.load({"W1": means.T / 20, "b1": -np.square(means).sum(axis=1) / 40})
    return network


@pytest.fixture(scope="module")
def model(network):
    return new_model(network, "relu", INPUTS, TRAIN, HELD_OUT)


@pytest.fixture
def path(model, tmp_path):
    model.save(tmp_path / "network.npz")
    return tmp_path / "network.npz"


def test_a_saved_model_gives_the_same_answers(model, path):
    with warnings.catch_warnings(action="error"):
        answers = load(path).classify(TESTS)
    assert answers == model.classify(TESTS)
    assert np.mean([answer.name == str(label) for answer, label in zip(answers, TEST_LABELS, strict=True)]) > 0.8
    assert all(0 < answer.confidence <= 1 and -1 <= answer.similarity <= 1 for answer in answers)
    assert model.classify(TESTS[3]) == model.classify(TESTS[3:4])
    assert model.classify(TESTS[:0]) == []


def test_the_thresholds_leave_out_two_percent_of_the_validation_images_each(model):
    answers = model.answers(HELD_OUT[0])
    count, unsure, wrong, wrong_and_unsure = model.validation
    names = np.array([answer.name for answer in answers])
    sure = np.array([answer.sure for answer in answers])
    mistaken = names != TEST_LABELS.astype(str)
    assert (count, unsure, wrong, wrong_and_unsure) == (200, sum(~sure), sum(mistaken), sum(mistaken & ~sure))
    for value in ("confidence", "similarity"):
        assert sum(getattr(answer, value) < getattr(model, value) for answer in answers) == pytest.approx(4, abs=1)
    assert {answer.sure for answer in replace(model, confidence=0.0, similarity=-1.0).classify(TESTS)} == {True}
    assert {answer.sure for answer in replace(model, similarity=1.1).classify(TESTS)} == {False}


def test_the_known_images_are_training_images(model, network):
    known = {image.tobytes() for image in IMAGES}
    assert {image.tobytes() for image in model.known} <= known
    assert len(model.known) == len(IMAGES)  # there are fewer than it could keep
    assert [answer.similarity for answer in model.classify(IMAGES[:5])] == pytest.approx([1] * 5, abs=1e-5)


def test_without_validation_images_every_image_gets_an_answer(network):
    model = new_model(network, "relu", INPUTS, TRAIN, (HELD_OUT[0][:0], HELD_OUT[1][:0]))
    assert model.validation == (0, 0, 0, 0)
    assert all(answer.sure for answer in model.classify(TESTS))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        *(({name: None}, f"has no {name}") for name in FIELDS),
        ({"arithmetic": np.array("exact")}, "made by version 1 of this project, .* with `dvc repro`"),
        ({"mean": np.array("35")}, "its mean has shape .* and type <U2"),
        ({"mean": np.array(35, np.float32)}, "its mean has shape .* and type float32"),
        ({"classes": np.array([*"0123456789"], "S")}, r"its classes has shape .* and type \|S1"),
        ({"classes": np.array(["0\r", *"123456789"])}, "its classes must be different lines of text"),
        ({"image_shape": np.array([-28, -28])}, "its layers do not fit its image_shape and classes"),
        ({"std": np.array(0.0)}, "its mean, std, confidence and similarity must be finite, std positive"),
        ({"confidence": np.array(np.nan)}, "its mean, std, confidence and similarity must be finite, std positive"),
        ({"image_shape": np.array([28, 27])}, "its layers do not fit its image_shape and classes"),
        ({"classes": np.array(["0"] * 10)}, "its classes must be different lines of text"),
        ({"known": np.zeros((0, 28, 28), np.uint8)}, "its known images must be of its image_shape, one or more"),
        ({"known": np.zeros((1, 28, 28), np.uint16)}, "its known has shape .* and type uint16"),
        ({"validation": np.array([1, 2, 3])}, "its validation must be four counts"),
    ],
    ids=str,
)
def test_a_file_that_is_no_model_is_refused_in_a_sentence(changes, message, path):
    saved = {name: array for name, array in {**files.read_arrays(path), **changes}.items() if array is not None}
    with pytest.raises(ValueError, match=f"^{message}"):
        from_file(saved)
    files.write_arrays(path, saved)
    with pytest.raises(ValueError, match=rf"^[^\n]*network.npz[^\n]*{message}[^\n]*$"):
        load(path)


def test_a_file_that_is_missing_or_damaged_is_explained(tmp_path):
    with pytest.raises(FileNotFoundError, match="`dvc repro` makes it"):
        load(tmp_path / "network.npz")
    (tmp_path / "network.npz").write_bytes(b"PK")
    with pytest.raises(ValueError, match="cannot be read"):
        load(tmp_path / "network.npz")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            lambda x: x / 255,
            r"images are float64, but the model takes uint8 of shape \(N, 28, 28\) or \(28, 28\), from",
        ),
        (lambda x: x.tolist(), "images are a list, but the model takes a NumPy array"),
        (lambda x: x > 127, r"images are bool, but the model takes uint8"),
        (lambda x: (x > 127).astype(np.uint8), "the brightest pixel is 1, but the model takes pixels from 0 to 255"),
        (lambda x: np.zeros((64, 64), np.uint8), r"images have shape \(64, 64\), but the model takes uint8 of shape"),
        (lambda x: x[None], r"images have shape \(1, 200, 28, 28\), but"),
    ],
)
def test_what_is_no_image_is_refused_in_a_sentence(change, message, model):
    with pytest.raises(ValueError, match=f"^{message}[^\n]*$"):
        model.classify(change(TESTS))


def test_inverted_images_are_reported(model):
    with pytest.warns(UserWarning, match=r"^3 of 5 images look inverted: .* try 255 - images"):
        model.classify(np.concatenate([TESTS[:2], 255 - TESTS[:3]]))
    with warnings.catch_warnings(action="error"):
        check_images(255 - TESTS, (28, 28), mean=220.0)  # a model of dark ink takes bright borders
