"""Ruled lines, squared paper and the boxes of forms: found and removed from what is inked."""

import numpy as np
import scipy

EIGHT = np.ones((3, 3), bool)  # corners connect
SHORTEST = 20  # pixels; of the side of a box
MOST_PIECES = 20_000  # in a picture; more are noise
BOXES = 3  # times the area of the picture: how much is looked at for boxes


def remove_lines(mask: np.ndarray) -> np.ndarray:
    """Return a mask without straight lines across or down most of the picture, and without boxes."""
    mask = mask.copy()
    labels, pieces = scipy.ndimage.label(mask, EIGHT)
    work = BOXES * mask.size
    for number, box in enumerate(scipy.ndimage.find_objects(labels) if pieces <= MOST_PIECES else [], 1):
        rows, columns = (part.stop - part.start for part in box)
        work -= rows * columns
        if min(rows, columns) >= SHORTEST and work >= 0 and is_box(piece := labels[box] == number):
            mask[box] &= ~piece | erase(erase(piece, 3 / 4, 2 * side(piece)).T, 3 / 4, 2 * side(piece.T)).T
    thickness = max(mask.shape) // 120
    return erase(erase(mask, 7 / 10, thickness).T, 7 / 10, thickness).T


def side(box: np.ndarray) -> int:
    """Return how thick the upper side of a box is."""
    return int(np.median(box[: len(box) // 6 + 1].sum(axis=0)))


def is_box(piece: np.ndarray) -> bool:
    """Return True if a piece has ink in its four corners and all along its four sides."""
    for turned in (piece, piece.T, piece[::-1, ::-1], piece.T[::-1, ::-1]):
        height, width = turned.shape
        upper = turned[: height // 6 + 1].any(axis=0)
        if not turned[: height // 8 + 1, : width // 8 + 1].any() or 10 * upper.sum() < 9 * width:
            return False
    return True


def erase(mask: np.ndarray, part: float, thickness: int) -> np.ndarray:
    """Return a mask without horizontal lines across at least `part` of it and at most `thickness` thick.

    Only pixels with little ink above and below them go, so the strokes that cross a line stay whole. A line is a chain
    of runs in nearly the same row, inked throughout, so it need not be quite horizontal.
    """
    ink = mask.astype(np.uint8)
    thin = ink - spread(shrink(ink, thickness + 1, 0), thickness + 1, 0)
    length = int(part * mask.shape[1])
    run = length // 16 | 1
    runs = spread(shrink(thin, run, 1), run, 1)
    bands, _ = scipy.ndimage.label(shrink(spread(spread(runs, thickness | 1, 0), length | 1, 1), length | 1, 1), EIGHT)
    result = mask.copy()
    for number, box in enumerate(scipy.ndimage.find_objects(bands), 1):
        band = bands[box] == number
        across = np.flatnonzero((band & runs[box]).any(axis=0))
        inked = (band & mask[box]).any(axis=0)[across[0] : across[-1] + 1]
        if len(inked) >= length and inked.mean() >= 0.9:
            result[box] &= ~(band & thin[box].astype(bool))
    return result


def shrink(ink: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Return the minimum of `size` pixels along an axis, from the pixel `size // 2` before."""
    return scipy.ndimage.minimum_filter1d(ink, size, axis)


def spread(ink: np.ndarray, size: int, axis: int) -> np.ndarray:
    """Return the maximum of `size` pixels along an axis, such that it undoes `shrink` where all were inked."""
    return scipy.ndimage.maximum_filter1d(ink, size, axis, origin=-1 if size % 2 == 0 else 0)
