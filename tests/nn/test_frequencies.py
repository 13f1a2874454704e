import numpy as np
import pytest

from stages.nn.exact import EXACT, FAST
from stages.nn.frequencies import LowFrequencies, waves

rng = np.random.default_rng(0)


def basis(low):
    """B (D, F), by definition: what each wave looks like as an image."""
    return low.fold(np.eye(low.F))


SHAPES = [(28, 28), (9, 12), (1, 20), (20, 1)]


@pytest.mark.parametrize(("frequencies", "F"), [(1, 1), (2, 3), (16, 136), (28, 406), (55, 784), (100, 784)])
def test_the_number_of_waves(frequencies, F):
    low = LowFrequencies((28, 28), frequencies, FAST)
    assert low.F == F
    assert basis(low).shape == (784, F)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frequencies", [1, 5, 40])
def test_the_basis_is_orthonormal(shape, frequencies):
    B = basis(LowFrequencies(shape, frequencies, FAST))
    np.testing.assert_allclose(B.T @ B, np.eye(B.shape[1]), atol=1e-13)


def test_the_waves_by_their_definition():
    down, across, i, j = 2, 1, 3, 7
    B = basis(LowFrequencies((9, 12), 4, FAST))
    order = [(k, m) for k in range(4) for m in range(4) if k + m < 4]
    wave = np.sqrt(2 / 9) * np.cos(np.pi * down * (i + 0.5) / 9)
    wave *= np.sqrt(2 / 12) * np.cos(np.pi * across * (j + 0.5) / 12)
    assert B[i * 12 + j, order.index((down, across))] == pytest.approx(wave, rel=1e-12)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize(("arithmetic", "tolerance"), [(FAST, 1e-12), (EXACT, 1e-5)], ids=["fast", "exact"])
def test_the_transform_is_a_product_with_the_basis(shape, arithmetic, tolerance):
    low = LowFrequencies(shape, 6, arithmetic)
    images = rng.standard_normal((7, shape[0] * shape[1]))
    np.testing.assert_allclose(low.transform(images), images @ basis(low), atol=tolerance)
    assert low.transform(images.astype(np.float32)).dtype == np.float32
    assert low.transform(images[:0]).shape == (0, low.F)


@pytest.mark.parametrize("frequencies", [1, 4, 8, 16, 27, 28, 40])
def test_in_a_coarser_image_no_wave_looks_like_a_low_one(frequencies):
    low = LowFrequencies((28, 28), frequencies, FAST)
    (points, _), kept = low.resolution, min(28, frequencies)
    every, chosen = waves(28, points, 28), waves(28, points, frequencies)  # sampled coarsely
    np.testing.assert_allclose(chosen @ every.T, (28 / points) * np.eye(kept, 28), atol=1e-12)
    assert points == min(28, 14 + (frequencies + 1) // 2)


def test_a_coarser_image_has_the_same_low_frequencies():
    low = LowFrequencies((28, 28), 8, FAST)
    assert low.resolution == (18, 18)

    def bump(n):
        y, x = np.indices((n, n)) + 0.5
        return np.exp(-((y * 28 / n - 12) ** 2 + (x * 28 / n - 15) ** 2) / 50).reshape(1, -1)

    fine, coarse = low.transform(bump(28)), low.transform(bump(18))
    np.testing.assert_allclose(coarse, fine, atol=0.001 * np.abs(fine).max())


def test_folded_weights_give_the_same_outputs_on_pixels():
    low = LowFrequencies((28, 28), 16, FAST)
    images, W = rng.standard_normal((5, 784)), rng.standard_normal((136, 10))
    np.testing.assert_allclose(images @ low.fold(W), low.transform(images) @ W, atol=1e-11)
    np.testing.assert_allclose(low.project(low.fold(W)), W, atol=1e-12)
    assert np.sum(low.fold(W) ** 2) == pytest.approx(np.sum(W**2))  # weight decay means the same
