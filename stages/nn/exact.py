"""Arithmetic with the same bits on every machine.

A computer rounds every sum, so the result depends on the order of the terms:

    (0.1 + 0.2) + 0.3 = 0.6000000000000001        0.1 + (0.2 + 0.3) = 0.6

A matrix product is hundreds of sums of hundreds of terms each. Every processor, every BLAS library and every number of
threads adds them in the order that suits it, and training magnifies a different last bit until the networks have
nothing in common but their accuracy.

The remedy is to round the operands, not the sums. `rounded` keeps BITS = 21 bits: the multiples of 2^(e - 21), where
2^e is the power of two above the largest entry. Write two such operands as integers times their unit: the integers
are at most 2^21, their products at most 2^42, a sum of TERMS = 2^11 products at most 2^53, and float64 holds every
integer up to 2^53. So no product and no partial sum is ever rounded, in whatever order, and the result is the same
everywhere. A sum of more terms is cut into pieces of TERMS, which are added one by one. This is one slice of the
error-free transformation of Ozaki, Ogita, Oishi and Rump (2012); see also Demmel and Nguyen (2013).

What is lost is what `rounded` drops: each operand has 21 bits relative to its largest entry, where float32 has 24
relative to each. Nothing else is: + - * / and sqrt of single numbers are rounded to the same bits everywhere, says IEEE
754, as long as each is an operation of its own. The functions exp, log, tanh and cos are not, so they are written here
in terms of those operations.

`EXACT` and `FAST` are the two arithmetics of a network; they have the same methods, and `FAST` is plain NumPy.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import factorial, frexp, ldexp, pi, sqrt
from typing import Any

import numpy as np

BITS = {np.dtype(np.float32): 8, np.dtype(np.float64): 21}
TERMS = {np.dtype(np.float32): 256, np.dtype(np.float64): 2048}
MANTISSA = {np.dtype(kind): np.finfo(kind).nmant for kind in (np.float32, np.float64)}  # bits after the first
FINEST = -479  # no unit is below 2^(FINEST - BITS) = 2^-500: a product of two units is still a float64
LARGEST = ldexp(1.0, 500)  # and no operand is this large: no sum of products overflows
HINT = "use another build of NumPy, or train.arithmetic: fast"
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # ln 2; the first part times an integer is exact
EXP = [1 / factorial(n) for n in range(14)]  # Taylor series of e^x,
ATANH = [1 / (2 * n + 1) for n in range(11)]  # of atanh(x) / x in x^2,
COS = [(-1) ** n / factorial(2 * n) for n in range(16)]  # and of cos(x) in x^2


def round_to(a: np.ndarray, bits: int, out: np.ndarray | None = None) -> np.ndarray:
    """Return the multiples of 2^(e - bits) nearest to float32 or float64 `a`; 2^e is at least the largest |a|."""
    above, below = (extreme.reduce(a, axis=None, initial=0) for extreme in (np.maximum, np.minimum))
    largest = float(max(above, -below))
    m, e = frexp(largest)
    e = max(e - (m == 0.5), -60)
    C = a.dtype.type(ldexp(1.5, e - bits + MANTISSA[a.dtype]) if largest < LARGEST else np.nan)
    result: np.ndarray = np.add(a, C, out=out)
    result -= C
    return result


def rounded(a: np.ndarray) -> np.ndarray:
    """Return `a` with BITS bits."""
    return round_to(a, BITS[a.dtype])


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of a (..., N, D) and b (..., D, M), both rounded already."""
    terms = TERMS[a.dtype]
    product: np.ndarray = np.matmul(a[..., :terms], b[..., :terms, :], out=out)
    for start in range(terms, a.shape[-1], terms):
        product += a[..., start : start + terms] @ b[..., start : start + terms, :]
    return product


def exp(x: np.ndarray) -> np.ndarray:
    """Return e^x in float64: x = k ln 2 + r, e^x = 2^k e^r, and e^r by its Taylor series, |r| <= ln(2) / 2."""
    x = np.clip(np.asarray(x, np.float64), -746, 710)  # beyond, the result is 0 or infinite anyway
    k = np.rint(x / LN2_HIGH)
    r = x - k * LN2_HIGH
    r -= k * LN2_LOW
    return np.ldexp(polynomial(EXP, r), k.astype(np.int32))


def log(x: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of x > 0 in float64: x = 2^k m, and log m = 2 atanh s, s = (m - 1) / (m + 1)."""
    m, k = np.frexp(np.asarray(x, np.float64))
    low = m < sqrt(0.5)  # now m is in [sqrt(1/2), sqrt(2)], and |s| <= 0.172
    m, k = np.where(low, 2 * m, m), k - low
    s = (m - 1) / (m + 1)
    atanh = s * polynomial(ATANH, s * s)
    result: np.ndarray = k * LN2_HIGH + (k * LN2_LOW + 2 * atanh)
    return result


def tanh(x: np.ndarray) -> np.ndarray:
    """Return the hyperbolic tangent in float64, (e^2x - 1) / (e^2x + 1) for x > 0; it is an odd function."""
    e = exp(2 * np.minimum(np.abs(x), 20))  # from there on it is 1
    result: np.ndarray = np.copysign(1 - 2 / (e + 1), x)
    return result


def cos(x: Any) -> Any:
    """Return the cosine of x, in radians, in float64, by its Taylor series, for x not many turns from zero."""
    turns = np.rint(np.asarray(x, np.float64) / (2 * pi))
    r = x - turns * (2 * pi)
    return polynomial(COS, r * r)


def polynomial(coefficients: Sequence[float], x: np.ndarray) -> np.ndarray:
    """Return the sum over n of coefficients[n] x^n, by Horner's rule."""
    result = np.full_like(x, coefficients[-1])
    for coefficient in reversed(coefficients[:-1]):
        result *= x
        result += coefficient
    return result


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw independent normal numbers of mean 0 and variance 1, from two uniform ones each (Box and Muller, 1958).

    NumPy's own are not the same on every machine: it draws the rare large ones with the C library's logarithm.
    """
    radius = np.sqrt(-2 * log(1 - rng.random(shape)))
    normal: np.ndarray = radius * cos(2 * pi * rng.random(shape))
    return normal
