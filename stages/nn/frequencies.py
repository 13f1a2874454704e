"""Low frequencies: learn from the coarse structure of an image, with a sixth of the inputs.

The two-dimensional cosine transform (Ahmed, Natarajan and Rao, 1974; what JPEG uses) writes an image as a sum of waves:
k half periods from top to bottom times l from left to right. Digits have almost nothing above half their resolution, so
the waves with k + l < 16, 136 of 784, say all that matters, and the first layer of the network has 136 inputs:

    f = x @ B        # (N, D) @ (D, F) = (N, F)

B has orthonormal columns. So the layer W (F, M) on frequencies is the layer B @ W (D, M) on pixels; `fold` returns that
one, and a trained network is a network on pixels like any other. Orthonormal columns keep lengths, too: weight decay
means the same in both, and `project` takes an initialization for pixels to the frequencies, B^T @ W, as if the network
had started on pixels and never looked at the higher waves.

The transform is separable: a product for the rows and one for the columns, instead of one with all of B.
"""

from functools import cache

import numpy as np

from stages.nn.exact import Arithmetic, cos

CHUNK = 128  # images transformed at a time, so that they stay in the processor's cache


class Pixels:
    """The pixels of images of `shape` (rows, columns) as they are, D = F = rows * columns."""

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

    Images may also come in the coarser `resolution`. It is fine enough that no wave of the image looks like one of
    these: sampled at n points, a wave of 2n - k half periods is the same as one of k.
    """

    def __init__(self, shape: tuple[int, int], frequencies: int, arithmetic: Arithmetic) -> None:
        self.shape, self.frequencies, self.arithmetic = shape, frequencies, arithmetic
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
        """Return the frequencies (N, F) of flat images (N, P) of the shape, or of the coarser resolution."""
        N, P = images.shape
        rows, columns = self.shape if self.shape[0] * self.shape[1] == P else self.resolution
        down, across = (self.arithmetic.rounded(w.astype(images.dtype)) for w in self.waves((rows, columns)))
        result = np.empty((N, self.F), images.dtype)
        for start in range(0, N, CHUNK):
            x = images[start : start + CHUNK]
            x = self.arithmetic.matmul(x.reshape(-1, columns), across.T)  # (n rows, l)
            x = self.arithmetic.matmul(down, x.reshape(-1, rows, x.shape[1]))  # (n, k, l)
            result[start : start + CHUNK] = x.reshape(len(x), -1)[:, self.chosen]
        return result

    def project(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (D, M) on pixels as weights (F, M) on frequencies, B^T @ W."""
        (rows, columns), M = self.shape, W.shape[1]
        down, across = self.waves(self.shape)
        x = self.arithmetic.matmul(down, W.reshape(rows, columns * M))  # (k, columns M)
        x = self.arithmetic.matmul(across, x.reshape(-1, columns, M))  # (k, l, M)
        return x.reshape(-1, M)[self.chosen]

    def fold(self, W: np.ndarray) -> np.ndarray:
        """Return weights W (F, M) on frequencies as weights (D, M) on pixels, B @ W."""
        M = W.shape[1]
        down, across = self.waves(self.shape)
        x = np.zeros((len(down) * len(across), M), W.dtype)
        x[self.chosen] = W
        x = self.arithmetic.matmul(down.T, x.reshape(len(down), len(across) * M))  # (rows, l M)
        x = self.arithmetic.matmul(across.T, x.reshape(-1, len(across), M))  # (rows, columns, M)
        return x.reshape(-1, M)


Inputs = Pixels | LowFrequencies


def choose_inputs(shape: tuple[int, int], frequencies: int | None, arithmetic: Arithmetic) -> Inputs:
    """Return what a network learns from: the low frequencies of images of `shape`, or their pixels if None."""
    return Pixels(shape) if frequencies is None else LowFrequencies(shape, frequencies, arithmetic)


def fine_enough(n: int, frequencies: int) -> int:
    """Return the fewest points along n pixels at which no other wave looks like one of so many frequencies."""
    return min(n, -(-(n + frequencies) // 2))


@cache
def waves(n: int, points: int, frequencies: int) -> np.ndarray:
    """Return the waves (frequencies, points) along n pixels, sampled at so many points; of length 1 at n points."""
    k, i = np.arange(min(n, frequencies)), np.arange(points) + 0.5
    amplitude = np.sqrt((1 + (k > 0)) / n) * (n / points)
    result: np.ndarray = amplitude[:, np.newaxis] * cos(np.pi / points * np.outer(k, i))
    return result
