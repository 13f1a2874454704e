"""Digits as MNIST's were made: scaled into a box, and centered."""

import numpy as np

from stages.photos import center


def test_a_box_keeps_proportions_and_is_smooth():
    box = center.fit(np.full((100, 50), 255, np.uint8), 20)
    assert (box[:, 5:15] == 255).all()
    assert box.sum() == 255 * 200
    small = center.fit(np.array([[0, 200], [200, 0]], np.uint8), 20)
    assert small.max() == 255
    assert len(np.unique(small)) > 20


def test_every_sample_counts_alike_from_both_ends():
    for old, new in ((100, 20), (8, 20), (7, 3), (1, 5)):
        weights = center.tents(old, new)
        assert (weights.sum(axis=1) > 0).all()
        assert np.array_equal(weights, weights[::-1, ::-1])


def test_the_center_of_mass_comes_to_index_14():
    rng = np.random.default_rng(0)
    for _ in range(50):
        picture = (rng.integers(0, 256, (20, 20)) * (rng.random((20, 20)) < 0.3)).astype(np.uint8)
        image = center.center(picture, (28, 28))
        assert image.sum() == picture.sum()
        weights = image / image.sum()
        for axis in (0, 1):
            assert abs(weights.sum(axis=axis) @ np.arange(28) - 14) <= 0.5 + 1e-9


def test_a_picture_far_to_one_side_stays_inside():
    picture = np.zeros((20, 20), np.uint8)
    picture[:, 0] = picture[0] = 255
    assert center.center(picture, (28, 28)).sum() == picture.sum()
