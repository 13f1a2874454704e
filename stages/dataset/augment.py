"""Random warps: show every training image a little differently each time.

A warp is told by a grid (2, rows, columns): for each pixel of the new image, the row and the column, counted from the
center, where the old image is looked at. Each function bends a grid at random, by an amount at most; they compose, and
the amount 0 leaves the grid as it is.
"""

from dataclasses import astuple, dataclass
from functools import cache
from math import cos, radians, sin

import numpy as np

SHARE = 64  # images that share a warp; `Augmentation` scatters them
SMOOTHNESS = 4.0  # pixels over which neighbors move together in an elastic deformation


def rotate(grid: np.ndarray, degrees: float, rng: np.random.Generator) -> np.ndarray:
    """Turn by up to `degrees` either way."""
    angle = radians(rng.uniform(-degrees, degrees))
    return np.tensordot([[cos(angle), -sin(angle)], [sin(angle), cos(angle)]], grid, 1)


def scale(grid: np.ndarray, part: float, rng: np.random.Generator) -> np.ndarray:
    """Stretch or shrink the height and the width, each by up to `part` of itself."""
    return np.tensordot(np.diag(1 + rng.uniform(-part, part, 2)), grid, 1)


def shear(grid: np.ndarray, slope: float, rng: np.random.Generator) -> np.ndarray:
    """Slant by up to `slope` columns a row either way."""
    return np.tensordot([[1, 0], [rng.uniform(-slope, slope), 1]], grid, 1)


def shift(grid: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Move by up to `pixels` along the rows and along the columns."""
    return grid + rng.uniform(-pixels, pixels, (2, 1, 1))


def elastic(grid: np.ndarray, pixels: float, rng: np.random.Generator) -> np.ndarray:
    """Push every pixel its own way, `pixels` far (root mean square), near ones alike (Simard et al., 2003)."""
    rows, columns = grid.shape[1:]
    noise = rng.standard_normal(grid.shape)
    return grid + pixels * (gaussian(rows) @ noise @ gaussian(columns).T)


@cache
def gaussian(n: int) -> np.ndarray:
    """Return a matrix (n, n) that smooths n independent numbers and keeps their variance."""
    i = np.arange(n)
    G = np.exp(-(((i[:, None] - i) / SMOOTHNESS) ** 2) / 2)
    smoothing: np.ndarray = G / np.sqrt((G**2).sum(axis=1, keepdims=True))
    return smoothing


def warp(images: np.ndarray, grid: np.ndarray, room: np.ndarray | None = None) -> np.ndarray:
    """Return flat images (n, D), each looked at along the grid (2, rows, columns), D = rows * columns.

    Between pixels it is interpolated bilinearly; beyond the border the border goes on. `room`, (3, n * D) or longer,
    is memory to work in; the result stands in it.
    """
    n, D = images.shape
    room = np.empty((3, n * D), images.dtype) if room is None else room[:, : n * D]
    pixels, warped, part = room.reshape(3, D, n)  # a row holds the same pixel of all images
    pixels[:] = images.T
    corners, weights = bilinear(grid)
    pixels.take(corners[0], axis=0, out=warped, mode="clip")
    warped *= weights[0]
    for corner, weight in zip(corners[1:], weights[1:], strict=True):
        pixels.take(corner, axis=0, out=part, mode="clip")
        part *= weight
        warped += part
    return warped.T


def bilinear(grid: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Return the four pixels around each place of a grid, as indices (4, D), and their weights (4, D, 1)."""
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
    """How much images of `shape` (rows, columns) are warped, at most; false when not at all."""

    shape: tuple[int, int]
    rotation: float = 0.0  # degrees
    scaling: float = 0.0  # part of the size
    shear: float = 0.0  # columns a row
    shift: float = 0.0  # pixels
    elastic: float = 0.0  # pixels, root mean square

    def __bool__(self) -> bool:
        return any(astuple(self)[1:])

    def __call__(self, images: np.ndarray, rng: np.random.Generator) -> None:
        """Warp flat images (n, D) where they are, at random.

        SHARE of them go the same way, as far apart from each other as can be: that is many times as fast as a warp
        for each, and what is in a minibatch together hardly ever shares one.
        """
        groups = -(-len(images) // SHARE)
        room = np.empty((3, SHARE * images.shape[1]), images.dtype)
        for i in range(groups):
            images[i::groups] = warp(images[i::groups].copy(), self.grid(rng), room)

    def grid(self, rng: np.random.Generator) -> np.ndarray:
        """Draw a warp: a grid (2, rows, columns)."""
        rows, columns = self.shape
        grid = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
        grid = rotate(grid, self.rotation, rng)
        grid = scale(grid, self.scaling, rng)
        grid = shear(grid, self.shear, rng)
        grid = shift(grid, self.shift, rng)
        return elastic(grid, self.elastic, rng) if self.elastic else grid
