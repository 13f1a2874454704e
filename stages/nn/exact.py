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

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import factorial, frexp, ldexp, pi, sqrt
from typing import Any

import numpy as np

BITS = 21
TERMS = 2 ** (53 - 2 * BITS)
MANTISSA = {np.dtype(kind): np.finfo(kind).nmant for kind in (np.float32, np.float64)}  # bits after the first
FINEST = -479  # no unit is below 2^(FINEST - BITS) = 2^-500: a product of two units is still a float64
LARGEST = ldexp(1.0, 500)  # and no operand is this large: no sum of products overflows
HINT = "use another build of NumPy, or train.arithmetic: fast"
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # ln 2; the first part times an integer is exact
EXP = [1 / factorial(n) for n in range(14)]  # Taylor series of e^x,
ATANH = [1 / (2 * n + 1) for n in range(11)]  # of atanh(x) / x in x^2,
COS = [(-1) ** n / factorial(2 * n) for n in range(16)]  # and of cos(x) in x^2


@dataclass(frozen=True)
class Rounded:
    """A rounded matrix: float64 multiples of 2^(e - BITS), at most 2^e. `rounded` makes one, and `T`."""

    values: np.ndarray
    dtype: np.dtype[Any]  # before it was rounded

    @property
    def T(self) -> Rounded:
        return Rounded(self.values.T, self.dtype)


Operand = np.ndarray | Rounded


def round_to(a: np.ndarray, bits: int) -> np.ndarray:
    """Return the multiples of 2^(e - bits) nearest to float32 or float64 `a`, where 2^e is above the largest |a|.

    `a` plus 1.5 * 2^(e - bits + mantissa) has no room for finer bits: the addition rounds them off, to nearest, and the
    subtraction is exact. All entries are NaN if one is NaN, infinite or too large: from 2^500 on in float64, and in
    float32 within a few powers of two of its largest number.
    """
    above, below = (extreme.reduce(a, axis=None, initial=0) for extreme in (np.maximum, np.minimum))
    largest = float(max(above, -below))
    e = max(frexp(largest)[1], FINEST)
    C = a.dtype.type(ldexp(1.5, e - bits + MANTISSA[a.dtype]) if largest < LARGEST else np.nan)
    result = a + C
    result -= C
    return result


def rounded(a: Operand) -> Rounded:
    """Return `a` with BITS bits relative to its largest entry; what is rounded already stays as it is."""
    return a if isinstance(a, Rounded) else Rounded(round_to(a, BITS).astype(np.float64, copy=False), a.dtype)


def matmul(a: Operand, b: Operand, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of a (..., N, D) and b (..., D, M) as an array of their type; exact once they are rounded."""
    a, b = rounded(a), rounded(b)
    x, y = a.values, b.values
    product = x[..., :TERMS] @ y[..., :TERMS, :]
    for start in range(TERMS, x.shape[-1], TERMS):
        product += x[..., start : start + TERMS] @ y[..., start : start + TERMS, :]
    if out is None:
        return product.astype(np.result_type(a.dtype, b.dtype), copy=False)
    out[:] = product
    return out


def total(a: Operand, axis: int | None = None, keepdims: bool = False, out: np.ndarray | None = None) -> Any:
    """Return the sum of `a` along an axis, or of all of it, in float64; the terms are rounded so that it is exact."""
    if isinstance(a, Rounded):
        terms = a.values
    else:
        a = np.asarray(a, np.float64)
        count = a.size if axis is None else a.shape[axis]
        terms = round_to(a, min(51, 53 - (count - 1).bit_length()))  # count * 2^bits <= 2^53
    result = terms.sum(axis=axis, keepdims=keepdims)
    if out is None:
        return result
    out[:] = result  # as `out` of the sum itself, NumPy would add up in its type
    return out


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


@dataclass(frozen=True)
class Arithmetic:
    """The operations of a network that can differ between machines; every other one is exact by itself."""

    rounded: Callable[[Any], Any]  # prepares a matrix that goes into several products
    matmul: Callable[..., np.ndarray]
    sum: Callable[..., Any]
    exp: Callable[[np.ndarray], np.ndarray]
    log: Callable[[np.ndarray], np.ndarray]
    tanh: Callable[[np.ndarray], np.ndarray]


EXACT = Arithmetic(rounded, matmul, total, exp, log, tanh)
FAST = Arithmetic(lambda a: a, np.matmul, np.sum, np.exp, np.log, np.tanh)
ARITHMETICS = {"exact": EXACT, "fast": FAST}


def check_machine() -> None:
    """Raise ArithmeticError where products or functions do not come out as everywhere else.

    Products of matrices of BITS-bit integers are compared with the same in integer arithmetic, the functions with their
    values on other machines, bit for bit.
    """
    for N, D, M in ((16, 784, 64), (128, 16, 128), (3, TERMS, 5)):
        a = np.arange(N * D).reshape(N, D) * 48271 % 2**BITS - 2 ** (BITS - 1)
        b = np.arange(D * M).reshape(D, M) * 16807 % 2**BITS - 2 ** (BITS - 1)
        if not np.array_equal(a.astype(np.float64) @ b.astype(np.float64), a @ b):
            raise ArithmeticError(f"this NumPy's BLAS does not multiply matrices in full float64 precision; {HINT}")
    x = np.linspace(0.1, 3, 30)
    for function, expected in ((exp, "80f29fcd"), (log, "3358048c"), (tanh, "bc154695"), (cos, "e5cf60da")):
        if hashlib.sha256(function(x).astype("<f8").tobytes()).hexdigest()[:8] != expected:
            raise ArithmeticError(f"floating-point numbers are not those of IEEE 754 here; {HINT}")
