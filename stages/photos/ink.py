"""Ink and paper: how much of a pixel is ink, whatever the light and the colors.

Every number is an integer, or a sum of integers that float64 holds exactly, so the result is the same on every machine.
"""

from dataclasses import dataclass
from fractions import Fraction

import numpy as np
import scipy

from stages.photos.center import resize

CELLS = 30  # of the background along the longer side of the picture
REACH = 11  # cells; ink that is wider is taken for paper


def luminance(picture: np.ndarray) -> np.ndarray:
    """Return a color picture (rows, columns, 3) in gray, uint8 (rows, columns)."""
    result: np.ndarray = (picture @ np.array([299, 587, 114]) // 1000).astype(np.uint8)
    return result


@dataclass(frozen=True)
class Ink:
    """How much ink is where: 0 as light as the paper, 255 full (rows, columns); its levels by Otsu's method."""

    amount: np.ndarray
    threshold: int
    paper: int
    pen: int
    polarity: str

    @property
    def contrast(self) -> int:
        return self.pen - self.paper


def find_ink(gray: np.ndarray) -> Ink:
    """Return the ink in one gray level, or color, of a picture (rows, columns), of which the border is paper.

    Is the border nearer to the darkest or to the lightest within half a picture of it? Each piece of the border counts
    as much as its surroundings have contrast, so that a shadow matters little.
    """
    low, mean, high = (cells(gray, how) for how in (np.minimum, np.add, np.maximum))
    low, high = scipy.ndimage.minimum_filter(low, CELLS + 1), scipy.ndimage.maximum_filter(high, CELLS + 1)
    ring = np.ones(mean.shape, bool)
    ring[1:-1, 1:-1] = False
    border, darkest, lightest = (int(np.rint(level[ring].mean())) for level in (mean, low, high))
    dark = 2 * border >= darkest + lightest
    light = gray if dark else 255 - gray
    grid = scipy.ndimage.grey_closing(beyond(cells(light, np.add)), REACH)[REACH:-REACH, REACH:-REACH]
    background = np.maximum(resize(grid, gray.shape), 1)
    amount = np.maximum(255 - light * 255.0 // background, 0).astype(np.uint8)
    name = "dark on light" if dark else "light on dark"
    return Ink(amount, *otsu(amount), f"{name} (border {border}, range {darkest} to {lightest})")


def beyond(grid: np.ndarray) -> np.ndarray:
    """Return a grid of brightness with REACH cells more on each side: the paper at the border, closed over dark ink."""
    across, down = grid.shape[1] - 1, grid.shape[0] - 1
    ring = np.concatenate([grid[0, :-1], grid[:-1, -1], grid[-1, :0:-1], grid[:0:-1, 0]])
    closed = scipy.ndimage.grey_closing(ring, 2 * REACH, mode="wrap")
    sides = np.split(closed, [across, across + down, 2 * across + down])
    border = grid.copy()
    border[0, :-1], border[:-1, -1], border[-1, :0:-1], border[:0:-1, 0] = sides
    padded = np.pad(border, REACH, mode="edge")
    padded[REACH:-REACH, REACH:-REACH] = grid
    return padded


def cells(picture: np.ndarray, how: np.ufunc) -> np.ndarray:
    """Return the mean (np.add), minimum or maximum of square cells, CELLS along the longer side, as integers."""
    counts = (min(n, max(2, CELLS * n // max(picture.shape))) for n in picture.shape)
    rows, columns = (np.arange(count) * n // count for count, n in zip(counts, picture.shape, strict=True))
    result = how.reduceat(how.reduceat(picture.astype(np.int64), rows, axis=0), columns, axis=1)
    if how is np.add:
        heights, widths = (np.diff(starts, append=n) for starts, n in zip((rows, columns), picture.shape, strict=True))
        result //= heights[:, None] * widths
    return result


def otsu(gray: np.ndarray) -> tuple[int, int, int]:
    """Return the gray level, uint8, that splits pixels best into two classes, and the mean of each, rounded down.

    Best: the variance between the classes is largest (Otsu, 1979). If all pixels are equal, the means are, too.
    """
    counts = np.bincount(gray.ravel(), minlength=256).tolist()
    n, total = gray.size, sum(level * count for level, count in enumerate(counts))
    best, result = Fraction(0), (255, 0, 0)
    n0 = total0 = 0
    for level, count in enumerate(counts):
        n0 += count
        total0 += level * count
        n1 = n - n0
        if n0 and n1 and (between := Fraction((total0 * n - total * n0) ** 2, n0 * n1)) > best:
            best, result = between, (level, total0 // n0, (total - total0) // n1)
    return result
