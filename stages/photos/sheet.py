"""A sheet of paper on a darker table: where it is, and its picture as if taken from straight above.

Every number is an integer, so the result is the same on every machine.
"""

import numpy as np
import scipy

from stages.photos.ink import otsu

SIDE = 200  # the sheet is looked for in a picture reduced to about this many pixels a side


def find_sheet(gray: np.ndarray) -> np.ndarray | None:
    """Return the corners (4, 2) of the largest bright region of a picture, as x and y, clockwise from the top left.

    None unless it is a quadrilateral, at least a seventh of the picture, that touches at most one of its sides.
    """
    step = -(-max(gray.shape) // SIDE)
    rows, columns = (n // step for n in gray.shape)
    if min(rows, columns) < 10:
        return None
    small = gray[: rows * step, : columns * step].reshape(rows, step, columns, step).sum(axis=(1, 3)) // step**2
    labels, _ = scipy.ndimage.label(small > otsu(small.astype(np.uint8))[0])
    region = scipy.ndimage.binary_fill_holes(labels == np.bincount(labels[labels > 0], minlength=2).argmax())
    touched = sum(side.any() for side in (region[0], region[-1], region[:, 0], region[:, -1]))
    y, x = np.nonzero(region)
    if touched > 1 or 7 * len(x) < region.size:
        return None
    corners = [int(np.argmin(score)) for score in (x + y, y - x, -x - y, x - y)]
    for n in [*range(4)] * 3:  # move each corner as far as possible from the line between its neighbors
        a, b = corners[n - 1], corners[(n + 1) % 4]
        corners[n] = int(np.argmax((x[b] - x[a]) * (y[a] - y) - (y[b] - y[a]) * (x[a] - x)))
    X, Y = x[corners], y[corners]
    area = abs(int(X @ np.roll(Y, -1) - Y @ np.roll(X, -1))) // 2
    if not 93 * area < 100 * len(x) < 107 * area:
        return None
    return np.stack([X, Y], axis=1) * step + step // 2


def flatten(picture: np.ndarray, corners: np.ndarray) -> np.ndarray:
    """Return the quadrilateral with `corners` (4, 2) of a picture (rows, columns, ...) as a rectangle, less a margin.

    The projective map of a square to a quadrilateral (Heckbert, 1989), its numbers multiplied by their denominator;
    each pixel is the nearest one.
    """
    (x0, y0), (x1, y1), (x2, y2), (x3, y3) = corners.tolist()
    sides = np.sqrt(np.square(corners - np.roll(corners, -1, axis=0)).sum(axis=1))
    width, height = (int(max(sides[n], sides[n + 2])) for n in (0, 1))
    ux, uy, vx, vy, wx, wy = x1 - x2, y1 - y2, x3 - x2, y3 - y2, x0 - x1 + x2 - x3, y0 - y1 + y2 - y3
    d, g, h = ux * vy - vx * uy, wx * vy - vx * wy, ux * wy - wx * uy
    inset = min(width, height) // 50
    v, u = np.ogrid[inset : height - inset, inset : width - inset]
    u, v, one = (2 * u + 1) * height, (2 * v + 1) * width, 2 * width * height
    below = g * u + h * v + d * one
    x = (((x1 - x0) * d + g * x1) * u + ((x3 - x0) * d + h * x3) * v + x0 * d * one) // below
    y = (((y1 - y0) * d + g * y1) * u + ((y3 - y0) * d + h * y3) * v + y0 * d * one) // below
    return picture[y.clip(0, picture.shape[0] - 1), x.clip(0, picture.shape[1] - 1)]
