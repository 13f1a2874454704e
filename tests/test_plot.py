"""The stage: what the figures are drawn from, for any data set."""

import hashlib
import json

import numpy as np
import pytest

import stages.plot as stage
from stages.dataset.records import RAW_FILES
from stages.pipeline import files
from stages.report import figures

SETTINGS = {"seed": 0, "examples": 6, "mistakes": 3, "units": 4, "calibration_bins": 5, "dpi": 50}


@pytest.fixture
def drawn(tmp_path, monkeypatch):
    """The arguments with which each figure was drawn, by its name."""
    monkeypatch.chdir(tmp_path)
    calls = {}

    def recorded(name, draw):
        return lambda *args: calls.__setitem__(name, args) or draw(*args)

    for name in ("confusion_matrix", "predictions", "mistakes"):
        monkeypatch.setattr(figures, name, recorded(name, getattr(figures, name)))
    return calls


def write_results(images, labels, predicted, classes, **keys):
    """Write what the stage reads: test images (N, rows, columns) with their labels and predictions (N,)."""
    stage.TEST_IMAGES.parent.mkdir(parents=True, exist_ok=True)
    data = bytes([0, 0, 8, 3]) + np.array(images.shape, ">u4").tobytes() + images.tobytes()
    stage.TEST_IMAGES.write_bytes(data)
    sha256 = {name: hashlib.sha256(data).hexdigest() for name in RAW_FILES.values()}
    files.write_text(stage.RAW, json.dumps({"title": "Own", "classes": classes, "sha256": sha256, **keys}))
    rows, columns = images.shape[1:][:: -1 if keys.get("transposed") else 1]
    D, K = rows * columns, len(classes)
    W = np.random.default_rng(0).standard_normal((D, K)).astype(np.float32)
    model = {
        "W1": W,
        "b1": np.zeros(K, np.float32),
        "activation": "relu",
        "arithmetic": "exact",
        "image_shape": [rows, columns],
        "deskew": False,
        "mean": 0.0,
        "std": 1.0,
    }
    files.write_arrays(stage.MODEL, model | {"classes": classes})
    scores = {f"{split}_{score}": 0.5 for split in ("train", "validation") for score in ("loss", "accuracy")}
    files.write_rows(stage.HISTORY, [{"epoch": 1, **scores}])
    pairs = zip(labels, predicted, strict=True)
    answers = [{"actual": classes[a], "predicted": classes[p], "confidence": 0.9} for a, p in pairs]
    files.write_rows(stage.PREDICTIONS, answers)


IMAGES = np.random.default_rng(1).integers(0, 256, (6, 4, 3), dtype=np.uint8)
IMAGES[:, 0, :2] = 0, 255
KANA = ["\N{HIRAGANA LETTER O}", "\N{HIRAGANA LETTER KI}"]


def test_names_with_letters_that_the_font_lacks_are_reported_once(drawn, capsys, recwarn):
    write_results(IMAGES, [0, 1, 2] * 2, [0, 1, 1] * 2, ["dress", *KANA])
    stage.plot(**SETTINGS)
    lines = capsys.readouterr().out.splitlines()
    reported = f"the font lacks letters of class names, such as {KANA[0]}: figures show the numbers of these classes"
    assert lines == [reported, "6 figures in reports/figures"]
    assert not recwarn.list
    assert len(list(stage.FIGURES.iterdir())) == 6


@pytest.mark.parametrize("levels", [1, 16])
def test_pictures_show_the_whole_range_of_the_pixels_and_one_line_says_so(drawn, capsys, levels):
    images = IMAGES % (levels + 1) + 3
    write_results(images.astype(np.uint8), [0, 1] * 3, [0, 0] * 3, ["a", "b"])
    stage.plot(**SETTINGS)
    assert np.array_equal(drawn["mistakes"][0], (images[1::2] - 3) * (255 / levels) // 1)
    assert drawn["predictions"][0].min() == 0
    assert drawn["predictions"][0].max() == 255
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        f"pixels are 3 to {3 + levels}: the pictures show them as 0 to 255",
        "6 figures in reports/figures",
    ]


def test_transposed_images_are_drawn_upright(drawn):
    write_results(IMAGES.swapaxes(1, 2), [0, 1] * 3, [0, 0] * 3, ["a", "b"], transposed=True)
    stage.plot(**SETTINGS)
    assert np.array_equal(drawn["mistakes"][0], IMAGES[1::2])
    assert len(drawn["predictions"][0]) == 6
    assert {image.tobytes() for image in drawn["predictions"][0]} == {image.tobytes() for image in IMAGES}


def test_names_that_can_be_drawn_need_no_word(drawn, capsys):
    write_results(IMAGES, [0, 1] * 3, [0, 1] * 3, ["dress", "US$"])
    stage.plot(**SETTINGS)
    assert capsys.readouterr().out.splitlines() == ["6 figures in reports/figures"]
