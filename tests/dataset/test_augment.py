import numpy as np
import pytest

from stages.dataset import augment
from stages.dataset.augment import Augmentation, elastic, rotate, scale, shear, shift, warp

SHAPE = (9, 11)
STILL = (np.mgrid[:9, :11] - np.array([4.0, 5.0]).reshape(2, 1, 1))[None]  # one grid
IMAGES = np.random.default_rng(0).random((5, 99), dtype=np.float32)


class Most:
    """A generator that always draws the upper end."""

    def random(self, size=None):
        return np.full(size, 1.0)


def dot(row, column):
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, row, column] = 1
    return image.reshape(1, -1)


def center(image):
    y, x = np.mgrid[:9, :11]
    image = image.reshape(SHAPE)
    return float((y * image).sum() / image.sum()), float((x * image).sum() / image.sum())


def test_a_grid_at_rest_changes_nothing():
    assert np.array_equal(warp(IMAGES, STILL, SHAPE), IMAGES)


@pytest.mark.parametrize("distort", [rotate, scale, shear, shift, elastic])
def test_a_maximum_of_zero_changes_nothing(distort):
    np.testing.assert_allclose(distort(STILL, 0.0, np.random.default_rng(0)), STILL, atol=1e-12)


def test_each_distortion_by_value():
    """The new pixel at (r, c) is sampled where the grid says, so a dot there moves to (r, c)."""
    assert rotate(STILL, 90, Most())[0, :, 4, 8] == pytest.approx([-3, 0])  # right of the center: what was above it
    assert scale(STILL, 0.5, Most())[0, :, 2, 8] == pytest.approx([-3, 4.5])  # sampled farther out: the image shrinks
    assert shear(STILL, 0.5, Most())[0, :, 6, 5] == pytest.approx([2, 1])
    assert shift(STILL, 1.5, Most())[0, :, 4, 5] == pytest.approx([1.5, 1.5])
    assert center(warp(dot(1, 5), rotate(STILL, 90, Most()), SHAPE)) == pytest.approx((4, 8))
    assert center(warp(dot(4, 5), shift(STILL, 1.5, Most()), SHAPE)) == pytest.approx((2.5, 3.5))


def test_interpolation_between_pixels_and_repeated_edge_outside():
    ramp = np.tile(np.arange(11, dtype=np.float32), 9).reshape(1, -1)
    moved = warp(ramp, STILL + np.array([0, 0.25]).reshape(2, 1, 1), SHAPE).reshape(SHAPE)
    np.testing.assert_allclose(moved[:, :10], np.tile(np.arange(10) + 0.25, (9, 1)), rtol=1e-6)
    assert (moved[:, 10] == 10).all()
    assert (warp(ramp, STILL + 100.0, SHAPE) == 10).all()


@pytest.mark.parametrize("points", [(28, 28), (20, 20)])
def test_elastic_displacements_have_the_given_size_and_are_smooth(points):
    rng = np.random.default_rng(0)
    displacements = elastic(np.zeros((200, 2, *points)), 0.6, rng, (28 / points[0], 28 / points[1]))
    assert np.sqrt((displacements**2).mean()) == pytest.approx(0.6, rel=0.05)
    assert np.corrcoef(displacements[:, 0, 14, 14], displacements[:, 0, 14, 15])[0, 1] > 0.9
    assert abs(np.corrcoef(displacements[:, 0, 2, 2], displacements[:, 0, -3, -3])[0, 1]) < 0.3


def test_elastic_is_made_of_integers_that_do_not_depend_on_the_c_library():
    for n, spacing in ((1, 1.0), (28, 1.0), (300, 1.0), (20, 1.4), (20, 28 / 20), (10, 2.8), (5, 5.6)):
        G, _ = augment.gaussian(n, spacing)
        distance = np.arange(n) * spacing
        scaled = 2**7 * np.exp(-((distance / augment.SMOOTHNESS) ** 2) / 2)
        assert np.abs(scaled - np.floor(scaled) - 0.5).min() > 1e-6  # nowhere near the border between two integers
        assert np.array_equal(G[0], np.rint(scaled))
        assert G.sum(axis=1).max() ** 2 * augment.NOISE <= 2**24  # every sum of products is an integer of float32


def test_cosine_by_its_series():
    x = np.linspace(-5, 2, 50)
    np.testing.assert_allclose(augment.cosine(x), np.cos(x), atol=2e-14)


def test_a_warp_is_shared_by_images_that_are_far_apart(monkeypatch):
    monkeypatch.setattr(augment, "SHARE", 4)
    images = np.tile(IMAGES[:1], (10, 1))
    images = Augmentation(SHAPE, shift=1.0)(images, np.random.default_rng(0))
    warps = {image.tobytes(): i for i, image in reversed(list(enumerate(images)))}
    assert sorted(warps.values()) == [0, 1, 2]  # ten images, three warps ...
    assert [warps[image.tobytes()] for image in images] == [0, 1, 2, 0, 1, 2, 0, 1, 2, 0]  # ... taken in turn


def test_selected_rows_are_the_images_that_are_warped():
    rows = np.array([4, 0, 2])
    warps = Augmentation(SHAPE, 10, 0.1, 0.1, 1, 1)
    expected = warps(IMAGES[rows], np.random.default_rng(0))
    assert np.array_equal(warps(IMAGES, np.random.default_rng(0), rows), expected)


@pytest.mark.parametrize(("images", "grids"), [(1, 1), (4, 1), (5, 1), (9, 1), (5, 2), (12, 3), (2, 3)])
def test_every_image_passes_through_the_transform_once_and_in_its_place(images, grids, monkeypatch):
    monkeypatch.setattr(augment, "SHARE", 4)
    x = np.random.default_rng(0).random((images, 99), dtype=np.float32)
    sizes = []

    def first_two(new):
        sizes.append(len(new))
        assert new.T.flags.c_contiguous
        return new[:, :2].astype(np.float64)

    result = warp(x, np.repeat(STILL, grids, axis=0), SHAPE, transform=first_two)
    assert result.dtype == np.float64
    assert np.array_equal(result, x[:, :2])
    assert max(sizes) <= 4


def test_an_image_of_one_shade_stays_as_it_is_under_strong_warps():
    images = np.repeat(np.array([[-0.4374], [0], [2.91]], np.float32), 99, axis=1)
    warped = Augmentation(SHAPE, 180, 0.9, 2, 20, 8)(images, np.random.default_rng(0))
    np.testing.assert_allclose(warped, images, rtol=3e-7)


def test_augmentation_depends_on_its_generator_alone():
    def warped(seed):
        return Augmentation(SHAPE, 10, 0.1, 0.1, 1, 1)(IMAGES, np.random.default_rng(seed))

    assert np.array_equal(warped(1), warped(1))
    assert not np.array_equal(warped(1), warped(2))
    assert warped(1).dtype == np.float32


def test_the_new_images_can_be_coarser():
    y, x = (np.arange(28) + 0.5).reshape(-1, 1), np.arange(28) + 0.5
    image = (2 * y + x).astype(np.float32).reshape(1, -1)
    coarse = Augmentation((28, 28), resolution=(14, 7))(image, np.random.default_rng(0)).reshape(14, 7)
    expected = 2 * (2 * np.arange(14) + 1).reshape(-1, 1) + 4 * np.arange(7) + 2
    np.testing.assert_allclose(coarse, expected, rtol=1e-5)


def test_images_of_one_row_or_column():
    for shape in ((1, 6), (6, 1)):
        images = np.random.default_rng(0).random((3, 6), dtype=np.float32)
        grids = np.stack(np.meshgrid(*(np.arange(n) - (n - 1) / 2 for n in shape), indexing="ij"))[None]
        across = np.array([0.3, 0]) if shape[0] == 1 else np.array([0, 0.3])  # to where there are no pixels
        assert np.array_equal(warp(images, grids + across.reshape(2, 1, 1), shape), images)
        images = Augmentation(shape, 5, 0.1, 0.1, 0.5, 0.5)(images, np.random.default_rng(0))
        assert images.shape == (3, 6)
        assert np.isfinite(images).all()
