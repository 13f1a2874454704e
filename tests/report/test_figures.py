"""Figures show what their titles say, for any dataset, and the same numbers give the same bytes."""

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest
from matplotlib.cbook import is_math_text

from stages.report import figures, style
from tests.helpers import project

rng = np.random.default_rng(0)
DIGITS = [str(digit) for digit in range(10)]
CELLS = ["Collecting Duct, Connecting Tubule", "Glomerular endothelial cells", "Leukocytes", "Thick Ascending Limb"]
KANA = list("\N{HIRAGANA LETTER O}\N{HIRAGANA LETTER KI}\N{HIRAGANA LETTER SU}")
LETTERS = [f"the letter {chr(65 + i)}" for i in range(26)]


def history(train, validation, epochs=20):
    """A history in which both the loss and the error rate end at these values; None leaves validation out."""
    rows = []
    for left in np.linspace(0.5, 0, epochs):
        row = {"train_loss": train + left, "train_accuracy": 1 - train - left}
        none = validation is None
        row |= {"validation_loss": "" if none else validation + left}
        row |= {"validation_accuracy": "" if none else 1 - validation - left}
        rows.append({name: str(value) for name, value in {"epoch": len(rows) + 1, **row}.items()})
    return rows


def grid(draw, n, classes, wrong=0, shape=(28, 28)):
    actual = np.arange(n) % len(classes)
    predicted = (actual + (np.arange(n) < wrong)) % len(classes)
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return draw(images, (actual, predicted, rng.random(n)), classes, 10_000 if n else 0)


def confusion(K, classes=None):
    return figures.confusion_matrix(rng.integers(0, 9, (K, K)) + 900 * np.eye(K, dtype=int), classes or DIGITS[:K])


def shown(digits, name="a picture.jpg", shape=(300, 400)):
    """A picture with this number of digits in a row; without any, it has a problem and no thumbnail."""
    box = [(50, 40 * n + 5, 90, 40 * n + 35) for n in range(digits)]
    found = [SimpleNamespace(box=b, image=np.eye(28), answer="7", confidence=0.51, sure=b[1] < 99) for b in box]
    problem = "" if digits else "not an image that can be read; save it as JPEG or PNG"
    thumbnail = rng.integers(0, 255, shape) if digits else None
    return SimpleNamespace(name=name, thumbnail=thumbnail, shape=shape, digits=found, problem=problem)


CASES = {
    "curves": lambda: figures.learning_curves(history(0.1, 0.2)),
    "curves, 1 epoch": lambda: figures.learning_curves(history(0.1, 0.2, epochs=1)),
    "curves, no validation": lambda: figures.learning_curves(history(0.1, None)),
    "confusion": lambda: confusion(10),
    "confusion, 26 letters": lambda: confusion(26, LETTERS),
    "confusion, cells": lambda: confusion(4, CELLS),
    "confusion, 257 classes": lambda: confusion(257, (LETTERS * 10)[:257]),
    "confusion, 2 classes, no mistake": lambda: figures.confusion_matrix(np.diag([5, 7]), ["no", "yes"]),
    "predictions": lambda: grid(figures.predictions, 40, DIGITS, wrong=2),
    "predictions, cells, wide": lambda: grid(figures.predictions, 40, CELLS, wrong=40, shape=(20, 30)),
    "mistakes, letters that the font lacks": lambda: grid(figures.mistakes, 3, KANA, wrong=3),
    "mistakes, none": lambda: grid(figures.mistakes, 0, DIGITS),
    "first layer": lambda: figures.first_layer(rng.standard_normal((784, 64)), (28, 28), 128),
    "first layer, all zero": lambda: figures.first_layer(np.zeros((784, 10)), (28, 28), 10),
    "reliability": lambda: figures.reliability(np.arange(15) ** 3, np.arange(15) / 15, np.linspace(0, 1, 15), 0.0123),
    "reliability, 1 bin": lambda: figures.reliability(np.array([9]), np.array([0.9]), np.array([1.0]), 0.1),
    "pictures": lambda: figures.pictures([shown(1), shown(0), shown(9), shown(2, shape=(900, 100))], 4),
    "pictures, names that are not text": lambda: figures.pictures([shown(1, "$x$ " + "y" * 99), shown(1, KANA[0])], 2),
    "pictures, none": lambda: figures.pictures([], 0),
}


@pytest.mark.parametrize("draw", CASES.values(), ids=CASES)
def test_a_figure_fits_its_canvas_and_every_letter_is_drawn(draw, tmp_path):
    figure = draw()
    style.save(figure, tmp_path / "figure", 50)  # a warning, such as of a missing letter, is an error
    outer, inner = figure.bbox, figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    slack = 0.02 * outer.width
    assert -slack < inner.x0 < inner.x1 < outer.x1 + slack
    assert -slack < inner.y0 < inner.y1 < outer.y1 + slack
    assert max(figure.get_size_inches()) < 16


def test_a_figure_has_the_same_bytes_whatever_the_users_configuration(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.report import test_figures as t; "
        "t.style.save(t.CASES['curves'](), Path(sys.argv[1]), 50)"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\nfigure.facecolor: black\n")
    project.must(
        project.ROOT, sys.executable, "-c", script, tmp_path / "own", MATPLOTLIBRC=str(tmp_path / "matplotlibrc")
    )
    style.save(CASES["curves"](), tmp_path / "plain", 50)
    plain = (tmp_path / "plain").read_bytes()
    assert plain == (tmp_path / "own").read_bytes()
    assert plain.startswith(b"\x89PNG")
    assert b"Software" not in plain


def drawn_texts(figure):
    """Every text of a drawn figure that is not empty."""
    texts = [*figure.texts]
    for axes in figure.axes:
        texts += [axes.title, axes._left_title, axes.xaxis.label, axes.yaxis.label, *axes.texts]
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            texts += [tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high]
    return [text for text in texts if text.get_visible() and text.get_text()]


@pytest.mark.parametrize(
    ("draw", "ends"),
    [
        *((lambda gap=gap: figures.learning_curves(history(0.1, 0.1 + gap)), 4) for gap in (0, 0.05, 0.2, 5)),
        (lambda: figures.learning_curves(history(0, 0, epochs=1)), 4),
        (lambda: figures.learning_curves(history(0, None, epochs=100)), 2),
        (lambda: grid(figures.predictions, 40, DIGITS, wrong=40), 0),
        (lambda: grid(figures.predictions, 40, CELLS, wrong=40, shape=(30, 20)), 0),
        (lambda: grid(figures.mistakes, 40, LETTERS, wrong=40, shape=(20, 30)), 0),
    ],
)
def test_no_two_texts_of_curves_and_grids_overlap(draw, ends, tmp_path):
    figure = draw()
    style.save(figure, tmp_path / "figure", round(figure.dpi))
    texts = drawn_texts(figure)
    boxes = [text.get_window_extent() for text in texts]
    assert min(box.height for box in boxes) > 5  # a text that was not drawn has an empty extent
    assert sum(text.get_text().startswith(("train ", "validation ")) for text in texts) == ends
    frames = [patch.get_window_extent() for patch in figure.axes[0].patches]
    assert len(frames) == (0 if ends else 40)
    for one, other in [*itertools.combinations(boxes, 2), *itertools.product(boxes, frames)]:
        assert not one.overlaps(other)


def test_names_are_text_and_not_formulas():
    names = ["$x$", "US$", "a$b$c", r"\frac", "x^2_3"]
    for figure in (
        confusion(5, names),
        grid(figures.mistakes, 5, names, wrong=5),
        figures.pictures([shown(1, "$x$")], 1),
    ):
        texts = [text.get_text() for text in drawn_texts(figure)]
        assert any(r"\$x\$" in text for text in texts)
        assert not any(is_math_text(text) for text in texts)


def test_long_names_are_wrapped_and_shortened_and_what_cannot_be_drawn_or_told_apart_becomes_a_number():
    assert style.legible(["Trouser", CELLS[0]], 20, 2) == ["Trouser", "Collecting Duct,\nConnecting Tubule"]
    dots = "\N{HORIZONTAL ELLIPSIS}"
    assert style.legible([CELLS[0], "x" * 50], 12, 2) == [f"Collecting\nDuct,{dots}", f"{'x' * 12}\n{'x' * 12}{dots}"]
    umlaut = "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}"
    names = ["Dress", KANA[0], umlaut, " ", "the very same 1", "the very same 2"]
    assert style.legible(names, 13, 1) == ["Dress", "#1", umlaut, "#3", "#4", "#5"]
    assert style.missing_glyphs([*KANA, *CELLS]) == sorted(KANA)


def test_numbers_in_dark_cells_of_the_confusion_matrix_are_white():
    axes = figures.confusion_matrix(np.array([[90, 8, 2], [0, 100, 0], [4, 0, 96]]), ["a", "b", "c"]).axes[0]
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    assert colors.pop("8") == "white"
    assert set(colors.values()) == {style.INK}


def test_of_many_classes_those_with_the_most_frequent_mistakes_are_shown():
    counts = 5 * np.eye(300, dtype=int)
    counts[299, 150], counts[7, 40], counts[40, 9] = 3, 2, 1
    figure = figures.confusion_matrix(counts, [str(k) for k in range(300)])
    axes = figure.axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [str(k) for k in [*range(23), 40, 150, 299]]
    drawn = {(names[int(y)], names[int(x)]): t.get_text() for t in axes.texts for x, y in [t.get_position()]}
    mistakes = {pair: n for pair, n in drawn.items() if pair[0] != pair[1]}
    assert mistakes == {("299", "150"): "3", ("7", "40"): "2", ("40", "9"): "1"}
    assert axes.images[0].get_array().max() == pytest.approx(100 * 3 / 8)  # of all images of class 299
    assert "only the 26 most confused of 300 classes are shown" in figure.get_suptitle()


MATRIX = np.array([[90, 10], [0, 100]])
TITLES = {
    "4 epochs of training: validation error rate 20.00%": lambda: figures.learning_curves(history(0.1, 0.2, 4)),
    "1 epoch of training: train error rate 60.00%": lambda: figures.learning_curves(history(0.1, None, 1)),
    "Accuracy 95.00% on 200 test images\nmost frequent confusion: no predicted as yes, 10 times": (
        lambda: figures.confusion_matrix(MATRIX, ["no", "yes"])
    ),
    "Predicted class and confidence of 40 of 10,000 test images: 2 mistakes (framed, \N{MULTIPLICATION X})": (
        lambda: grid(figures.predictions, 40, DIGITS, wrong=2)
    ),
    "Predicted class and confidence of 4 of 10,000 test images: no mistake": (
        lambda: grid(figures.predictions, 4, DIGITS)
    ),
    "The 3 most confident of 10,000 mistakes": lambda: grid(figures.mistakes, 3, DIGITS, wrong=3),
    "No mistakes": lambda: grid(figures.mistakes, 0, DIGITS),
    "1 picture: ": lambda: figures.pictures([shown(1)], 1),
    "The first 4 of 41 pictures": lambda: figures.pictures([shown(1)] * 4, 41),
    "No pictures": lambda: figures.pictures([], 0),
    "Weights of 64 of 128": lambda: figures.first_layer(np.ones((784, 64)), (28, 28), 128),
    "Expected calibration error: 1.23 percentage points": lambda: figures.reliability(*np.ones((3, 4)), 0.0123),
}


@pytest.mark.parametrize(("title", "draw"), TITLES.items())
def test_a_title_states_the_numbers(title, draw):
    assert draw().get_suptitle().startswith(title)


def test_a_confidence_below_1_is_never_shown_as_100_percent():
    assert [style.percent(fraction) for fraction in (0.0, 0.994, 0.9999, 1.0)] == ["0%", "99%", "99%", "100%"]
