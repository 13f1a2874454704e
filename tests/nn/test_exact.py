"""No result depends on the order of a sum, and nothing is lost but what `rounded` drops."""

import math
from fractions import Fraction

import numpy as np
import pytest

from stages.nn import exact
from stages.nn.exact import BITS, EXACT, FAST, TERMS, Rounded, matmul, rounded, total
from stages.nn.initializers import he_normal
from stages.nn.layers import ACTIVATIONS
from stages.nn.network import multilayer_perceptron
from stages.nn.training import loss_and_gradient

rng = np.random.default_rng(0)
A, B = rng.standard_normal((5, 300)), rng.standard_normal((300, 4)) * 10.0 ** rng.integers(-6, 6, (300, 4))


def test_the_order_of_a_sum_matters():
    """The three numbers of the explanation."""
    assert (0.1 + 0.2) + 0.3 == 0.6000000000000001
    assert 0.1 + (0.2 + 0.3) == 0.6


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("scale", [1e-30, 1.0, 3e20])
def test_rounded_keeps_the_bits_it_says(dtype, scale):
    a = (scale * rng.standard_normal(1000)).astype(dtype)
    values = rounded(a).values
    unit = 2.0 ** (math.frexp(np.abs(a).max())[1] - BITS)
    assert values.dtype == np.float64
    assert np.array_equal(values / unit, np.rint(values / unit))
    assert np.abs(values / unit).max() <= 2**BITS
    assert np.abs(values - a).max() <= unit / 2


def test_float32_and_float64_round_alike():
    a = rng.standard_normal(10_000).astype(np.float32)
    assert np.array_equal(rounded(a).values, rounded(a.astype(np.float64)).values)


def test_rounded_twice_is_rounded_once():
    once = rounded(A)
    assert rounded(once) is once
    assert np.array_equal(rounded(once.values).values, once.values)


@pytest.mark.parametrize("a", [np.zeros((3, 0)), np.zeros((2, 2)), np.full((2, 2), 1e-310), np.full(2, 1e-300)])
def test_nothing_and_next_to_nothing_round_to_zero(a):
    assert not rounded(a).values.any()


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e200])
def test_what_cannot_be_exact_is_nan(bad):
    assert np.isnan(rounded(np.array([1.0, bad])).values).all()


def by_fractions(a, b):
    """The product of two matrices in rational arithmetic."""
    return [[sum(Fraction(x) * Fraction(y) for x, y in zip(row, column, strict=True)) for column in b.T] for row in a]


def test_a_product_is_exact_once_its_operands_are_rounded():
    assert matmul(A, B).tolist() == [
        [float(x) for x in row] for row in by_fractions(rounded(A).values, rounded(B).values)
    ]


def test_the_worst_case_still_fits():
    """As many of the largest integers as there can be: the sum is 2^53, the last integer of float64 in a row."""
    most = np.full((1, TERMS), 2.0**BITS)
    one_less, one = most - np.eye(1, TERMS), np.where(np.arange(TERMS) == 0, 1.0, most)

    def product(a, b):
        kind = np.dtype(np.float64)
        return int(matmul(Rounded(a, kind), Rounded(b.T, kind)).item())

    assert product(most, most) == 2**53
    assert product(one_less, most) == 2**53 - 2**BITS
    assert product(one, one) == (TERMS - 1) * 2 ** (2 * BITS) + 1


@pytest.mark.parametrize("terms", [300, TERMS])
def test_the_order_of_the_terms_does_not_matter(terms):
    a, b = (rng.standard_normal(shape).astype(np.float32) for shape in ((6, terms), (terms, 7)))
    plain = set()
    for _ in range(10):
        order = rng.permutation(terms)
        assert np.array_equal(matmul(a[:, order], b[order]), matmul(a, b))
        plain.add((a[:, order] @ b[order]).tobytes())
    assert len(plain) > 1  # it does in plain float32


def test_a_long_sum_is_cut_into_pieces():
    a, b = rng.standard_normal((3, 2 * TERMS + 5)), rng.standard_normal((2 * TERMS + 5, 2))
    x, y = rounded(a).values, rounded(b).values
    expected = np.zeros((3, 2))
    for piece in (slice(TERMS), slice(TERMS, 2 * TERMS), slice(2 * TERMS, None)):
        expected += [[float(v) for v in row] for row in by_fractions(x[:, piece], y[piece])]
    assert np.array_equal(matmul(a, b), expected)


def test_a_product_can_be_written_into_an_array():
    out = np.empty((5, 4), np.float32)
    assert matmul(A, B, out=out) is out
    assert np.array_equal(out, matmul(A, B).astype(np.float32))


@pytest.mark.parametrize("shape", [(1,), (2,), (1000,), (7, 10), (100_000,)])
def test_a_sum_is_exact_in_any_order(shape):
    a = rng.standard_normal(shape)
    order = rng.permutation(a.size)
    assert total(a.reshape(-1)[order]) == total(a)
    assert total(a) == pytest.approx(math.fsum(a.reshape(-1)), abs=1e-6)
    if a.ndim == 2:
        assert np.array_equal(total(a, axis=0), total(a[::-1], axis=0))
        assert total(a, axis=1, keepdims=True).shape == (7, 1)


def test_a_sum_of_rounded_columns_is_exact():
    assert total(rounded(A), axis=0).tolist() == [math.fsum(column) for column in rounded(A).values.T]


@pytest.mark.parametrize(
    ("function", "numpy", "x", "tolerance"),
    [
        (exact.exp, np.exp, np.linspace(-700, 700, 10_001), 4e-16),
        (exact.exp, np.exp, np.linspace(-1e-9, 1e-9, 101), 4e-16),
        (exact.log, np.log, 10.0 ** np.linspace(-300, 300, 10_000), 4e-16),
        (exact.log, np.log, np.linspace(0.99, 1.01, 1000), 2e-14),
        (exact.tanh, np.tanh, np.linspace(0.1, 30, 10_001), 4e-15),
    ],
)
def test_functions_are_those_of_numpy(function, numpy, x, tolerance):
    np.testing.assert_allclose(function(x), numpy(x), rtol=tolerance)


def test_functions_at_the_ends():
    with np.errstate(all="ignore"):
        assert exact.exp(np.array([-np.inf, -1e9, 0.0, 1e9, np.inf])).tolist() == [0, 0, 1, np.inf, np.inf]
        assert np.isnan(exact.exp(np.array([np.nan]))).all()
    assert exact.tanh(np.array([-1e9, 0.0, 1e9])).tolist() == [-1, 0, 1]
    assert exact.log(np.array([1.0])).tolist() == [0]


def test_cosine():
    x = np.linspace(-10, 10, 10_001)
    np.testing.assert_allclose(exact.cos(x), np.cos(x), atol=4e-15)


def test_normal_numbers_are_normal():
    x = exact.standard_normal(np.random.default_rng(1), (1000, 1000))
    assert [np.mean(x), np.mean(x**2), np.mean(x**3), np.mean(x**4)] == pytest.approx([0, 1, 0, 3], abs=0.02)
    assert np.mean(np.abs(x) > 3) == pytest.approx(0.0027, rel=0.1)


def test_this_machine_is_exact():
    exact.check_machine()


def test_a_blas_of_lower_precision_is_noticed(monkeypatch):
    single = np.ndarray.__matmul__

    class Single(np.ndarray):
        def __matmul__(self, other):
            kind = np.float32 if self.dtype == np.float64 else self.dtype
            return single(self.astype(kind), other.astype(kind)).astype(self.dtype)

    original = np.arange
    monkeypatch.setattr(exact.np, "arange", lambda n: original(n).view(Single))
    with pytest.raises(ArithmeticError, match=r"BLAS does not multiply .* use another build of NumPy, or train.arithm"):
        exact.check_machine()


def test_functions_with_other_last_bits_are_noticed(monkeypatch):
    monkeypatch.setattr(exact, "exp", lambda x: np.nextafter(np.exp(x), 9))
    with pytest.raises(
        ArithmeticError, match=r"not those of IEEE 754 here; use another build of NumPy, or train.arithm"
    ):
        exact.check_machine()


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [50], [40, 30]], ids=str)
def test_gradients_are_those_of_float64_to_the_bits_kept(hidden, activation):
    """Every operand has an error of up to 2^-22 of its largest entry; the formulas themselves are checked elsewhere."""
    x, targets = rng.standard_normal((64, 100)), np.eye(10)[rng.integers(0, 10, 64)]
    networks = [
        multilayer_perceptron([100, *hidden, 10], activation, dtype=np.float64, arithmetic=a) for a in (EXACT, FAST)
    ]
    losses = []
    for network in networks:
        network.initialize(he_normal, np.random.default_rng(1))
        losses.append(loss_and_gradient(network, x, targets, weight_decay=1e-3))
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    error = np.abs(networks[0].grad - networks[1].grad).max() / np.abs(networks[1].grad).max()
    assert 0 < error < 16 * 2.0**-BITS


def test_a_sum_can_be_written_into_an_array():
    """NumPy would add up in the type of that array, float32, and round after each term."""
    a = rounded(rng.standard_normal((60_000, 1)))
    out = np.empty(1, np.float32)
    assert total(a, axis=0, out=out) is out
    assert out == np.float32(math.fsum(a.values[:, 0]))
