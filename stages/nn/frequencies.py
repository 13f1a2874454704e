"""Low frequencies: learn from the coarse structure of an image, with a sixth of the inputs.

The two-dimensional cosine transform (Ahmed, Natarajan and Rao, 1974; what JPEG uses) writes an image as a sum of waves:
k half periods from top to bottom times l from left to right. Digits have almost nothing above half their resolution, so
the waves with k + l < 16, 136 of 784, hold all that matters, and the first layer of the network has 136 inputs:

    f = x @ B        # (N, D) @ (D, F) = (N, F)

B has orthonormal columns. So the layer W (F, M) on frequencies is the layer B @ W (D, M) on pixels; `fold` returns that
one, and a trained network is a network on pixels like any other. Orthonormal columns also keep lengths: weight decay
means the same in both, and `project` takes an initialization for pixels to the frequencies, B^T @ W, as if the network
had started on pixels and never looked at the higher waves.

The transform is separable: a product for the rows and one for the columns, instead of one with all of B.
"""

from functools import cache
from typing import Any

import numpy as np

from stages.nn.exact import cos, matmul, round_to, rounded

CHUNK = 64  # images transformed at a time, so that they stay in the processor's cache


class Pixels:
    """The pixels of images of `shape` (rows, columns) unchanged, D = F = rows * columns."""

    def __init__(self, shape: tuple[int, int]) -> None:
        self.resolution, self.F = shape, shape[0] * shape[1]

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the inputs of the first layer (N, F) for flat images (N, D)."""
        return images

    def project(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (D, M) on pixels as weights (F, M) on these inputs."""
        return W

    def fold(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (F, M) on these inputs as weights (D, M) on pixels."""
        return W


class LowFrequencies:
    """The waves with k + l < `frequencies` in images of `shape` (rows, columns), D = rows * columns.

    Images may also come in the coarser `resolution`, which is fine enough for these waves to be free of aliasing:
    sampled at n points, a wave of 2n - k half periods looks like one of k.
    """

    def __init__(self, shape: tuple[int, int], frequencies: int) -> None:
        self.shape, self.frequencies = shape, frequencies
        rows, columns = shape
        self.resolution = fine_enough(rows, frequencies), fine_enough(columns, frequencies)
        k_plus_l = np.indices((min(rows, frequencies), min(columns, frequencies))).sum(axis=0)
        self.chosen = np.flatnonzero(k_plus_l < frequencies)
        self.F = len(self.chosen)

    def waves(self, resolution: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
        """Return the waves down (k, rows) and across (l, columns) an image of this resolution."""
        down, across = (waves(n, points, self.frequencies) for n, points in zip(self.shape, resolution, strict=True))
        return down, across

    def transform(self, images: np.ndarray) -> np.ndarray:
        """Return the frequencies (N, F) of flat images (N, P) of the shape, or of the coarser resolution.

        All is computed in the type of the images. Operands are rounded to as many bits as the sums leave room for.
        Fastest when `images.T` is contiguous, which is how a warp leaves images.
        """
        (N, P), kind = images.shape, images.dtype
        rows, columns = self.shape if self.shape[0] * self.shape[1] == P else self.resolution
        down, across = rounded_waves(self.shape, (rows, columns), self.frequencies, kind)
        result = np.empty((N, self.F), kind)
        for start in range(0, N, CHUNK):
            x = round_to(images[start : start + CHUNK].T, bits(rows, kind))  # (P, n)
            x = matmul(down, x.reshape(rows, -1)).reshape(len(down), columns, -1)  # (k, columns, n)
            x = matmul(across, round_to(x, bits(columns, kind)))  # (k, l, n)
            result[start : start + CHUNK] = x.reshape(-1, x.shape[2]).take(self.chosen, axis=0).T
        return result

    def project(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (D, M) on pixels as weights (F, M) on frequencies, B^T @ W, computed in float64."""
        (rows, columns), M = self.shape, W.shape[1]
        down, across = map(rounded, self.waves(self.shape))
        x = matmul(down, rounded(W.astype(np.float64)).reshape(rows, columns * M))  # (k, columns M)
        x = matmul(across, rounded(x).reshape(-1, columns, M))  # (k, l, M)
        return x.reshape(-1, M)[self.chosen].astype(W.dtype)

    def fold(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (F, M) on frequencies as weights (D, M) on pixels, B @ W, computed in float64."""
        M = W.shape[1]
        down, across = map(rounded, self.waves(self.shape))
        x = np.zeros((len(down) * len(across), M))
        x[self.chosen] = W
        x = matmul(down.T, rounded(x).reshape(len(down), len(across) * M))  # (rows, l M)
        x = matmul(across.T, rounded(x).reshape(-1, len(across), M))  # (rows, columns, M)
        return x.reshape(-1, M).astype(W.dtype)


Inputs = Pixels | LowFrequencies


def choose_inputs(shape: tuple[int, int], frequencies: int | None) -> Inputs:
    """Return what a network learns from: the low frequencies of images of `shape`, or their pixels if None."""
    return Pixels(shape) if frequencies is None else LowFrequencies(shape, frequencies)


def fine_enough(n: int, frequencies: int) -> int:
    """Return the fewest points along n pixels at which the first `frequencies` waves are free of aliasing."""
    return min(n, -(-(n + frequencies) // 2))


@cache
def waves(n: int, points: int, frequencies: int) -> np.ndarray:
    """Return the waves (frequencies, points) along n pixels, sampled at `points` points; orthonormal if these are n."""
    k, i = np.arange(min(n, frequencies)), np.arange(points) + 0.5
    amplitude = np.sqrt((1 + (k > 0)) / n) * (n / points)
    result: np.ndarray = amplitude[:, np.newaxis] * cos(np.pi / points * np.outer(k, i))
    return result


@cache
def rounded_waves(
    shape: tuple[int, int], resolution: tuple[int, int], frequencies: int, kind: np.dtype[Any]
) -> list[np.ndarray]:
    """Return the waves down and across as operands of `transform`, in the type `kind`."""
    pairs = zip(shape, resolution, strict=True)
    return [round_to(waves(n, points, frequencies).astype(kind), bits(points, kind)) for n, points in pairs]


def bits(terms: int, kind: np.dtype[Any]) -> int:
    """Return the most bits of two operands whose sums of `terms` products are exact: 9 for 32 terms in float32."""
    return int(np.finfo(kind).nmant + 1 - (terms - 1).bit_length()) // 2
