import numpy as np
import pytest

from stages.dataset import augment
from stages.dataset.augment import Augmentation, elastic, rotate, scale, shear, shift, warp

SHAPE = (9, 11)
STILL = np.mgrid[:9, :11] - np.array([4.0, 5.0]).reshape(2, 1, 1)
IMAGES = np.random.default_rng(0).random((5, 99), dtype=np.float32)


class Most:
    """A generator that always draws the upper end."""

    def uniform(self, low, high, size=None):
        return np.full(size, high) if size else high


def dot(row, column):
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, row, column] = 1
    return image.reshape(1, -1)


def center(image):
    y, x = np.mgrid[:9, :11]
    image = image.reshape(SHAPE)
    return float((y * image).sum() / image.sum()), float((x * image).sum() / image.sum())


def test_a_grid_at_rest_changes_nothing():
    assert np.array_equal(warp(IMAGES, STILL), IMAGES)


@pytest.mark.parametrize("distort", [rotate, scale, shear, shift, elastic])
def test_a_maximum_of_zero_changes_nothing(distort):
    np.testing.assert_allclose(distort(STILL, 0.0, np.random.default_rng(0)), STILL, atol=1e-12)


def test_each_distortion_by_value():
    """The new pixel at (r, c) is sampled where the grid says, so a dot there moves to (r, c)."""
    assert rotate(STILL, 90, Most())[:, 4, 8] == pytest.approx([-3, 0])  # right of the center: what was above it
    assert scale(STILL, 0.5, Most())[:, 2, 8] == pytest.approx([-3, 4.5])  # sampled farther out: the image shrinks
    assert shear(STILL, 0.5, Most())[:, 6, 5] == pytest.approx([2, 1])
    assert shift(STILL, 1.5, Most())[:, 4, 5] == pytest.approx([1.5, 1.5])
    assert center(warp(dot(1, 5), rotate(STILL, 90, Most()))) == pytest.approx((4, 8))
    assert center(warp(dot(4, 5), shift(STILL, 1.5, Most()))) == pytest.approx((2.5, 3.5))


def test_interpolation_between_pixels_and_repeated_edge_outside():
    ramp = np.tile(np.arange(11, dtype=np.float32), 9).reshape(1, -1)
    moved = warp(ramp, STILL + np.array([0, 0.25]).reshape(2, 1, 1)).reshape(SHAPE)
    np.testing.assert_allclose(moved[:, :10], np.tile(np.arange(10) + 0.25, (9, 1)), rtol=1e-6)
    assert (moved[:, 10] == 10).all()
    assert (warp(ramp, STILL + 100.0) == 10).all()


def test_elastic_displacements_have_the_given_size_and_are_smooth():
    rng = np.random.default_rng(0)
    still = np.mgrid[:28, :28].astype(float)
    displacements = np.stack([elastic(still, 0.6, rng) - still for _ in range(200)])
    assert np.sqrt((displacements**2).mean()) == pytest.approx(0.6, rel=0.05)
    assert np.corrcoef(displacements[:, 0, 14, 14], displacements[:, 0, 14, 15])[0, 1] > 0.9
    assert abs(np.corrcoef(displacements[:, 0, 2, 2], displacements[:, 0, 25, 25])[0, 1]) < 0.3


def test_a_warp_is_shared_by_images_that_are_far_apart(monkeypatch):
    monkeypatch.setattr(augment, "SHARE", 4)
    images = np.tile(IMAGES[:1], (10, 1))
    Augmentation(SHAPE, shift=1.0)(images, np.random.default_rng(0))
    warps = {image.tobytes(): i for i, image in reversed(list(enumerate(images)))}
    assert sorted(warps.values()) == [0, 1, 2]  # ten images, three warps ...
    assert [warps[image.tobytes()] for image in images] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]  # ... taken in turn


def test_augmentation_depends_on_its_generator_alone():
    def warped(seed):
        images = IMAGES.copy()
        Augmentation(SHAPE, 10, 0.1, 0.1, 1, 1)(images, np.random.default_rng(seed))
        return images

    assert np.array_equal(warped(1), warped(1))
    assert not np.array_equal(warped(1), warped(2))
    assert warped(1).dtype == np.float32


def test_an_augmentation_that_changes_nothing_is_false():
    assert not Augmentation(SHAPE)
    assert Augmentation(SHAPE, elastic=0.1)


def test_images_of_one_row_or_column():
    for shape in ((1, 6), (6, 1)):
        images = np.random.default_rng(0).random((3, 6), dtype=np.float32)
        Augmentation(shape, 5, 0.1, 0.1, 0.5, 0.5)(images, np.random.default_rng(0))
        assert np.isfinite(images).all()
