"""Photographs in each condition: every digit is found, none else, in reading order, and looks like the one drawn."""

import numpy as np
import pytest

from experiments.photos.__main__ import CONDITIONS, photographs, write
from stages.photos import decode, ink, lines, segment, sheet

COUNT = 3  # photographs in each condition


@pytest.mark.parametrize("condition", CONDITIONS)
def test_the_digits_are_read_in_every_condition(drawn, answer, tmp_path, condition):
    count = 1 if condition == "12 megapixels" else COUNT
    wrong = 0
    for data, labels in photographs(condition, drawn[0][:99], drawn[1][:99], count):
        (tmp_path / "photo").write_bytes(data)
        try:
            wrong += answer(segment.find(decode.read(tmp_path / "photo"), (28, 28)).digits) != labels
        except ValueError:
            wrong += 1
    assert wrong <= (condition == "margin of 0 pixels")  # a 1 without paper is a plain bar


def find(gray):
    return segment.find(np.stack([gray] * 3, axis=2), (28, 28))


def row(drawn, **how):
    """Gray paper with two digits, dark on light."""
    return (220 - 180 * write([drawn[0][:2]], np.random.default_rng(0), height=120, margin=40, **how)).astype(np.uint8)


def test_specks_dashes_and_what_differs_at_the_edge_are_left_out_and_said(drawn):
    paper = row(drawn)
    boxes = [digit.box for digit in find(paper).digits]
    paper[10:16, 10:16] = paper[20:24, 100:160] = 20
    paper[60:100, -12:] = 20
    found = find(paper)
    np.testing.assert_allclose([digit.box for digit in found.digits], boxes, atol=2)
    assert found.note.endswith("; 2 other shapes left out")


def test_a_digit_that_may_be_cut_off_is_marked(drawn):
    paper = row(drawn)
    assert [digit.cut_off for digit in find(paper).digits] == [False, False]
    assert [digit.cut_off for digit in find(paper[:, :-55]).digits] == [False, True]


def test_pieces_above_each_other_are_one_digit():
    paper = np.full((200, 200), 230, np.uint8)
    paper[60:70, 90:130] = 30  # the bar of a five,
    paper[78:150, 90:100] = 30  # and what is below it
    assert [digit.box for digit in find(paper).digits] == [(60, 90, 150, 130)]


@pytest.mark.parametrize("tilt", [-0.03, 0.03])
def test_tilted_lines_are_removed(drawn, tilt):
    paper = row(drawn)
    boxes = [digit.box for digit in find(paper).digits]
    for column in range(paper.shape[1]):
        for top in range(20, len(paper), 45):
            at = max(0, int(top + tilt * column))
            paper[at : at + 2, column] = 40
    np.testing.assert_allclose([digit.box for digit in find(paper).digits], boxes, atol=3)


def test_an_image_of_mnist_is_found_as_it_is(drawn, answer):
    for digit in (drawn[0][3], 255 - drawn[0][3]):
        found = find(digit)
        assert answer(found.digits) == [drawn[1][3]]
        assert found.note.startswith("dark on light (border" if digit[0, 0] == 255 else "light on dark (border")


def test_flattening_a_quadrilateral_maps_its_corners():
    picture = np.arange(100 * 120).reshape(100, 120)
    np.testing.assert_array_equal(
        sheet.flatten(picture, np.array([(10, 20), (60, 20), (60, 80), (10, 80)])), picture[21:79, 11:59]
    )
    turned = sheet.flatten(picture, np.array([(100, 10), (110, 80), (30, 90), (20, 5)]))
    assert abs(turned[0, 0] % 120 - 99) <= 3 >= abs(turned[0, 0] // 120 - 10)
    assert abs(turned[-1, -1] % 120 - 31) <= 3 >= abs(turned[-1, -1] // 120 - 88)


def test_beyond_the_border_is_paper_where_ink_touches_it_and_shadow_where_one_falls():
    grid = np.full((30, 30), 200)
    grid[0, :9] = grid[:5, 0] = grid[29, 9:15] = 50
    assert (ink.beyond(grid)[: ink.REACH] == 200).all()
    assert (ink.beyond(grid)[-ink.REACH :] == 200).all()
    grid[:, 15:] = 60
    assert (ink.beyond(grid)[: ink.REACH, -9:] == 60).all()


def noise(shape, level=200):
    return np.random.default_rng(0).normal(level, 5, shape).astype(np.uint8)


def repeat(tile):
    return np.tile(np.pad(np.zeros(tile, np.uint8), ((0, 30), (0, 30)), constant_values=200), (12, 12))


@pytest.mark.parametrize(
    ("picture", "message"),
    [
        (np.zeros((50, 60), np.uint8), "blank"),
        (np.full((1, 1), 255, np.uint8), "blank"),
        (noise((300, 200)), "blank"),
        (np.linspace(90, 220, 400).astype(np.uint8).repeat(300).reshape(400, 300), "blank"),  # a gradient of light
        (np.where(np.arange(300)[:, None] % 40 < 2, 90, noise((300, 200))), "only specks and ruled lines"),
        (repeat((20, 20)), "144 shapes; crop the picture to the digits"),
        ((np.random.default_rng(0).random((900, 900)) < 0.1).astype(np.uint8) * 255, r"noise, \d+ specks"),
    ],
)
def test_a_picture_without_a_digit_says_so(picture, message):
    with pytest.raises(ValueError, match=message) as raised:
        find(picture.astype(np.uint8))
    assert "\n" not in str(raised.value)


def test_the_work_is_bounded_whatever_is_in_a_picture(monkeypatch):
    """Boxes in boxes: what is looked at for boxes is a few times the picture; noise never gets there."""
    seen = []
    monkeypatch.setattr(lines, "is_box", lambda piece: bool(seen.append(piece.size)))
    nested = np.zeros((600, 600), bool)
    for k in range(4, 290, 8):
        nested[k:-k, k:-k] = True
        nested[k + 3 : -k - 3, k + 3 : -k - 3] = False
    lines.remove_lines(nested)
    assert 0 < sum(seen) <= lines.BOXES * nested.size
    seen.clear()
    lines.remove_lines((np.indices((600, 600)) % 3 == 0).all(axis=0))
    assert not seen


def test_otsu_is_the_best_split():
    gray = np.random.default_rng(0).choice(256, 5000, p=(w := np.random.default_rng(1).random(256)) / w.sum())
    threshold, below, above = ink.otsu(gray.astype(np.uint8))

    def between(t):
        low = gray <= t
        return low.mean() * (1 - low.mean()) * (gray[low].mean() - gray[~low].mean()) ** 2

    assert threshold == max(range(1, 255), key=between)
    assert (below, above) == (int(gray[gray <= threshold].mean()), int(gray[gray > threshold].mean()))
    assert ink.otsu(np.full((3, 3), 7, np.uint8)) == (255, 0, 0)
