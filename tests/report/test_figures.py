"""Figures show what their titles say, for any dataset, and the same numbers give the same bytes."""

import itertools
import sys
from types import SimpleNamespace

import numpy as np
import pytest

from stages.report import figures
from tests.helpers import project

rng = np.random.default_rng(0)


def history(epochs, validation=True):
    rows = []
    for k in range(1, epochs + 1):
        row = {"epoch": k, "train_loss": 1 / k, "train_accuracy": 1 - 0.3 / k}
        row |= {"validation_loss": 1.2 / k, "validation_accuracy": 1 - 0.4 / k}
        rows.append({name: str(value) for name, value in row.items()})
        if not validation:
            rows[-1] |= {"validation_loss": "", "validation_accuracy": ""}
    return rows


def history_ending_at(train, validation, epochs=20):
    """A history in which both the loss and the error rate end at these values; None leaves validation out."""
    rows = history(epochs, validation is not None)
    for split, end in (("train", train), ("validation", validation)):
        if end is not None:
            rows[-1] |= {f"{split}_loss": str(end), f"{split}_accuracy": str(1 - end)}
    return rows


def answers(n, classes, wrong=0):
    actual = np.arange(n) % len(classes)
    predicted = actual.copy()
    predicted[:wrong] = (actual[:wrong] + 1) % len(classes)
    return actual, predicted, rng.random(n), classes


def grid(draw, n, classes, wrong=0, shape=(28, 28)):
    images = rng.integers(0, 256, (n, *shape), dtype=np.uint8)
    return draw(images, *answers(n, classes, wrong), 10_000)


DIGITS = [str(digit) for digit in range(10)]
ARTICLES = ["T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot"]
CELLS = [
    "Collecting Duct, Connecting Tubule",
    "Distal Convoluted Tubule",
    "Glomerular endothelial cells",
    "Interstitial endothelial cells",
    "Leukocytes",
    "Podocytes",
    "Proximal Tubule Segments",
    "Thick Ascending Limb",
]
KANA = list("\N{HIRAGANA LETTER O}\N{HIRAGANA LETTER KI}\N{HIRAGANA LETTER SU}")
LETTERS = [f"the letter {chr(65 + i)}" for i in range(26)]


def counts(K):
    return rng.integers(0, 9, (K, K)) + 900 * np.eye(K, dtype=int)


def shown(digits, name="a picture.jpg", shape=(300, 400)):
    """A picture with so many digits in a row; without any, it has a problem."""
    box = [(50, 40 * n + 5, 90, 40 * n + 35) for n in range(digits)]
    found = [SimpleNamespace(box=b, image=np.eye(28), answer="7", confidence=0.51, sure=b[1] < 99) for b in box]
    problem = "" if digits else "not an image that can be read; save it as JPEG or PNG"
    thumbnail = rng.integers(0, 255, shape)
    return SimpleNamespace(name=name, thumbnail=thumbnail, shape=shape, digits=found, problem=problem)


CASES = {
    "curves": lambda: figures.learning_curves(history(12)),
    "curves, 1 epoch": lambda: figures.learning_curves(history(1)),
    "curves, no validation": lambda: figures.learning_curves(history(5, validation=False)),
    "confusion": lambda: figures.confusion_matrix(counts(10), DIGITS),
    "confusion, 26 letters": lambda: figures.confusion_matrix(counts(26), LETTERS),
    "confusion, cells": lambda: figures.confusion_matrix(counts(8), CELLS),
    "confusion, letters that the font lacks": lambda: figures.confusion_matrix(counts(3), KANA),
    "confusion, 65 classes": lambda: figures.confusion_matrix(counts(65), (LETTERS * 3)[:65]),
    "confusion, 257 classes": lambda: figures.confusion_matrix(counts(257), (LETTERS * 10)[:257]),
    "confusion, 2 classes, no mistake": lambda: figures.confusion_matrix(np.diag([5, 7]), ["no", "yes"]),
    "predictions": lambda: grid(figures.predictions, 40, DIGITS, wrong=2),
    "predictions, cells, wide": lambda: grid(figures.predictions, 40, CELLS, wrong=40, shape=(20, 30)),
    "mistakes, letters that the font lacks": lambda: grid(figures.mistakes, 3, KANA, wrong=3),
    "mistakes, none": lambda: figures.mistakes(np.empty((0, 28, 28), np.uint8), *answers(0, DIGITS), 0),
    "first layer": lambda: figures.first_layer(rng.standard_normal((784, 64)), (28, 28), 128),
    "first layer, all zero": lambda: figures.first_layer(np.zeros((784, 10)), (28, 28), 10),
    "reliability": lambda: figures.reliability(np.arange(15) ** 3, np.arange(15) / 15, np.linspace(0, 1, 15), 0.0123),
    "pictures": lambda: figures.pictures([shown(1), shown(0), shown(9), shown(2, shape=(900, 100))], 4),
    "pictures, unreadable": lambda: figures.pictures([SimpleNamespace(**{**vars(shown(0)), "thumbnail": None})], 1),
    "pictures, names that are no text": lambda: figures.pictures([shown(1, "$x$ " + "y" * 99), shown(1, KANA[0])], 2),
    "pictures, none": lambda: figures.pictures([], 0),
    "reliability, 1 bin": lambda: figures.reliability(np.array([9]), np.array([0.9]), np.array([1.0]), 0.1),
}


@pytest.mark.parametrize("draw", CASES.values(), ids=CASES)
def test_a_figure_fits_its_canvas(draw, tmp_path):
    figure = draw()
    figures.save(figure, tmp_path / "figure", 50)
    outer, inner = figure.bbox, figure.get_tightbbox().transformed(figure.dpi_scale_trans)
    slack = 0.02 * outer.width
    assert -slack < inner.x0 < inner.x1 < outer.x1 + slack
    assert -slack < inner.y0 < inner.y1 < outer.y1 + slack


def test_a_figure_has_the_same_bytes_whatever_the_users_configuration(tmp_path):
    script = (
        "import sys; from pathlib import Path; from tests.report import test_figures as t; "
        "t.figures.save(t.CASES['curves'](), Path(sys.argv[1]), 50)"
    )
    (tmp_path / "matplotlibrc").write_text("font.size: 30\nlines.linewidth: 9\nfigure.facecolor: black\n")
    project.must(
        project.ROOT, sys.executable, "-c", script, tmp_path / "own", MATPLOTLIBRC=str(tmp_path / "matplotlibrc")
    )
    figures.save(CASES["curves"](), tmp_path / "plain", 50)
    plain = (tmp_path / "plain").read_bytes()
    assert plain == (tmp_path / "own").read_bytes()
    assert plain.startswith(b"\x89PNG")
    assert b"Software" not in plain


def drawn_texts(figure):
    """Every visible text of a drawn figure."""
    yield from figure.texts
    for axes in figure.axes:
        yield from (axes.title, axes._left_title, axes._right_title, axes.xaxis.label, axes.yaxis.label, *axes.texts)
        for axis in (axes.xaxis, axes.yaxis):
            low, high = sorted(axis.get_view_interval())
            yield from (tick.label1 for tick in axis.get_major_ticks() if low <= tick.get_loc() <= high)


@pytest.mark.parametrize(
    "rows",
    [
        *(history_ending_at(0.1, 0.1 + gap) for gap in (0, 0.01, 0.05, 0.2, 5)),
        history_ending_at(0.5, 0.1),
        history_ending_at(0, 0.01, epochs=100),
        history_ending_at(0, 0, epochs=1),
        history_ending_at(0, None),
    ],
    ids=lambda rows: f"{len(rows)} epochs, {rows[-1]['train_loss']} and {rows[-1]['validation_loss'] or 'none'}",
)
def test_no_two_texts_of_the_learning_curves_overlap(rows, tmp_path):
    figure = figures.learning_curves(rows)
    figures.save(figure, tmp_path / "curves", round(figure.dpi))
    texts = [text for text in drawn_texts(figure) if text.get_visible() and text.get_text()]
    ends = [text.get_text() for text in texts if text.get_text().startswith(("train ", "validation "))]
    assert min(text.get_window_extent().height for text in texts) > 5  # a text that was not drawn has an empty extent
    assert len(ends) == (4 if rows[-1]["validation_loss"] else 2)
    for one, other in itertools.combinations(texts, 2):
        overlap = one.get_window_extent().overlaps(other.get_window_extent())
        assert not overlap, f"{one.get_text()!r} overlaps {other.get_text()!r}"


@pytest.mark.parametrize(
    ("draw", "shape", "classes"),
    [
        (figures.predictions, (28, 28), DIGITS),
        (figures.mistakes, (20, 30), ARTICLES),
        (figures.predictions, (30, 20), CELLS),
        (figures.mistakes, (28, 28), CELLS),
    ],
)
def test_no_two_texts_of_a_grid_overlap(draw, shape, classes, tmp_path):
    figure = grid(draw, 40, classes, wrong=40, shape=shape)
    figures.save(figure, tmp_path / "grid", round(figure.dpi))
    axes = figure.axes[0]
    texts = [text.get_window_extent() for text in axes.texts]
    frames = [patch.get_window_extent() for patch in axes.patches]
    assert len(texts) == len(frames) == 40
    for one, other in itertools.combinations(texts, 2):
        assert not one.overlaps(other)
    assert not any(text.overlaps(frame) for text in texts for frame in frames)


def test_class_names_are_text_not_formulas(recwarn, tmp_path):
    names = ["$", "US$", "a$b$c", r"\frac", "x^2_3"]
    for figure in (figures.confusion_matrix(counts(5), names), grid(figures.mistakes, 5, names, wrong=5)):
        figures.save(figure, tmp_path / "figure", 50)
        texts = [figure._suptitle, *figure.axes[0].texts, *figure.axes[0].get_xticklabels()]
        texts += figure.axes[0].get_yticklabels()
        assert not any(text.get_parse_math() for text in texts if "$" in text.get_text())
        assert any("US$" in text.get_text() for text in texts)
    assert not recwarn.list


def test_long_names_are_wrapped_and_then_shortened():
    assert figures.legible(["Trouser", "Collecting Duct, Connecting\nTubule"], 20, 2) == [
        "Trouser",
        "Collecting Duct,\nConnecting Tubule",
    ]
    shortened = figures.legible(["Collecting Duct, Connecting Tubule", "x" * 50], 12, 2)
    assert shortened == ["Collecting\nDuct,\N{HORIZONTAL ELLIPSIS}", f"{'x' * 12}\n{'x' * 12}\N{HORIZONTAL ELLIPSIS}"]


def test_names_that_cannot_be_drawn_or_told_apart_become_class_numbers(recwarn, tmp_path):
    names = ["Dress", *KANA, "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}", " ", "the very same 1", "the very same 2"]
    legible = figures.legible(names, 13, 1)
    assert legible == ["Dress", "#1", "#2", "#3", "\N{LATIN CAPITAL LETTER U WITH DIAERESIS}", "#5", "#6", "#7"]
    assert figures.missing_letters(names) == sorted(KANA)
    assert figures.missing_letters([*DIGITS, *CELLS]) == []
    for figure in (figures.confusion_matrix(counts(8), names), grid(figures.mistakes, 8, names, wrong=8)):
        figures.save(figure, tmp_path / "figure", 50)
        assert "#N is class N, counted from 0" in title(figure)
    assert not recwarn.list
    many = [chr(ord("\N{CJK UNIFIED IDEOGRAPH-4E00}") + k) for k in range(100)]
    assert "#N is class N" in title(figures.confusion_matrix(counts(100), many))  # for the most frequent confusion
    assert "#N" not in title(figures.confusion_matrix(counts(10), ARTICLES))
    assert "#N" not in title(grid(figures.predictions, 1, ["Dress", *KANA]))  # none is shown


def test_numbers_in_dark_cells_of_the_confusion_matrix_are_white():
    axes = figures.confusion_matrix(np.array([[90, 8, 2], [0, 100, 0], [4, 0, 96]]), ["a", "b", "c"]).axes[0]
    colors = {text.get_text(): text.get_color() for text in axes.texts}
    assert colors.pop("8") == "white"
    assert set(colors.values()) == {figures.INK}


@pytest.mark.parametrize("K", [2, 26, 27, 64, 65, 257])
def test_a_confusion_matrix_of_bounded_size_leaves_out_counts_then_names_then_classes(K):
    figure = figures.confusion_matrix(counts(K), [f"class {k}" for k in range(K)])
    axes, all_shown = figure.axes[0], min(K, 26) if K > 256 else K
    assert max(figure.get_size_inches()) < 14
    assert axes.images[0].get_array().shape == (all_shown, all_shown)
    assert bool(axes.texts) == (all_shown <= 26)
    names = {label.get_text() for label in axes.get_xticklabels()}
    assert any(name.startswith("class ") for name in names) == (all_shown <= 64)
    assert ("class numbers" in axes.get_xlabel()) == (all_shown > 64)
    assert ("only the 26 most confused of 257 classes are shown" in title(figure)) == (K == 257)


def test_the_most_confused_classes_are_those_of_the_most_frequent_mistakes():
    counts = 5 * np.eye(300, dtype=int)
    counts[299, 150], counts[7, 40], counts[40, 9] = 3, 2, 1
    axes = figures.confusion_matrix(counts, [str(k) for k in range(300)]).axes[0]
    names = [label.get_text() for label in axes.get_yticklabels()]
    assert names == [str(k) for k in [*range(23), 40, 150, 299]]
    drawn = {(names[int(y)], names[int(x)]): t.get_text() for t in axes.texts for x, y in [t.get_position()]}
    assert {pair: n for pair, n in drawn.items() if pair[0] != pair[1]} == {
        ("299", "150"): "3",
        ("7", "40"): "2",
        ("40", "9"): "1",
    }
    assert axes.images[0].get_array().max() == pytest.approx(100 * 3 / 8)  # of all images of class 299


def title(figure):
    return figure.get_suptitle()


def test_titles_state_the_numbers():
    assert title(figures.learning_curves(history(4))) == "4 epochs of training: validation error rate 10.00 %"
    assert title(figures.learning_curves(history(1, False))) == "1 epoch of training: train error rate 30.00 %"
    matrix = np.array([[90, 10], [0, 100]])
    expected = "Accuracy 95.00 % on 200 test images\nmost frequent confusion: no predicted as yes, 10 times"
    assert title(figures.confusion_matrix(matrix, ["no", "yes"])) == expected
    assert "2 mistakes" in title(grid(figures.predictions, 40, DIGITS, wrong=2))
    assert "no mistake" in title(grid(figures.predictions, 40, DIGITS))
    assert "confidence" in title(grid(figures.predictions, 40, DIGITS))
    assert title(grid(figures.mistakes, 3, DIGITS, wrong=3)).endswith("confidence")
    assert title(grid(figures.mistakes, 3, DIGITS, wrong=3)).startswith("The 3 most confident of 10,000 mistakes")
    assert "No mistakes" in title(figures.mistakes(np.empty((0, 28, 28), np.uint8), *answers(0, DIGITS), 0))
    assert title(figures.pictures([shown(1)], 1)).startswith("1 picture: ")
    assert title(figures.pictures([shown(1)] * 40, 41)).startswith("The first 40 of 41 pictures")
    assert title(figures.pictures([], 0)) == "No pictures"
    assert "64 of 128" in title(figures.first_layer(np.ones((784, 64)), (28, 28), 128))
    assert "1.23 percentage points" in title(figures.reliability(*np.ones((3, 4)), 0.0123))


def test_a_confidence_below_1_is_never_shown_as_100_percent():
    assert [figures.percent(fraction) for fraction in (0.0, 0.994, 0.9999, 1.0)] == ["0 %", "99 %", "99 %", "100 %"]
