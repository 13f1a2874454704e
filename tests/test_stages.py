"""Stages called as functions: each key has an effect, and a damaged or hostile input gets one line, never an output."""

import json
import re
import shutil

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.pipeline import files, paths
from stages.validate import STAGES
from tests.helpers import project

FUNCTIONS = {function.__name__: function for function in STAGES}


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """A copy of what the stages made, as the working directory."""
    for place in ("data", "models", "reports", "tests/fixture"):
        shutil.copytree(finished / place, tmp_path / place)
    shutil.copy(finished / "params.yaml", tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(root, name, **changes):
    FUNCTIONS[name](**{**YAML(typ="safe").load(root / "params.yaml")[name], **changes})


def refuses(root, name, *expected, error=ValueError, **changes):
    """Run a stage, which must fail with one line that holds every expected text, and change no file."""
    before = project.snapshot(root)
    with pytest.raises(error) as raised:
        run(root, name, **changes)
    for text in expected:
        assert text in str(raised.value)
    assert "\n" not in str(raised.value)
    assert project.snapshot(root) == before


# Another value for every key, and an output that it changes. Those of train: tests/test_train.py.
EFFECTS = {
    "fetch": {"dataset": ("traced", "data/raw/dataset.json"), "directory": ("tests/fixture", None)},
    "preprocess": {
        "seed": (1, "data/processed/train_images.npy"),
        "validation_size": (80, "data/processed/train_images.npy"),
        "deskew": (False, "data/processed/test_images.npy"),
    },
    "evaluate": {"calibration_bins": (1000, "reports/metrics.json"), "blas_threads": (2, None)},
    "plot": {
        "seed": (1, "reports/figures/predictions.png"),
        "examples": (4, "reports/figures/predictions.png"),
        "mistakes": (1, "reports/figures/mistakes.png"),
        "units": (8, "reports/figures/first_layer.png"),
        "calibration_bins": (5, "reports/figures/reliability.png"),
        "dpi": (60, "reports/figures/confusion_matrix.png"),
    },
    "page": dict.fromkeys(("test_images", "train_images", "validation_images", "seed"), (50, "reports/index.html")),
    "predict": {"dpi": (60, "reports/photos.png")},
}


def test_every_key_of_params_is_listed():
    content = YAML(typ="safe").load(project.ROOT / "params.yaml")
    assert {name: set(section) for name, section in content.items() if name != "train"} == {
        name: set(keys) for name, keys in EFFECTS.items()
    }


@pytest.mark.parametrize(("name", "key"), [(name, key) for name, keys in EFFECTS.items() for key in keys])
def test_a_key_has_an_effect_and_threads_have_none(here, name, key):
    before = project.snapshot(here)
    value, changed = EFFECTS[name][key]
    run(here, name, **{key: value})
    different = {path for path, data in project.snapshot(here).items() if data != before[path]}
    assert changed in different if changed else not different


# One line for what is missing, damaged or hostile


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("preprocess", "data/raw/train-labels-idx1-ubyte"),
        ("train", "data/processed/train_images.npy"),
        ("evaluate", paths.MODEL),
        ("plot", "reports/predictions.csv"),
    ],
)
def test_a_missing_input_is_named(here, name, path):
    (here / path).unlink()
    refuses(here, name, f"{path}: not found", "`dvc repro", error=FileNotFoundError)


def test_training_that_diverges_writes_nothing(here):
    expected = "the loss is", "at epoch 1, step ", "learning rate 1e+03", "try a smaller learning_rate"
    changes = {"learning_rate": 1000.0, "schedule": "constant", "weight_decay": 1.0}
    refuses(here, "train", *expected, error=FloatingPointError, **changes)


def test_a_network_that_knows_one_answer_is_reported_with_likely_causes(here, capsys):
    run(here, "evaluate")
    assert "answers are" not in capsys.readouterr().out
    model = files.read_arrays(paths.MODEL)
    files.write_arrays(paths.MODEL, {**model, "b2": model["b2"] + 99 * (np.arange(10) == 3).astype(np.float32)})
    run(here, "evaluate")
    assert "\n200 of 200 answers are 3. The network has hardly learned. Likely causes: " in capsys.readouterr().out


@pytest.mark.parametrize("name", ["evaluate", "plot", "page", "predict"])
def test_a_stage_refuses_a_malformed_model(here, name):
    with np.load(paths.MODEL) as saved:
        np.savez(paths.MODEL, **{name: array for name, array in saved.items() if name != "b2"})
    refuses(here, name, f"{paths.MODEL}: ", "has no b2")


@pytest.mark.parametrize(
    ("name", "path"),
    [
        ("preprocess", "data/raw/train-images-idx3-ubyte"),
        ("train", "data/processed/train_images.npy"),
        ("evaluate", "data/processed/test_targets.npy"),
        ("plot", "data/raw/t10k-images-idx3-ubyte"),
        ("page", "data/raw/t10k-images-idx3-ubyte"),
    ],
)
def test_a_stage_refuses_a_file_with_one_bit_changed(here, name, path):
    data = bytearray((here / path).read_bytes())
    data[-1] ^= 1  # the lowest bit of a pixel or a number: still one, and in its range
    (here / path).write_bytes(data)
    refuses(here, name, path, "SHA-256 is ", "`dvc repro`")


@pytest.mark.parametrize(
    ("name", "path", "changes", "message"),
    [
        ("preprocess", paths.DATASET, {"sha256": None}, "sha256: Field required"),
        ("preprocess", paths.DATASET, {"sha256": {}}, "sha256 must name train-images-idx3-ubyte, "),
        ("plot", paths.DATASET, {"classes": 5}, "classes: Input should be a valid array"),
        ("train", paths.INPUTS, {"image_shape": [28, 27]}, "got float32 of shape (300, 784)"),
        ("evaluate", paths.TEST, {"sha256": {"test_images.npy": "x"}}, "sha256 must name test_images.npy, test_"),
        ("evaluate", paths.TEST, {"more": 1}, "more: Unexpected keyword argument"),
    ],
)
def test_a_stage_refuses_a_malformed_record(here, name, path, changes, message):
    content = json.loads(path.read_text()) | {"seal": None} | changes
    path.write_text(json.dumps({key: value for key, value in content.items() if value is not None}))
    refuses(here, name, message, "`dvc repro`")


@pytest.mark.parametrize("name", ["preprocess", "train", "evaluate"])
def test_a_stage_refuses_a_record_with_one_digit_changed(here, name):
    path = {"preprocess": paths.DATASET, "train": paths.INPUTS, "evaluate": paths.TEST}[name]
    text = path.read_text()
    digit = re.search(r"[0-8]", text)
    path.write_text(text[: digit.start()] + "9" + text[digit.end() :])
    refuses(here, name, f"{path}: ", "its SHA-256 is not that of its content", "`dvc repro`")


REPLACED = [(",0.", ",1."), ("\n7,", "\nseven,"), ("\n7,", "\n\n\n7,7,0.5\n7,")]


@pytest.mark.parametrize("name", ["plot", "page"])
@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("actual,", "real,", "line 2 lacks one of the columns actual, predicted, confidence"),
        (",0.", ",x", "could not convert string to float"),
        *(
            (old, new, "must have a known class and a confidence from 0 to 1 for each of 200 test images")
            for old, new in REPLACED
        ),
    ],
)
def test_a_stage_refuses_malformed_predictions(here, name, old, new, message):
    paths.PREDICTIONS.write_text(paths.PREDICTIONS.read_text().replace(old, new))
    refuses(here, name, "reports/predictions.csv: ", message, "`dvc repro`")


def test_plot_refuses_a_history_without_its_columns(here):
    paths.HISTORY.write_text("epoch,train_loss\n1,0.5\n")
    refuses(here, "plot", "reports/history.csv: cannot be read, line 2 lacks one")
