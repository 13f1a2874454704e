"""No result depends on the order of a sum, and nothing is lost but what `rounded` drops."""

import math
from fractions import Fraction

import numpy as np
import pytest

from stages.nn import exact
from stages.nn.exact import BITS, LARGEST, NOISE, POOL, TERMS, matmul, noise, rounded, total

KINDS = [np.dtype(np.float32), np.dtype(np.float64)]
rng = np.random.default_rng(0)


def power_above(a):
    """The least power of two that no entry exceeds."""
    return 2.0 ** np.ceil(np.log2(np.abs(a).max()))


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("scale", [1e-12, 1.0, 3e12])
@pytest.mark.parametrize("at_random", [False, True])
def test_rounded_keeps_the_bits_it_says(kind, scale, at_random):
    a = (scale * rng.standard_normal(1000)).astype(kind)
    r = rounded(a, rng if at_random else None)
    integers = r / (power_above(a) * 2.0 ** -BITS[kind])
    assert r.dtype == kind
    assert np.array_equal(integers, np.rint(integers))
    assert np.abs(integers).max() <= 2 ** BITS[kind]
    assert np.abs(r - a).max() <= power_above(a) * 2.0 ** -BITS[kind] * (1 if at_random else 0.5)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("largest", [1.0, 1 - 2.0**-24, 1 + 2.0**-23, 0.75, -1.0, -1 + 2.0**-24])
def test_rounded_twice_is_rounded_once(kind, largest):
    """Where the largest entry is a power of two, and where it rounds up to one, too."""
    once = rounded(np.append(rng.uniform(-0.7, 0.7, 1000), largest).astype(kind))
    assert np.array_equal(rounded(once), once)


@pytest.mark.parametrize("kind", KINDS)
def test_the_worst_case_still_fits(kind):
    """As many of the largest integers as there can be: the sum is 2^24 or 2^53, the last integer in a row."""
    terms, largest = TERMS[kind], 2.0 ** BITS[kind]
    most = np.full((1, terms), largest, kind)
    one_less, ones = most - np.eye(1, terms, dtype=kind), np.where(np.arange(terms) == 0, kind.type(1), most)
    assert terms * 4 ** BITS[kind] == 2 ** (np.finfo(kind).nmant + 1)
    assert matmul(most, most.T).item() == terms * 4 ** BITS[kind]
    assert matmul(one_less, most.T).item() == terms * 4 ** BITS[kind] - largest
    assert matmul(ones, ones.T).item() == (terms - 1) * 4 ** BITS[kind] + 1


@pytest.mark.parametrize("kind", KINDS)
def test_the_order_of_the_terms_does_not_matter(kind):
    terms = TERMS[kind]
    a, b = (rng.standard_normal(shape).astype(kind) for shape in ((6, terms), (terms, 7)))
    x, y, plain = rounded(a), rounded(b), set()
    exactly = sum(Fraction(p) * Fraction(q) for p, q in zip(x[0].tolist(), y[:, 0].tolist(), strict=True))
    assert matmul(x, y)[0, 0] == exactly
    for _ in range(10):
        order = rng.permutation(terms)
        assert np.array_equal(matmul(x[:, order], y[order]), matmul(x, y))
        plain.add((a[:, order] @ b[order]).tobytes())
    assert len(plain) > 1  # it does in plain floating point


@pytest.mark.parametrize("kind", KINDS)
def test_a_long_sum_is_cut_into_pieces(kind):
    """Their sums are rounded, in this order; the integers are so large that another order would show."""
    terms, largest = TERMS[kind], 2 ** BITS[kind]
    a, b = rng.integers(largest // 2, largest, (2, 30, 2 * terms + 1), endpoint=True)
    pieces = slice(terms), slice(terms, 2 * terms), slice(2 * terms, None)
    first, second, third = ((a[:, piece] @ b[:, piece].T).astype(kind) for piece in pieces)
    out = np.empty((30, 30), kind)
    assert matmul(a.astype(kind), b.T.astype(kind), out=out) is out
    assert np.array_equal(out, (first + second) + third)


@pytest.mark.parametrize("kind", KINDS)
def test_the_ends_of_the_scale(kind):
    """A product of two units is a normal number; what is too large for exact sums is NaN, and so is all else then."""
    small = rounded(np.geomspace(1e-44, 1.0, 2000).astype(kind) * kind.type(2.0 ** exact.FINEST[kind]))
    assert small[small > 0].min() ** 2 == np.finfo(kind).tiny
    assert not rounded(np.array([small[small > 0].min() / 4], kind)).any()
    assert not rounded(np.zeros((2, 2), kind)).any()
    assert rounded(np.zeros((3, 0), kind)).shape == (3, 0)
    largest = np.full((1, TERMS[kind]), LARGEST[kind], kind)
    assert np.isfinite(matmul(rounded(largest), rounded(-largest).T)).all()
    for bad in (np.nan, np.inf, -np.inf, -2 * LARGEST[kind]):
        for generator in (None, rng):
            assert np.isnan(rounded(np.array([1.0, bad], kind), generator)).all()


def test_the_pool_has_each_number_once_in_an_order_without_pattern():
    assert np.array_equal(np.sort(NOISE[:POOL]), (np.arange(POOL) + 0.5) / POOL - 0.5)
    neighbors = [np.corrcoef(NOISE[:POOL], np.roll(NOISE[:POOL], shift))[0, 1] for shift in (1, 2, 3, 10, 128, 256)]
    assert np.abs(neighbors).max() < 0.01


def test_noise_starts_anywhere_and_wraps_around():
    for size in (1, POOL - 1, POOL, POOL + 1, 3 * POOL + 7):
        drawn = noise(rng, size)
        start = int(np.flatnonzero(NOISE[:POOL] == drawn[0])[0])
        assert noise(rng, size)[0] != drawn[0]
        assert np.array_equal(drawn, NOISE[(start + np.arange(size)) % POOL])
    assert rounded(np.ones((POOL, 3), np.float32), rng).shape == (POOL, 3)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("value", [1e-5, -1e-3, 0.1, -0.3, 0.501, 0.7, 0.999, -1.0])
def test_rounding_at_random_has_no_bias(kind, value):
    """Over the whole pool, the mean is the number, also far below the unit, where rounding to nearest gives zero."""
    a = np.full(POOL + 1, value, kind)
    a[-1] = 1  # so that the unit is the same for each value
    mean = rounded(a, rng)[:-1].mean(dtype=np.float64)
    assert abs(mean - a[0]) <= 2.0 ** -(BITS[kind] + 16)


@pytest.mark.parametrize("shape", [(1,), (2,), (1000,), (7, 10), (100_000,)])
def test_a_sum_is_exact_in_any_order(shape):
    a = rng.uniform(1, 2, shape)
    assert total(rng.permutation(a.reshape(-1))) == total(a)
    assert total(a) == pytest.approx(math.fsum(a.reshape(-1)), abs=1e-6)
    assert np.array_equal(total(a, axis=0), total(a[::-1], axis=0))
    assert total(a, axis=0, keepdims=True).ndim == a.ndim


@pytest.mark.parametrize(
    ("function", "x", "relative", "absolute"),
    [
        (exact.exp, np.linspace(-32, 0, 100_001, dtype=np.float32), 6e-7, 0),
        (exact.exp, np.linspace(-1000, 0, 100_001, dtype=np.float32), 0, 6e-7),
        (exact.exp, np.linspace(-700, 0, 100_001), 4e-16, 0),
        (exact.log, np.geomspace(1e-30, 1e30, 100_001, dtype=np.float32), 8e-8, 6e-8),
        (exact.log, np.linspace(0.5, 2, 100_001, dtype=np.float32), 6e-8, 6e-8),
        (exact.log, np.geomspace(1e-300, 1e300, 10_000), 4e-16, 0),
        (exact.log, np.linspace(0.99, 1.01, 1001), 0, 4e-16),
        (exact.tanh, np.linspace(-30, 30, 100_001, dtype=np.float32), 0, 3e-7),
        (exact.tanh, np.linspace(-30, 30, 100_001), 0, 4e-16),
        (exact.cos, np.linspace(-10, 10, 10_001), 0, 4e-15),
    ],
)
def test_functions_are_those_of_numpy(function, x, relative, absolute):
    y = function(x)
    assert y.dtype == x.dtype
    np.testing.assert_allclose(y, getattr(np, function.__name__)(x.astype(float)), rtol=relative, atol=absolute)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.filterwarnings("ignore:invalid value:RuntimeWarning")
def test_functions_at_the_ends(kind):
    assert exact.exp(np.array([-np.inf, -1e9, -0.0], kind)) == pytest.approx([0, 0, 1], abs=2e-14)
    assert exact.tanh(np.array([-np.inf, -1e9, 0, 1e9, np.inf], kind)).tolist() == [-1, -1, 0, 1, 1]
    assert exact.log(np.array([1.0], kind)).tolist() == [0]
    assert np.isnan([function(np.array([np.nan], kind)) for function in (exact.exp, exact.log, exact.tanh)]).all()


def test_normal_numbers_are_normal():
    x = exact.standard_normal(np.random.default_rng(1), (1000, 1000))
    assert [np.mean(x), np.mean(x**2), np.mean(x**3), np.mean(x**4)] == pytest.approx([0, 1, 0, 3], abs=0.02)
    assert np.mean(np.abs(x) > 3) == pytest.approx(0.0027, rel=0.1)


@pytest.mark.parametrize("kind", KINDS)
def test_a_blas_that_drops_a_bit_is_noticed(kind, monkeypatch):
    def drops(a, b):
        y = matmul(a, b)
        m, e = np.frexp(y)
        return np.ldexp(np.rint(m * 2.0 ** np.finfo(kind).nmant), e - np.finfo(kind).nmant) if y.dtype == kind else y

    monkeypatch.setattr(exact, "matmul", drops)
    with pytest.raises(ArithmeticError, match=f"BLAS does not multiply .* {kind} precision; use another build"):
        exact.check_machine()


def test_functions_with_other_last_bits_are_noticed(monkeypatch):
    monkeypatch.setattr(exact, "exp", lambda x: np.nextafter(np.exp(x), x.dtype.type(9)))
    with pytest.raises(ArithmeticError, match="does not follow IEEE 754; use another build of NumPy"):
        exact.check_machine()
