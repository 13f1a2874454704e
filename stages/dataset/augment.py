"""Data augmentation: warp every training image a little, at random, each time it is used.

A warp is described by a grid (2, rows, columns): for each pixel of the new image, the row and the column of the old
image to sample, counted from the center. Each function distorts many grids at random, (G, 2, rows, columns), up to a
maximum; they compose, and a maximum of 0 leaves the grids unchanged. Everything is made of single operations and of
sums of integers, so the result is the same on every machine.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from math import pi

import numpy as np

SHARE = 64  # images that share a warp; `Augmentation` spreads them over the block
SMOOTHNESS = 4.0  # pixels; standard deviation of the Gaussian that smooths an elastic deformation
NOISE = 7  # an elastic deformation smooths random integers from -7 to 7


def rotate(grids: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate by up to `degrees` in either direction."""
    angle = pi / 180 * uniform(rng, degrees, (len(grids), 1, 1))
    c, s = cosine(angle), cosine(angle - pi / 2)
    y, x = grids[:, 0], grids[:, 1]
    return np.stack([c * y - s * x, s * y + c * x], axis=1)


def scale(grids: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch or shrink height and width independently, each by up to this fraction of itself."""
    return grids * (1 + uniform(rng, fraction, (len(grids), 2, 1, 1)))


def shear(grids: np.ndarray, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Slant by up to `slope` columns per row in either direction."""
    y, x = grids[:, 0], grids[:, 1]
    return np.stack([y, x + uniform(rng, slope, (len(grids), 1, 1)) * y], axis=1)


def shift(grids: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Move by up to `pixels` vertically and horizontally."""
    return grids + uniform(rng, pixels, (len(grids), 2, 1, 1))


def elastic(
    grids: np.ndarray, pixels: float, rng: np.random.Generator, spacing: tuple[float, float] = (1.0, 1.0)
) -> np.ndarray:
    """Displace each pixel by `pixels` (root mean square), neighbors alike (Simard, Steinkraus and Platt, 2003).

    The points of a grid are `spacing` pixels apart along the rows and the columns, 1 or more. Noise and Gaussian are
    such small integers that their products add up without rounding, in float32.
    """
    count, _, rows, columns = grids.shape
    noise = rng.integers(-NOISE, NOISE, (rows, count * 2 * columns), np.int8, endpoint=True).astype(np.float32)
    (G, deviation), (H, other) = gaussian(rows, spacing[0]), gaussian(columns, spacing[1])
    unit = np.sqrt(NOISE * (NOISE + 1) / 3) * deviation * other.T  # the root mean square of the smoothed noise
    smoothed = ((G @ noise).reshape(-1, columns) @ H.T).reshape(rows, count, 2, columns)
    return grids + smoothed.transpose(1, 2, 0, 3) * (pixels / unit).astype(np.float32)


@cache
def gaussian(n: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (n, n) of integers that smooths n random numbers, and what it multiplies their deviation by."""
    i = np.arange(n)
    G = np.exp(-(((i[:, None] - i) * (spacing / SMOOTHNESS)) ** 2) / 2)
    G = np.rint(2**7 * G)  # far coarser than errors of `exp`
    return G.astype(np.float32), np.sqrt((G**2).sum(axis=1, keepdims=True))


def uniform(rng: np.random.Generator, most: float, size: tuple[int, ...]) -> np.ndarray:
    """Draw from -most to most; by single operations, unlike `rng.uniform`, which a compiler may fuse."""
    return most * (2 * rng.random(size) - 1)


def cosine(x: np.ndarray) -> np.ndarray:
    """Return the cosine of x, in radians, by its Taylor series: C libraries do not agree on its last bit."""
    value = np.ones_like(x)
    for n in range(30, 0, -2):
        value = 1 - value * x * x / (n * (n - 1))
    return value


def warp(
    images: np.ndarray,
    grids: np.ndarray,
    shape: tuple[int, int],
    rows: np.ndarray | None = None,
    transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
) -> np.ndarray:
    """Return flat images (N, D) of this shape (rows, columns) sampled at the P points of a grid each, (n, P).

    `rows` (n,) selects images, by default all. The ith of these is sampled at grid i modulo the number of grids,
    (G, 2, ...), so that the images of one grid are as far apart as possible. Bilinear interpolation; outside the image
    its edge is repeated. `transform` replaces up to SHARE new images of one grid, (m, P), by (m, F), while they are in
    the processor's cache. It gets them as the transpose of an array (P, m) that the next ones overwrite.
    """
    rows = np.arange(len(images)) if rows is None else rows
    corners, weights = bilinear(grids, shape)
    n, D, (G, _, P) = len(rows), images.shape[1], corners.shape
    m = min(SHARE, -(-n // G))
    flat, pixels, term, warped = (np.empty(size, images.dtype) for size in ((m, D), (D, m), (P, m), (P, m)))
    result = np.empty((n, 0), images.dtype)
    for first in (i for grid in range(G) for i in range(grid, n, m * G)):
        some = rows.take(range(first, first + m * G, G), mode="clip")  # beyond the end, the last one again
        images.take(some, axis=0, out=flat, mode="clip")  # nothing to clip; the default mode copies twice
        np.copyto(pixels, flat.T)  # a row is one pixel of all images
        for k, product in enumerate((warped, term, term, term)):
            pixels.take(corners[first % G, k], axis=0, out=product, mode="clip")
            product *= weights[first % G, k]
            if k:
                warped += term
        part = transform(warped.T)
        if not result.size:
            result = np.empty((n, part.shape[1]), part.dtype)
        place = result[first : first + m * G : G]
        place[:] = part[: len(place)]
    return result


def bilinear(grids: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the four pixels around each point of grids (G, 2, ...), as indices (G, 4, P), and weights (G, 4, P, 1)."""
    before, after = [], []
    for axis, n in enumerate(shape):
        position = grids[:, axis].reshape(len(grids), -1).astype(np.float32)
        position += np.float32((n - 1) / 2)
        np.clip(position, 0, n - 1, out=position)
        before.append(np.minimum(position.astype(np.intp), max(n - 2, 0)))
        after.append(position - before[-1].astype(np.float32))
    (top, left), (down, right) = before, after
    first, up, columns = top * shape[1] + left, 1 - down, shape[1]
    corners = np.stack([first, first + 1, first + columns, first + columns + 1], axis=1)
    weights = np.stack([up - up * right, up * right, down - down * right, down * right], axis=1)
    return corners, weights[..., np.newaxis]


@dataclass(frozen=True)
class Augmentation:
    """The maxima of the random warps of images of `shape`; the new images may have another `resolution`."""

    shape: tuple[int, int]  # rows, columns
    rotation: float = 0.0  # degrees
    scaling: float = 0.0  # fraction of the size
    shear: float = 0.0  # columns per row
    shift: float = 0.0  # pixels
    elastic: float = 0.0  # pixels, root mean square
    resolution: tuple[int, int] | None = None  # of the new images; null: the shape

    def __call__(
        self,
        images: np.ndarray,
        rng: np.random.Generator,
        rows: np.ndarray | None = None,
        transform: Callable[[np.ndarray], np.ndarray] = np.asarray,
    ) -> np.ndarray:
        """Return flat images (N, D), or those in `rows` (n,), warped at random, as `warp` does.

        SHARE of them get the same warp: many times as fast as a warp for each, and two images of one minibatch hardly
        ever share one.
        """
        count = -(-len(images if rows is None else rows) // SHARE)
        return warp(images, self.grids(count, rng), self.shape, rows, transform)

    def grids(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the grids (count, 2, rows, columns) of as many warps."""
        resolution = self.resolution or self.shape
        spacing = (self.shape[0] / resolution[0], self.shape[1] / resolution[1])
        y, x = (
            (np.arange(n, dtype=np.float32) + 0.5) * (pixels / n) - pixels / 2
            for n, pixels in zip(resolution, self.shape, strict=True)
        )
        # All but `elastic` are affine, so they need to map three points only.
        grids = np.broadcast_to([[[0.0, 1.0, 0.0]], [[0.0, 0.0, 1.0]]], (count, 2, 1, 3))
        grids = rotate(grids, self.rotation, rng)
        grids = scale(grids, self.scaling, rng)
        grids = shear(grids, self.shear, rng)
        grids = shift(grids, self.shift, rng)
        origin, down, right = np.split(grids.astype(np.float32), 3, axis=3)
        grids = origin + (down - origin) * y[:, np.newaxis] + (right - origin) * x
        return elastic(grids, self.elastic, rng, spacing)
