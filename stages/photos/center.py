"""One digit as MNIST's were made: scaled into a box with its proportions kept, its center of mass in the middle.

Every number is an integer, or a sum of integers that float64 holds exactly, so the result is the same on every machine.
"""

from fractions import Fraction

import numpy as np

BOX = Fraction(20, 28)  # of the side of MNIST's images, the box around a digit


def like_mnist(soft: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return ink, uint8 (rows, columns), 255 is full, as an image of `shape`."""
    return center(fit(soft, round(BOX * min(shape))), shape)


def tents(old: int, new: int) -> np.ndarray:
    """Return weights (new, old) that scale `old` samples smoothly to `new`, as whole numbers in float64.

    Each new sample is a mean of the old ones near it, weighted by a triangle as wide as two samples of the coarser.
    """
    centers, samples = (2 * np.arange(new) + 1) * old, (2 * np.arange(old) + 1) * new
    distance = np.abs(np.clip(centers, samples[0], samples[-1])[:, None] - samples)
    return np.maximum(2 * max(old, new) - distance, 0).astype(np.float64)


def resize(picture: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    """Return a picture of whole numbers (rows, columns) scaled smoothly to `shape`, rounded down."""
    down, across = (tents(old, new) for old, new in zip(picture.shape, shape, strict=True))
    scale = down.sum(axis=1)[:, None] * across.sum(axis=1)
    result: np.ndarray = down @ picture.astype(np.float64) @ across.T // scale  # exact: whole numbers below 2^53
    return result


def fit(soft: np.ndarray, side: int) -> np.ndarray:
    """Return ink scaled smoothly, its proportions kept, into the middle of a box side x side, its most full at 255."""
    longest = max(soft.shape)
    small = resize(soft, tuple(max(1, (2 * n * side + longest) // (2 * longest)) for n in soft.shape))
    small = small * 255 // max(small.max(), 1)
    box = np.zeros((side, side), np.uint8)
    top, left = ((side - n) // 2 for n in small.shape)
    box[top : top + small.shape[0], left : left + small.shape[1]] = small
    return box


def center(picture: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return a picture uint8 (side, side) in an image of `shape`, its center of mass moved to the middle.

    It moves by whole pixels; the middle is index 14 of 28: center() of stages/report/web/prepare.js.
    """
    side = len(picture)
    ink = picture.astype(np.int64)
    mass = max(int(ink.sum()), 1)
    image = np.zeros(shape, np.uint8)
    corner = []
    for size, weights in zip(shape, (ink.sum(axis=1), ink.sum(axis=0)), strict=True):
        moment = int(weights @ np.arange(side))
        start = (size * mass - 2 * moment + mass) // (2 * mass)  # rounded, halves up
        corner.append(min(max(start, 0), size - side))
    top, left = corner
    image[top : top + side, left : left + side] = picture
    return image
