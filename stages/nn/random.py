"""Random numbers from a hash of 32 bits, for training that JavaScript repeats to the same bytes.

It has the methods of np.random.Generator that a network, its training and its batches need, and is passed in its place.
The page's stages/report/web/random.js is the same. The pipeline itself draws from NumPy's generators.
"""

from math import prod

import numpy as np
from numpy.typing import DTypeLike

STEP = 0x9E3779B9  # odd, so that the counter passes through all 2^32 numbers


class Hashed:
    """The n-th number is the hash of a start plus n STEP; the start is a hash of the `key`, such as seed and epoch."""

    def __init__(self, *key: int) -> None:
        state = np.zeros(1, np.uint32)
        for part in key:
            state = mixed(state + np.uint32(STEP) + np.uint32(part))
        self.next = state

    def bits32(self, size: int) -> np.ndarray:
        """Return the next `size` numbers, uint32."""
        n = self.next + np.arange(size, dtype=np.uint32) * np.uint32(STEP)
        self.next = self.next + np.uint32(size) * np.full(1, STEP, np.uint32)
        return mixed(n)

    def random(self, shape: tuple[int, ...] = (), dtype: DTypeLike = np.float64) -> np.ndarray:
        """Return numbers from 0 to less than 1 in an array of this shape: multiples of 2^-32, of 2^-24 in float32."""
        n = self.bits32(prod(shape)).reshape(shape)
        return n * 2.0**-32 if dtype == np.float64 else (n >> np.uint32(8)).astype(np.float32) * np.float32(2.0**-24)

    def permutation(self, n: int) -> np.ndarray:
        """Return 0 to n - 1 in random order: sorted by a random number each."""
        return np.argsort(self.bits32(n), kind="stable")


def mixed(n: np.ndarray) -> np.ndarray:
    """Return the hash of each uint32; no two numbers have the same (lowbias32; Wellons, 2018)."""
    n = (n ^ (n >> np.uint32(16))) * np.uint32(0x7FEB352D)
    n = (n ^ (n >> np.uint32(15))) * np.uint32(0x846CA68B)
    return n ^ (n >> np.uint32(16))
