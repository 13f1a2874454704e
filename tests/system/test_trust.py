"""A stage trusts nothing that it reads: a damaged or hostile file gets one line, and nothing is written."""

import json
import shutil

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.validate import STAGES
from tests.helpers import project

FUNCTIONS = {function.__name__: function for function in STAGES}
IMAGES = "data/processed/train_images.npy"
MODEL = "models/network.npz"


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """A copy of what the stages made, as the working directory."""
    for place in ("data", "models", "reports"):
        shutil.copytree(finished / place, tmp_path / place)
    shutil.copy(finished / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def rejects(root, name, *expected):
    """Run a stage, which must reject what it reads with one line that holds every expected text, and write nothing."""
    before = project.snapshot(root)
    arguments = YAML(typ="safe").load(root / "params.yaml")[name]
    with pytest.raises(ValueError, match=r"run `dvc repro`") as raised:
        FUNCTIONS[name](**arguments)
    for text in expected:
        assert text in str(raised.value)
    assert "\n" not in str(raised.value)
    assert project.snapshot(root) == before


def change_arrays(path, **changes):
    """Write a file with other arrays; None removes one."""
    with np.load(path) as saved:
        arrays = {**saved, **changes}
    np.savez(path, **{name: array for name, array in arrays.items() if array is not None})


@pytest.mark.parametrize("name", ["evaluate", "plot", "page", "predict"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W1": np.zeros((784, 16))}, "float32"),
        ({"W1": np.zeros((784, 16), np.complex64)}, "float32"),
        ({"W1": np.zeros((784, 16), ">f4")}, "float32"),
        ({"W1": np.full((784, 16), "x")}, "float32"),
        ({"W1": np.zeros((784, 16), [("a", "f4")])}, "float32"),
        ({"W1": np.full((784, 16), np.nan, np.float32)}, "finite"),
        ({"W1": np.full((784, 16), np.inf, np.float32)}, "finite"),
        ({"W1": np.zeros(784, np.float32)}, "matrices of float32"),
        ({"W1": np.float32(1)}, ""),
        ({"W1": np.zeros((783, 16), np.float32)}, "image_shape"),
        ({"W1": None}, "W1"),
        ({"image_shape": np.array([28, 29])}, "image_shape"),
        ({"image_shape": np.array([784])}, ""),
        ({"image_shape": None}, "image_shape"),
        ({"image_shape": np.array(["28", "28"])}, ""),
        ({"W1": np.zeros((784, 16), object)}, "cannot be read, "),
    ],
)
def test_a_stage_rejects_a_malformed_model(here, name, changes, message):
    change_arrays(MODEL, **changes)
    rejects(here, name, MODEL, message)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"b2": None}, "b2"),
        ({"b1": np.zeros(15, np.float32)}, "must be"),
        ({"W2": np.zeros((16, 9), np.float32)}, "must be"),
        ({"b2": np.full(10, np.nan, np.float32)}, "b2 must be (10,) finite numbers"),
        ({"activation": "swish"}, "activation must be one of relu, "),
        ({"activation": None}, "activation"),
        ({"classes": np.array(["a", "b"])}, "classes"),
        ({"classes": np.array("a")}, ""),
        ({"classes": None}, "classes"),
        ({"W3": np.zeros((10, 10), np.float32)}, "b3"),
    ],
)
def test_evaluate_rejects_a_model_whose_parts_do_not_fit_together(here, changes, message):
    change_arrays(MODEL, **changes)
    rejects(here, "evaluate", MODEL, message)


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("train", IMAGES),
        ("evaluate", "data/processed/test_targets.npy"),
        ("page", "data/processed/validation_images.npy"),
    ],
)
def test_a_stage_rejects_an_array_that_was_changed_after_it_was_written(here, name, path):
    data = (here / path).read_bytes()
    for at in (len(data) // 2, -1):  # the lowest bit of a number: still a number, and in its range
        flipped = bytearray(data)
        flipped[at] ^= 1
        (here / path).write_bytes(flipped)
        rejects(here, name, path, "SHA-256 is ")
    (here / path).write_bytes(data[:-4])
    rejects(here, name, path, "SHA-256 is ")
    np.save(here / path, np.zeros((3, 784)))
    rejects(here, name, path, "SHA-256 is ")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("preprocess", "data/raw/train-images-idx3-ubyte"),
        ("plot", "data/raw/t10k-images-idx3-ubyte"),
        ("page", "data/raw/t10k-images-idx3-ubyte"),
        ("predict", "data/raw/t10k-images-idx3-ubyte"),
    ],
)
def test_a_stage_rejects_an_original_file_with_one_pixel_changed(here, name, path):
    data = bytearray((here / path).read_bytes())
    data[-1] ^= 1
    (here / path).write_bytes(data)
    rejects(here, name, path, "SHA-256 is ")


RAW, PROCESSED, TEST_ARRAYS = "data/raw/dataset.json", "data/processed/inputs.json", "data/processed/test.json"


@pytest.mark.parametrize(
    ("name", "path", "changes", "message"),
    [
        ("preprocess", RAW, {"sha256": None}, "sha256: Field required"),
        ("preprocess", RAW, {"sha256": {}}, "sha256 must name the four files"),
        ("preprocess", RAW, {"classes": ["0"]}, "classes must be two or more"),
        ("plot", RAW, {"classes": 5}, "classes: Input should be a valid array"),
        ("train", PROCESSED, {"std": 0.0}, "image_shape and std positive"),
        ("train", PROCESSED, {"std": "1"}, "std: Input should be a valid number"),
        ("train", PROCESSED, {"image_shape": [28]}, "image_shape: 1: Field required"),
        ("train", PROCESSED, {"image_shape": [28, 27]}, "holds float32 of shape (300, 784); float32 of any x 756"),
        ("train", PROCESSED, {"classes": ["0", "1"]}, "holds float32 of shape (300, 10); float32 of any x 2"),
        ("evaluate", TEST_ARRAYS, {"sha256": {"test_images.npy": "x"}}, "sha256 must name both arrays"),
        ("evaluate", TEST_ARRAYS, {"more": 1}, "more: Unexpected keyword argument"),
    ],
)
def test_a_stage_rejects_a_malformed_record(here, name, path, changes, message):
    content = json.loads((here / path).read_text()) | changes
    (here / path).write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    rejects(here, name, message)


@pytest.mark.parametrize("path", [RAW, PROCESSED])
def test_a_stage_rejects_a_truncated_record(here, path):
    (here / path).write_text((here / path).read_text()[:-9])
    rejects(here, {RAW: "preprocess", PROCESSED: "train"}[path], path, "Invalid JSON")


@pytest.mark.parametrize("name", ["plot", "page"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("actual,", "real,", "line 2 lacks one of the columns actual, predicted, confidence"),
        (",0.", ",1.", "a confidence outside 0..1"),
        (",0.", ",x", "could not convert string to float"),
        (",0.", ",nan0.", "could not convert string to float"),
        ("\n7,", "\nseven,", "an unknown class"),
    ],
)
def test_a_stage_rejects_malformed_predictions(here, name, old, new, message):
    path = here / "reports/predictions.csv"
    path.write_text(path.read_text().replace(old, new))
    rejects(here, name, "reports/predictions.csv: ", message)


@pytest.mark.parametrize("name", ["plot", "page"])
def test_a_stage_rejects_predictions_for_another_number_of_images(here, name):
    path = here / "reports/predictions.csv"
    path.write_text("".join(path.read_text().splitlines(keepends=True)[:-1]))
    rejects(here, name, "reports/predictions.csv: 199 rows, but there are 200 test images")


@pytest.mark.parametrize(("text", "message"), [("", "no rows"), ("epoch,train_loss\n1,0.5\n", "line 2 lacks one")])
def test_plot_rejects_a_malformed_history(here, text, message):
    (here / "reports/history.csv").write_text(text)
    rejects(here, "plot", "reports/history.csv: cannot be read, ", message)
