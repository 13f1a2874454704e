"""Similarity of images, insensitive to contrast and to shifts of a pixel."""

from typing import Any

import numpy as np

UNIT = 2.0**-20  # vectors are rounded to it, so that products of two, and any sum of them, are exact
CHUNK = 256  # rows at a time, so that memory stays flat


def unit_vectors(flat: np.ndarray, shape: tuple[int, int], background: float) -> np.ndarray:
    """Return normalized images (N, rows * columns) blurred and scaled to length 1, as float64; blank ones are zero.

    Each pixel is mixed with its eight neighbors, in the proportions 1 2 1 down and across.
    """
    rows, columns = shape
    ink: Any = flat.reshape(len(flat), rows, columns).astype(np.float64) - background
    for axis in (1, 2):
        ink = np.pad(ink, [(0, 0), *((int(axis == a),) * 2 for a in (1, 2))])
        before, here, after = (np.take(ink, range(i, ink.shape[axis] - 2 + i), axis) for i in range(3))
        ink = before + 2 * here + after
    blurred = ink.reshape(flat.shape)
    bits = (53 - (blurred.shape[1] - 1).bit_length()) // 2  # of a pixel, so that any sum of their squares is exact
    _, e = np.frexp(np.abs(blurred).max(axis=1, keepdims=True))  # 2^e is above the largest
    whole = np.rint(np.ldexp(blurred, bits - e))
    length = np.sqrt(np.square(whole).sum(axis=1, keepdims=True))
    result: np.ndarray = np.rint(whole / np.where(length > 0, length, 1) / UNIT) * UNIT
    return result


def best_similarity(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """Return the cosine (N,) of each unit vector in a (N, D) with the most similar of b (M, D), at most 1."""
    chunks = [(a[start : start + CHUNK] @ b.T).max(axis=1) for start in range(0, max(len(a), 1), CHUNK)]
    return np.concatenate(chunks)
