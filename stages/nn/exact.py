"""Arithmetic with the same bits on every machine.

A computer rounds every sum, so the result depends on the order of the terms:

    (0.1 + 0.2) + 0.3 = 0.6000000000000001        0.1 + (0.2 + 0.3) = 0.6

A matrix product is hundreds of sums of hundreds of terms each. Every processor, every BLAS library and every number of
threads adds them in the order that suits it, and training amplifies a different last bit until the networks have
nothing in common but their accuracy.

The remedy is to round the operands, not the sums. `rounded` keeps a few bits of every number: the multiples of
2^(e - BITS), where 2^e is the least power of two that no entry of the array exceeds. Write two such operands as
integers times their units. The integers are at most 2^BITS, their products at most 2^(2 BITS), a sum of TERMS products
at most TERMS * 2^(2 BITS), and that is the range in which a floating-point number holds every integer:

                 BITS    TERMS    TERMS * 2^(2 BITS)
    float32         8      256        2^24
    float64        21    2,048        2^53

So no product and no partial sum is ever rounded, whatever the order, and the result is the same everywhere. A sum of
more terms is cut into pieces of TERMS, which are added one by one. This is block floating point (Drumond, Lin, Jaggi
and Falsafi, 2018, train with 8 bits) with products as exact as in the error-free transformation of Ozaki, Ogita, Oishi
and Rump (2012); see also Demmel and Nguyen (2013).

Training computes in float32. To nearest, entries below 1/512 of the largest would vanish, so gradients are rounded at
random: up or down, such that the mean is the number itself (Gupta, Agrawal, Gopalakrishnan and Narayanan, 2015).
Scores are computed in float64, whose 21 bits are as good as float32 without any of this.

Nothing else needs rounding: + - * / and sqrt of single numbers have the same bits everywhere, as IEEE 754 guarantees,
unless a compiler fuses two of them. The functions exp, log, tanh and cos do not, so they are written here in terms of
those operations. A reader who skips `rounded` reads the textbook.
"""

import hashlib
from collections.abc import Sequence
from math import factorial, frexp, ldexp, pi, sqrt
from typing import Any

import numpy as np

BITS: dict[np.dtype[Any], int] = {np.dtype(np.float32): 8, np.dtype(np.float64): 21}
LIMITS: dict[np.dtype[Any], Any] = {np.dtype(kind): np.finfo(kind) for kind in (np.float32, np.float64)}
MANTISSA = {kind: limits.nmant for kind, limits in LIMITS.items()}  # bits after the first
TERMS = {kind: 2 ** (MANTISSA[kind] + 1 - 2 * bits) for kind, bits in BITS.items()}
# 2^e is at least FINEST, so that a product of two units is a normal number (some processors flush others to zero), and
# at most LARGEST, so that no sum of products overflows.
FINEST = {kind: BITS[kind] + limits.minexp // 2 for kind, limits in LIMITS.items()}
LARGEST = {kind: ldexp(1.0, (limits.maxexp - TERMS[kind].bit_length()) // 2) for kind, limits in LIMITS.items()}
POOL = 2**18  # numbers for rounding at random
HINT = "use another build of NumPy"
FUNCTIONS = "7bc46814966b326944a0afe72db92f0f2bdc6937f8b3a1906f639b548c55cc1e"  # SHA-256 of some of their values
LN2_HIGH, LN2_LOW = 0.6931471803691238, 1.9082149292705877e-10  # ln 2; the first part times an integer is exact
EXP = [1 / factorial(n) for n in range(14)]  # Taylor series of e^x,
ATANH = [1 / (2 * n + 1) for n in range(11)]  # of atanh(x) / x in x^2,
COS = [(-1) ** n / factorial(2 * n) for n in range(16)]  # and of cos(x) in x^2


def rounded(a: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
    """Return `a` with BITS bits relative to its largest entry: to nearest, or with `rng` up or down at random."""
    return round_to(a, BITS[a.dtype], rng)


def round_to(
    a: np.ndarray, bits: int, rng: np.random.Generator | None = None, out: np.ndarray | None = None
) -> np.ndarray:
    """Return float32 or float64 `a` as multiples of 2^(e - bits), where 2^e is the least power of two >= all |a|.

    `a` plus 1.5 * 2^(e - bits + MANTISSA) has no room for finer bits: the addition rounds them off, to nearest, and
    the subtraction is exact. With `rng`, a random number from -1/2 to 1/2 unit is added first. Rounding to nearest
    twice is rounding once. All entries are NaN if one is not finite or larger than LARGEST.
    """
    above, below = (extreme.reduce(a, axis=None, initial=0) for extreme in (np.maximum, np.minimum))
    largest = float(max(above, -below))
    m, e = frexp(largest)
    unit = ldexp(1.0, max(e - (m == 0.5), FINEST[a.dtype]) - bits) if largest <= LARGEST[a.dtype] else np.nan
    C = a.dtype.type(1.5 * 2 ** MANTISSA[a.dtype] * unit)
    if rng is not None:
        a = a + noise(rng, a.size).astype(a.dtype, copy=False).reshape(a.shape) * a.dtype.type(unit)
    result: np.ndarray = np.add(a, C, out=out)
    result -= C
    return result


def matmul(a: np.ndarray, b: np.ndarray, out: np.ndarray | None = None) -> np.ndarray:
    """Return the product of a (..., N, D) and b (..., D, M), which are rounded: exact up to TERMS[their type] terms.

    A longer sum is cut into pieces, added in order.
    """
    terms = TERMS[a.dtype]
    product: np.ndarray = np.matmul(a[..., :terms], b[..., :terms, :], out=out)
    for start in range(terms, a.shape[-1], terms):
        product += a[..., start : start + terms] @ b[..., start : start + terms, :]
    return product


def total(a: np.ndarray, axis: int | None = None, keepdims: bool = False) -> Any:
    """Return the sum of `a` along an axis, or over all elements, in float64, of terms rounded so that it is exact."""
    count = a.size if axis is None else a.shape[axis]
    bits = min(51, 53 - (count - 1).bit_length())  # count * 2^bits <= 2^53
    return round_to(a.astype(np.float64), bits).sum(axis=axis, keepdims=keepdims)


def noise(rng: np.random.Generator, size: int) -> np.ndarray:
    """Return `size` numbers from -1/2 to 1/2, float32, from the pool: from a random place on, and around its end."""
    start = int(rng.random() * POOL)
    if start + size <= len(NOISE):
        return NOISE[start : start + size]
    return np.resize(NOISE[start : start + POOL], size)


def shuffled(bits: int) -> np.ndarray:
    """Return the integers from 0 to 2^bits - 1 in an order without pattern, by a hash that gives each of them once."""
    i, mask = np.arange(2**bits, dtype=np.uint32), np.uint32(2**bits - 1)
    for factor in (0x2C1B3C6D, 0x297A2D39, 0x1B56C4E9):  # odd, so each product modulo 2^bits is another
        i ^= i >> np.uint32(bits // 2)
        i = (i * np.uint32(factor)) & mask
    return i ^ (i >> np.uint32(bits // 2))


def exp(x: np.ndarray) -> np.ndarray:
    """Return e^x for x <= 0, in the type of x. NaN stays NaN.

    float64: x = k ln 2 + r, e^x = 2^k e^r, and e^r by its Taylor series, |r| <= ln(2) / 2. float32: x = r - k / STEPS,
    e^x = e^(-k / STEPS) (1 + r) with the first factor from a table, to a relative error of 6e-7.
    """
    if x.dtype == np.float32:
        x = np.maximum(x, np.float32(-DEEPEST))
        k = (x * np.float32(-STEPS)).astype(np.int32)
        e = EXP_TABLE.take(k, mode="clip")  # nothing to clip, unless x is NaN
        r = k.astype(np.float32)
        r *= np.float32(1 / STEPS)
        r += x
        r += np.float32(1)
        e *= r
        return e
    x = np.maximum(x, -746)  # below, the result is 0 anyway
    k = np.rint(x / LN2_HIGH)
    r = x - k * LN2_HIGH
    r -= k * LN2_LOW
    return np.ldexp(polynomial(EXP, r), k.astype(np.int32))


def log(x: np.ndarray) -> np.ndarray:
    """Return the natural logarithm of x > 0, in the type of x, from x = 2^k m: log x = k ln 2 + log m.

    float64: log m = 2 atanh s, s = (m - 1) / (m + 1), by its Taylor series. float32: log m is interpolated in a table,
    to an error of 3e-8 before the result is rounded.
    """
    m, k = np.frexp(x)
    if x.dtype == np.float32:
        m *= np.float32(LOG_STEPS)
        j = m.astype(np.int32)
        m -= j
        result: np.ndarray = k * np.float32(LN2_HIGH)  # in float64; as in the table, so that log 1 is 0
        result += LOG_TABLE.take(j, mode="clip")  # nothing to clip, unless x is NaN
        m *= LOG_SLOPE.take(j, mode="clip")
        result += m
        return result.astype(np.float32)
    low = m < sqrt(0.5)  # now m is in [sqrt(1/2), sqrt(2)], and |s| <= 0.172
    m, k = np.where(low, 2 * m, m), k - low
    s = (m - 1) / (m + 1)
    atanh = s * polynomial(ATANH, s * s)
    return np.asarray(k * LN2_HIGH + (k * LN2_LOW + 2 * atanh))


def tanh(x: np.ndarray) -> np.ndarray:
    """Return the hyperbolic tangent in the type of x: (1 - e^-2x) / (1 + e^-2x) for x > 0; it is an odd function."""
    e = exp(-2 * np.abs(x))
    result: np.ndarray = np.copysign((1 - e) / (1 + e), x)
    return result


def cos(x: Any) -> Any:
    """Return the cosine of x, in radians, in float64, by its Taylor series, for x not many turns from zero."""
    r = x - np.rint(x / (2 * pi)) * (2 * pi)
    return polynomial(COS, r * r)


def polynomial(coefficients: Sequence[float], x: Any) -> Any:
    """Return the sum over n of coefficients[n] x^n, by Horner's rule."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = result * x + coefficient
    return result


def standard_normal(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """Draw independent normal numbers of mean 0 and variance 1, from two uniform ones each (Box and Muller, 1958).

    NumPy's own are not the same on every machine: it draws the rare large ones with the C library's logarithm.
    """
    radius = np.sqrt(-2 * log(1 - rng.random(shape)))
    normal: np.ndarray = radius * cos(2 * pi * rng.random(shape))
    return normal


STEPS, DEEPEST = 1024, 32  # of the table of e^x: steps per unit, and the x down to which it goes
EXP_TABLE = exp(-np.arange(DEEPEST * STEPS + 1) / STEPS).astype(np.float32)
LOG_STEPS = 4096  # of the table of log m
LOG_TABLE = log(np.maximum(np.arange(LOG_STEPS + 1), LOG_STEPS // 2) / LOG_STEPS).astype(np.float32)  # from 1/2 to 1
LOG_SLOPE = np.append(np.diff(LOG_TABLE), np.float32(0))
# Evenly spaced, so that their mean is exactly zero; twice, so that a piece may wrap around the end.
NOISE = np.tile((shuffled(POOL.bit_length() - 1) + 0.5) / POOL - 0.5, 2).astype(np.float32)


def check_machine() -> None:
    """Raise ArithmeticError where products or functions do not come out as they do everywhere else.

    Products of the largest integers are compared with the same in integer arithmetic, the functions with their values
    on other machines, bit for bit.
    """
    for kind, bits in BITS.items():
        modulus = 2 ** (bits - 1) - 1  # the integers are in the upper half, so that their sums need every bit
        for N, D, M in ((16, TERMS[kind], 64), (128, 16, 128)):
            a = 2**bits - np.arange(N * D).reshape(N, D) * 48271 % modulus
            b = np.arange(D * M).reshape(D, M) * 16807 % modulus - 2**bits
            if not np.array_equal(matmul(a.astype(kind), b.astype(kind)), a @ b):
                raise ArithmeticError(f"this NumPy's BLAS does not multiply matrices in full {kind} precision; {HINT}")
    x = np.linspace(-3, -0.1, 30)
    x32 = x.astype(np.float32)
    values = exp(x), log(-x), tanh(x), cos(x), exp(x32), log(-x32), tanh(x32)
    found = hashlib.sha256(b"".join(a.astype(a.dtype.newbyteorder("<")).tobytes() for a in values)).hexdigest()
    if found != FUNCTIONS:
        raise ArithmeticError(f"this machine's floating-point arithmetic does not follow IEEE 754; {HINT}")
