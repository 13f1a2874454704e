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


@pytest.mark.parametrize("bend", [rotate, scale, shear, shift, elastic])
def test_nothing_at_most_is_nothing(bend):
    np.testing.assert_allclose(bend(STILL, 0.0, np.random.default_rng(0)), STILL, atol=1e-12)


def test_each_bends_as_it_says():
    """The pixel at row r, column c is looked for where the grid says: a dot there comes to (r, c)."""
    assert rotate(STILL, 90, Most())[:, 4, 8] == pytest.approx([-3, 0])  # right of the center comes what was above
    assert scale(STILL, 0.5, Most())[:, 2, 8] == pytest.approx([-3, 4.5])  # half as far out as it was: shrunk
    assert shear(STILL, 0.5, Most())[:, 6, 5] == pytest.approx([2, 1])
    assert shift(STILL, 1.5, Most())[:, 4, 5] == pytest.approx([1.5, 1.5])
    assert center(warp(dot(1, 5), rotate(STILL, 90, Most()))) == pytest.approx((4, 8))
    assert center(warp(dot(4, 5), shift(STILL, 1.5, Most()))) == pytest.approx((2.5, 3.5))


def test_between_pixels_it_is_interpolated_and_beyond_the_border_the_border_goes_on():
    ramp = np.tile(np.arange(11, dtype=np.float32), 9).reshape(1, -1)
    moved = warp(ramp, STILL + np.array([0, 0.25]).reshape(2, 1, 1)).reshape(SHAPE)
    np.testing.assert_allclose(moved[:, :10], np.tile(np.arange(10) + 0.25, (9, 1)), rtol=1e-6)
    assert (moved[:, 10] == 10).all()
    assert (warp(ramp, STILL + 100.0) == 10).all()


def test_elastic_pushes_as_far_as_it_says_and_neighbors_alike():
    rng = np.random.default_rng(0)
    still = np.mgrid[:28, :28].astype(float)
    pushes = np.stack([elastic(still, 0.6, rng) - still for _ in range(200)])
    assert np.sqrt((pushes**2).mean()) == pytest.approx(0.6, rel=0.05)
    assert np.corrcoef(pushes[:, 0, 14, 14], pushes[:, 0, 14, 15])[0, 1] > 0.9
    assert abs(np.corrcoef(pushes[:, 0, 2, 2], pushes[:, 0, 25, 25])[0, 1]) < 0.3


def test_every_image_is_warped_as_one_of_few_that_are_far_apart(monkeypatch):
    monkeypatch.setattr(augment, "SHARE", 4)
    images = np.tile(IMAGES[:1], (10, 1))
    Augmentation(SHAPE, shift=1.0)(images, np.random.default_rng(0))
    ways = {image.tobytes(): i for i, image in reversed(list(enumerate(images)))}
    assert sorted(ways.values()) == [0, 1, 2]  # ten images, three ways ...
    assert [ways[image.tobytes()] for image in images] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]  # ... taken in turn


def test_it_depends_on_its_generator_alone():
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
