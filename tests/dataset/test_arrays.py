import numpy as np
import pytest

from stages.dataset import arrays
from stages.dataset.arrays import normalize, one_hot, pixel_statistics, prepare
from stages.dataset.deskew import remove_skew

IMAGES = np.random.default_rng(0).integers(0, 256, (50, 7, 9), dtype=np.uint8)


def test_statistics_are_those_of_the_pixels():
    mean, std = pixel_statistics([IMAGES[:3], IMAGES[3:]])
    assert mean == pytest.approx(IMAGES.mean(), rel=1e-13)
    assert std == pytest.approx(IMAGES.std(), rel=1e-12)
    assert (mean, std) == pixel_statistics([IMAGES])
    upright = remove_skew(IMAGES // 32)
    mean, std = pixel_statistics([upright])
    assert mean == pytest.approx(upright.mean(dtype=float), rel=1e-13)
    assert std == pytest.approx(upright.std(dtype=float), rel=1e-12)


@pytest.mark.parametrize("rows", [0, 1, 3, 7, 8])
def test_chunks_cover_every_row_once_and_are_bounded(monkeypatch, rows):
    monkeypatch.setattr(arrays, "CHUNK", 30)
    for width in (9, 10, 30, 31):
        pieces = [np.arange(rows)[some] for some in arrays.chunks(rows, width)]
        assert [row for piece in pieces for row in piece] == list(range(rows))
        assert all(1 <= len(piece) <= max(1, 30 // width) for piece in pieces)


def test_normalize_flattens_and_standardizes():
    flat = normalize(IMAGES, *pixel_statistics([IMAGES]))
    assert flat.shape == (50, 63)
    assert flat.dtype == np.float32
    assert flat.flags.c_contiguous
    assert flat.mean(dtype=float) == pytest.approx(0, abs=1e-6)
    assert flat.std(dtype=float) == pytest.approx(1, abs=1e-6)
    assert flat[3, 10] == pytest.approx((float(IMAGES[3, 1, 1]) - IMAGES.mean()) / IMAGES.std(), rel=1e-5)


def test_equal_pixels_are_rejected():
    with pytest.raises(ValueError, match="all pixels of the training images are equal"):
        pixel_statistics([np.full((2, 3, 3), 7, np.uint8)])


def test_one_hot():
    targets = one_hot(np.array([2, 0], np.uint8), 3)
    assert targets.tolist() == [[0, 0, 1], [1, 0, 0]]
    assert targets.dtype == np.float32


def test_new_images_are_prepared_as_training_images_were(monkeypatch):
    mean, std = pixel_statistics([IMAGES])
    monkeypatch.setattr(arrays, "CHUNK", 7 * 63)
    assert np.array_equal(prepare(IMAGES, False, mean, std), normalize(IMAGES, mean, std))
    assert np.array_equal(prepare(IMAGES, True, mean, std), normalize(remove_skew(IMAGES), mean, std))
