"""Serve a training set in minibatches, in a fresh order every epoch."""

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


class Batches:
    """Minibatches of images (N, D) and targets (N, K).

    An epoch visits every example once, in an order that depends on the seed and on the epoch's number alone. The last
    batch of an epoch may be smaller. The images may be a memory map: rows are read as they are wanted.
    """

    def __init__(self, images: Array, targets: Array, batch_size: int, seed: int) -> None:
        self.images, self.targets = images, targets
        self.batch_size, self.seed = batch_size, seed

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def epoch(self, k: int) -> Iterator[tuple[Array, Array]]:
        """Yield the minibatches of epoch k, images (n, D) and targets (n, K)."""
        order = np.random.default_rng([self.seed, k]).permutation(len(self.images))
        for start in range(0, len(order), self.batch_size):
            rows = order[start : start + self.batch_size]
            yield self.images[rows], self.targets[rows]
