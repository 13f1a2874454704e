"""Similarity of images: what it ignores, what it notices, and that no order of a sum matters."""

import numpy as np

from stages.dataset.similarity import UNIT, best_similarity, unit_vectors

RNG = np.random.default_rng(0)
IMAGES = RNG.random((5, 42)).astype(np.float32)
SHAPE = (6, 7)


def test_an_image_is_most_like_itself_whatever_its_contrast_and_background():
    a, b = unit_vectors(IMAGES, SHAPE, 0), unit_vectors(3 * IMAGES - np.float32(0.5), SHAPE, -0.5)
    np.testing.assert_allclose((a * b).sum(axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(best_similarity(a, b[::-1]), 1, atol=1e-5)
    assert (a @ b.T).argmax(axis=1).tolist() == [0, 1, 2, 3, 4]


def test_a_blurred_pixel_is_spread_over_its_neighbors():
    image = np.zeros((1, *SHAPE), np.float32)
    image[0, 2, 3] = 1
    seen = unit_vectors(image.reshape(1, -1), SHAPE, 0).reshape(SHAPE)
    expected = np.outer([1, 2, 1], [1, 2, 1]) / 6
    np.testing.assert_allclose(seen[1:4, 2:5], expected, atol=UNIT)
    assert np.count_nonzero(seen) == 9
    image[0] = 0
    image[0, 0, 0] = 1  # at the corner, the rest falls off
    np.testing.assert_allclose(unit_vectors(image.reshape(1, -1), SHAPE, 0)[0, :2], [0.8, 0.4], atol=UNIT)


def test_a_shift_by_a_pixel_matters_less_than_another_place():
    line = np.zeros((3, 12, 12), np.float32)
    for image, column in zip(line, (4, 5, 9), strict=True):
        image[2:10, column] = 1
    a, shifted, far = unit_vectors(line.reshape(3, -1), (12, 12), 0)
    assert a @ shifted > 0.6 > a @ far == 0


def test_a_blank_image_is_like_none():
    assert best_similarity(unit_vectors(np.zeros((1, 42), np.float32), SHAPE, 0), unit_vectors(IMAGES, SHAPE, 0)) == [0]


def test_sums_are_exact_in_any_order():
    a, b = unit_vectors(IMAGES, SHAPE, 0), unit_vectors(IMAGES[::-1], SHAPE, 0.1)
    order = np.random.default_rng(0).permutation(42)
    assert np.array_equal(best_similarity(a, b), best_similarity(a[:, order], b[:, order]))
    assert np.array_equal(a / UNIT, np.rint(a / UNIT))
