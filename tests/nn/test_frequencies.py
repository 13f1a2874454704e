import numpy as np
import pytest

from stages.nn import frequencies as module
from stages.nn.exact import matmul
from stages.nn.frequencies import LowFrequencies, bits, waves

rng = np.random.default_rng(0)


def basis(low):
    """B (D, F), by definition: what each wave looks like as an image."""
    return low.fold(np.eye(low.F))


SHAPES = [(28, 28), (9, 12), (1, 20), (20, 1)]


@pytest.mark.parametrize(("frequencies", "F"), [(1, 1), (2, 3), (16, 136), (28, 406), (55, 784), (100, 784)])
def test_the_number_of_waves(frequencies, F):
    low = LowFrequencies((28, 28), frequencies)
    assert low.F == F
    assert basis(low).shape == (784, F)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("frequencies", [1, 5, 40])
def test_the_basis_is_orthonormal(shape, frequencies):
    B = basis(LowFrequencies(shape, frequencies))
    np.testing.assert_allclose(B.T @ B, np.eye(B.shape[1]), atol=2e-6)


def test_the_waves_by_their_definition():
    down, across, i, j = 2, 1, 3, 7
    B = basis(LowFrequencies((9, 12), 4))
    order = [(k, m) for k in range(4) for m in range(4) if k + m < 4]
    wave = np.sqrt(2 / 9) * np.cos(np.pi * down * (i + 0.5) / 9)
    wave *= np.sqrt(2 / 12) * np.cos(np.pi * across * (j + 0.5) / 12)
    assert B[i * 12 + j, order.index((down, across))] == pytest.approx(wave, abs=1e-6)


@pytest.mark.parametrize("shape", SHAPES)
def test_the_transform_is_a_product_with_the_basis(shape):
    low = LowFrequencies(shape, 6)
    images = rng.standard_normal((130, shape[0] * shape[1]))
    expected = images @ basis(low)
    np.testing.assert_allclose(low.transform(images), expected, atol=1e-5)
    result = low.transform(images.astype(np.float32))
    assert result.dtype == np.float32
    np.testing.assert_allclose(result, expected, atol=0.05)  # of numbers that reach 4, with 9 bits
    assert low.transform(images[:0]).shape == (0, low.F)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_every_order_of_the_images_in_memory_gives_the_same_bits(kind):
    low = LowFrequencies((28, 28), 16)
    images = rng.standard_normal((70, 784)).astype(kind)
    assert np.array_equal(low.transform(np.asfortranarray(images)), low.transform(images))


@pytest.mark.parametrize("terms", [1, 2, 22, 28, 32, 33, 64, 65, 1000])
@pytest.mark.parametrize(("kind", "room"), [(np.float32, 24), (np.float64, 53)])
def test_as_many_bits_as_an_exact_sum_leaves_room_for(terms, kind, room):
    most = bits(terms, np.dtype(kind))
    assert terms * 2 ** (2 * most) <= 2**room < terms * 2 ** (2 * most + 2) * 2


@pytest.mark.parametrize(("shape", "points"), [((28, 28), 784), ((28, 28), 484), ((40, 300), 12000)])
def test_no_sum_of_the_transform_is_rounded(shape, points, monkeypatch):
    def product(a, b):
        exact = np.matmul(a.astype(np.float64), b.astype(np.float64))  # has room for any of these sums
        assert np.array_equal(matmul(a, b), exact)
        return exact.astype(np.float32)

    monkeypatch.setattr(module, "matmul", product)
    images = rng.standard_normal((5, points)).astype(np.float32)
    images[0], images[1], images[2] = 4, 0, 3.999
    assert LowFrequencies(shape, 16).transform(images).dtype == np.float32


@pytest.mark.parametrize(("frequencies", "points"), [(1, 15), (4, 16), (8, 18), (16, 22), (27, 28), (40, 28)])
def test_a_coarser_image_has_the_same_low_frequencies(frequencies, points):
    """And no finer wave looks like one of them there."""
    low = LowFrequencies((28, 28), frequencies)
    assert low.resolution == (points, points)
    coarse, fine = (n / 28 * waves(28, n, 28) for n in (points, 28))  # every wave, as an image has it
    found, expected = (low.transform(np.kron(every, every)) for every in (coarse, fine))
    np.testing.assert_allclose(found, expected, atol=1e-5)


def test_folded_weights_give_the_same_outputs_on_pixels():
    low = LowFrequencies((28, 28), 16)
    images, W = rng.standard_normal((5, 784)), rng.standard_normal((136, 10)).astype(np.float32)
    folded = low.fold(W)
    np.testing.assert_allclose(images @ folded, low.transform(images) @ W, atol=1e-4)
    np.testing.assert_allclose(low.project(folded), W, atol=1e-5)
    assert folded.dtype == low.project(folded).dtype == np.float32
    assert np.sum(folded**2) == pytest.approx(np.sum(W**2), rel=1e-5)  # weight decay means the same
