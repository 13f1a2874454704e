import gzip
from pathlib import Path

import numpy as np
import pytest

from stages.dataset.deskew import STEPS, moments, remove_skew

FIXTURE = Path(__file__).parents[1] / "fixture/t10k-images-idx3-ubyte.gz"
DIGITS = np.frombuffer(gzip.decompress(FIXTURE.read_bytes()), np.uint8, offset=16).reshape(-1, 28, 28)


def bar(slant):
    """A thick bar through the middle, slanted by `slant` columns per row."""
    y, x = np.mgrid[:28, :28] - 13.5
    return (255 * np.clip(2.5 - np.abs(x - slant * y), 0, 1) * (np.abs(y) < 9)).astype(np.uint8)


@pytest.mark.parametrize("slant", [-0.5, -0.2, 0.1, 0.4])
def test_a_slanted_bar_becomes_upright(slant):
    (before,), _ = moments(bar(slant)[None])
    assert before == pytest.approx(slant, abs=0.02)
    (after,), _ = moments(remove_skew(bar(slant)[None]))
    assert abs(after) < 0.01


def test_an_image_without_slant_is_unchanged():
    still = np.stack([bar(0), np.zeros((28, 28), np.uint8)])
    assert np.array_equal(remove_skew(still), still)
    row = np.zeros((1, 28, 28), np.uint8)
    row[0, 5] = np.arange(28)  # one row has no slant
    assert np.array_equal(remove_skew(row), row)


def test_every_digit_becomes_upright_and_keeps_its_center_and_mass():
    upright = remove_skew(DIGITS)
    assert upright.shape == DIGITS.shape
    assert upright.dtype == np.float32
    assert np.array_equal(upright, upright.astype(np.uint8))
    slant, center = moments(upright)
    assert np.abs(slant).max() < 0.05
    np.testing.assert_allclose(center, moments(DIGITS)[1], atol=0.05)
    mass = DIGITS.sum(axis=(1, 2), dtype=float)
    np.testing.assert_allclose(upright.sum(axis=(1, 2), dtype=float), mass, rtol=0.01)


@pytest.mark.parametrize("levels", [1, 2, 16, 100, 127])
def test_digits_in_few_levels_get_edges_as_smooth_as_in_many(levels):
    few = (DIGITS.astype(int) * levels // 255).astype(np.uint8)
    assert few.max() == levels
    many = few * np.uint8(255 // levels)
    upright, expected = remove_skew(few), remove_skew(many)
    assert np.abs(upright / levels - expected / many.max()).max() < 1 / 60
    assert np.array_equal(upright * STEPS, np.rint(upright * STEPS))
    slant, _ = moments(upright)
    assert np.abs(slant).max() < 0.05


def test_rounding_is_as_fine_as_the_brightest_pixel_of_each_image_requires():
    images = bar(0.3) // np.array([1, 2, 4, 255], np.uint8)[:, None, None]
    assert images.max(axis=(1, 2)).tolist() == [255, 127, 63, 1]
    upright = remove_skew(images)
    for image, finest in zip(upright, (1, 2, 4, 128), strict=True):
        assert np.array_equal(image * finest, np.rint(image * finest))
        assert finest == 1 or not np.array_equal(image * finest / 2, np.rint(image * finest / 2))


def test_deskewing_agrees_with_a_plain_loop():
    image, upright = DIGITS[7], remove_skew(DIGITS)[7]
    assert np.array_equal(remove_skew(DIGITS[7:8])[0], upright)  # whatever the other images
    y, x = np.mgrid[:28, :28]
    mass = image.sum(dtype=float)
    cx, cy = (image * x).sum() / mass, (image * y).sum() / mass
    slant = (image * (x - cx) * (y - cy)).sum() / (image * (y - cy) ** 2).sum()
    for row in range(28):
        at = np.arange(28) + slant * (row - cy)
        expected = np.interp(at, np.arange(28), image[row], left=0, right=0)
        assert np.abs(upright[row] - expected).max() <= 0.51


def test_images_whose_moments_would_not_be_exact_are_refused():
    with pytest.raises(ValueError, match=r"4000 x 4000 pixels are too many to deskew; set preprocess.deskew to false"):
        moments(np.zeros((0, 4000, 4000), np.uint8))
