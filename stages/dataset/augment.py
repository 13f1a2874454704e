"""Data augmentation: warp every training image a little, at random, each time it is used.

A warp is described by a grid (2, rows, columns): for each pixel of the new image, the row and the column of the old
image to sample, counted from the center. Each function distorts many grids at random, (G, 2, rows, columns), up to a
maximum; they compose, and a maximum of 0 leaves the grids unchanged. All is made of single operations and of sums of
integers, so the result is the same on every machine.
"""

from dataclasses import dataclass
from functools import cache
from math import pi

import numpy as np

SHARE = 64  # images that share a warp; `Augmentation` spreads them over the block
SMOOTHNESS = 4.0  # pixels; standard deviation of the Gaussian that smooths an elastic deformation
NOISE = 127  # an elastic deformation smooths random integers of up to this size


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

    The points of a grid are `spacing` pixels apart along the rows and the columns. Noise and Gaussian are integers, so
    that their products add up without rounding.
    """
    rows, columns = grids.shape[2:]
    noise = rng.integers(-NOISE, NOISE, grids.shape, endpoint=True).astype(np.float64)
    (G, deviation), (H, other) = gaussian(rows, spacing[0]), gaussian(columns, spacing[1])
    unit = np.sqrt(NOISE * (NOISE + 1) / 3) * deviation * other.T  # the root mean square of the smoothed noise
    return grids + G @ noise @ H.T * (pixels / unit)


@cache
def gaussian(n: int, spacing: float) -> tuple[np.ndarray, np.ndarray]:
    """Return the matrix (n, n) of integers that smooths n random numbers, and what it multiplies their deviation by."""
    i = np.arange(n)
    G = np.rint(
        2**15 * np.exp(-(((i[:, None] - i) * (spacing / SMOOTHNESS)) ** 2) / 2)
    )  # far coarser than errors of `exp`
    return G, np.sqrt((G**2).sum(axis=1, keepdims=True))


def uniform(rng: np.random.Generator, most: float, size: tuple[int, ...]) -> np.ndarray:
    """Draw from -most to most; by single operations, unlike `rng.uniform`, which a compiler may fuse."""
    return most * (2 * rng.random(size) - 1)


def cosine(x: np.ndarray) -> np.ndarray:
    """Return the cosine of x, in radians, by its Taylor series: C libraries do not agree on its last bit."""
    value = np.ones_like(x)
    for n in range(30, 0, -2):
        value = 1 - value * x * x / (n * (n - 1))
    return value


def warp(images: np.ndarray, grids: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    """Return flat images (n, D) of this shape (rows, columns) sampled at the P points of a grid each, (n, P).

    Image i is sampled at grid i modulo the number of grids, (G, 2, ...), so that the images of one grid are as far
    apart as possible. Bilinear interpolation; outside the image its edge is repeated.
    """
    corners, weights = bilinear(grids, shape)
    result = np.empty((len(images), corners.shape[2]), images.dtype)
    for i in range(len(grids)):
        pixels = np.ascontiguousarray(images[i :: len(grids)]).T.copy()  # (D, n): a row is one pixel of all images
        warped = np.zeros((corners.shape[2], pixels.shape[1]), images.dtype)
        for corner, weight in zip(corners[:, i], weights[:, i], strict=True):
            product = pixels.take(corner, axis=0, mode="clip")
            product *= weight
            warped += product
        result[i :: len(grids)] = warped.T
    return result


def bilinear(grids: np.ndarray, shape: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    """Return the four pixels around each point of grids (G, 2, ...), as indices (4, G, P), and weights (4, G, P, 1)."""
    rows, columns = shape
    y, x = grids[:, 0] + (rows - 1) / 2, grids[:, 1] + (columns - 1) / 2
    top = np.clip(np.floor(y), 0, max(rows - 2, 0))
    left = np.clip(np.floor(x), 0, max(columns - 2, 0))
    down, right = np.clip(y - top, 0, 1), np.clip(x - left, 0, 1)
    first = top * columns + left
    corners = np.stack([first, first + 1, first + columns, first + columns + 1]).astype(np.intp)
    weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
    return corners.reshape(4, len(grids), -1), weights.astype(np.float32).reshape(4, len(grids), -1, 1)


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

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """Return flat images (n, D) warped at random, (n, P) with P points of the resolution.

        SHARE of them get the same warp: many times as fast as a warp for each, and two images of one minibatch hardly
        ever share one.
        """
        return warp(images, self.grids(-(-len(images) // SHARE), rng), self.shape)

    def grids(self, count: int, rng: np.random.Generator) -> np.ndarray:
        """Draw the grids (count, 2, rows, columns) of as many warps."""
        resolution = self.resolution or self.shape
        spacing = (self.shape[0] / resolution[0], self.shape[1] / resolution[1])
        y, x = (
            (np.arange(n) + 0.5) * step - pixels / 2
            for n, step, pixels in zip(resolution, spacing, self.shape, strict=True)
        )
        grids = np.broadcast_to(np.stack(np.meshgrid(y, x, indexing="ij")), (count, 2, *resolution))
        grids = rotate(grids, self.rotation, rng)
        grids = scale(grids, self.scaling, rng)
        grids = shear(grids, self.shear, rng)
        grids = shift(grids, self.shift, rng)
        return elastic(grids, self.elastic, rng, spacing)
