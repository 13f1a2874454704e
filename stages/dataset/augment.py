"""Data augmentation: warp every training image a little, at random, each time it is used.

A warp is described by a grid (2, rows, columns): for each pixel of the new image, the row and the column of the old
image to sample, counted from the center. Each function distorts a grid at random, up to a maximum; they compose, and a
maximum of 0 leaves the grid unchanged.
"""

from dataclasses import astuple, dataclass
from functools import cache
from math import cos, radians, sin

import numpy as np

SHARE = 64  # images that share a warp; `Augmentation` spreads them over the block
SMOOTHNESS = 4.0  # pixels; standard deviation of the Gaussian that smooths an elastic deformation


def rotate(grid: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Rotate by up to `degrees` in either direction."""
    angle = radians(rng.uniform(-degrees, degrees))
    return np.tensordot([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]], grid, 1)


def scale(grid: np.ndarray, fraction: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch or shrink height and width independently, each by up to this fraction of itself."""
    return np.tensordot(np.diag(1 + rng.uniform(-fraction, fraction, 2)), grid, 1)


def shear(grid: np.ndarray, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Slant by up to `slope` columns per row in either direction."""
    return np.tensordot([[1, 0], [rng.uniform(-slope, slope), 1]], grid, 1)


def shift(grid: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Move by up to `pixels` vertically and horizontally."""
    return grid + rng.uniform(-pixels, pixels, (2, 1, 1))


def elastic(grid: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Displace each pixel by `pixels` (root mean square), neighbors alike (Simard, Steinkraus and Platt, 2003)."""
    rows, columns = grid.shape[1:]
    noise = rng.standard_normal(grid.shape)
    return grid + pixels * (gaussian(rows) @ noise @ gaussian(columns).T)


@cache
def gaussian(n: int) -> np.ndarray:
    """Return the matrix (n, n) that smooths n independent random numbers and keeps their variance."""
    i = np.arange(n)
    G = np.exp(-(((i[:, None] - i) / SMOOTHNESS) ** 2) / 2)
    smoothing: np.ndarray = G / np.sqrt((G**2).sum(axis=1, keepdims=True))
    return smoothing


def warp(images: np.ndarray, grid: np.ndarray, buffer: np.ndarray | None = None) -> np.ndarray:
    """Return flat images (n, D), each sampled at the grid (2, rows, columns), D = rows * columns.

    Bilinear interpolation; outside the image its edge is repeated. `buffer`, (3, n * D) or longer, is working memory;
    the result is a view of it.
    """
    n, D = images.shape
    buffer = np.empty((3, n * D), images.dtype) if buffer is None else buffer[:, : n * D]
    pixels, warped, product = buffer.reshape(3, D, n)  # each row: the same pixel of all images
    pixels[:] = images.T
    corners, weights = bilinear(grid)
    pixels.take(corners[0], axis=0, out=warped, mode="clip")
    warped *= weights[0]
    for corner, weight in zip(corners[1:], weights[1:], strict=True):
        pixels.take(corner, axis=0, out=product, mode="clip")
        product *= weight
        warped += product
    return warped.T


def bilinear(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the four pixels around each point of a grid, as indices (4, D), and their weights (4, D, 1)."""
    rows, columns = grid.shape[1:]
    y, x = grid[0] + (rows - 1) / 2, grid[1] + (columns - 1) / 2
    top = np.clip(np.floor(y), 0, max(rows - 2, 0))
    left = np.clip(np.floor(x), 0, max(columns - 2, 0))
    down, right = np.clip(y - top, 0, 1), np.clip(x - left, 0, 1)
    first = top * columns + left
    corners = np.stack([first, first + 1, first + columns, first + columns + 1]).astype(np.intp)
    weights = np.stack([(1 - down) * (1 - right), (1 - down) * right, down * (1 - right), down * right])
    return corners.reshape(4, -1), weights.astype(np.float32).reshape(4, -1, 1)


@dataclass(frozen=True)
class Augmentation:
    """The maxima of the random warps of images of `shape` (rows, columns); false when all are 0."""

    shape: tuple[int, int]
    rotation: float = 0.0  # degrees
    scaling: float = 0.0  # fraction of the size
    shear: float = 0.0  # columns per row
    shift: float = 0.0  # pixels
    elastic: float = 0.0  # pixels, root mean square

    def __bool__(self) -> bool:
        return any(astuple(self)[1:])

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> None:
        """Warp flat images (n, D) in place, at random.

        SHARE of them get the same warp, spread over the block as far as possible: many times as fast as a warp for
        each, and two images of one minibatch hardly ever share one.
        """
        groups = -(-len(images) // SHARE)
        buffer = np.empty((3, SHARE * images.shape[1]), images.dtype)
        for i in range(groups):
            images[i::groups] = warp(images[i::groups].copy(), self.grid(rng), buffer)

    def grid(self, rng: np.random.Generator) -> np.ndarray:
        """Draw the grid (2, rows, columns) of a warp."""
        rows, columns = self.shape
        grid = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
        grid = rotate(grid, self.rotation, rng)
        grid = scale(grid, self.scaling, rng)
        grid = shear(grid, self.shear, rng)
        grid = shift(grid, self.shift, rng)
        return elastic(grid, self.elastic, rng) if self.elastic else grid
