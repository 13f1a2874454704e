"""Serve a training set in minibatches, in a fresh order every epoch."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import cycle
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
T = TypeVar("T")


class Batches:
    """Minibatches of images (N, D) and targets (N, K).

    An epoch visits every example once, in an order that depends on the seed and on the epoch's number alone. The last
    batch of an epoch may be smaller. The images may be a memory map: rows are read as they are wanted. With
    `prefetch`, a thread fetches the next batch while one is learned from; it pays where a processor is to spare.
    """

    def __init__(self, images: Array, targets: Array, batch_size: int, seed: int, *, prefetch: bool = False) -> None:
        self.images, self.targets = np.asarray(images), np.asarray(targets)
        self.batch_size, self.seed, self.prefetch = batch_size, seed, prefetch
        self.buffers = [self.empty(), self.empty()]  # one that is learned from, one that is being filled

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def empty(self) -> tuple[Array, Array]:
        """Return room for a minibatch."""
        images, targets = self.images, self.targets
        return (
            np.empty((self.batch_size, images.shape[1]), images.dtype),
            np.empty((self.batch_size, targets.shape[1]), targets.dtype),
        )

    def epoch(self, k: int) -> Iterator[tuple[Array, Array]]:
        """Yield the minibatches of epoch k, images (n, D) and targets (n, K), valid until the next is asked for."""
        order = np.random.default_rng([self.seed, k]).permutation(len(self.images))
        rows = (order[start : start + self.batch_size] for start in range(0, len(order), self.batch_size))
        batches = map(self.fetch, rows, cycle(self.buffers))
        return ahead(batches) if self.prefetch else batches

    def fetch(self, rows: Array, buffers: tuple[Array, Array]) -> tuple[Array, Array]:
        """Return the examples in `rows`, written into the buffers."""
        images, targets = (buffer[: len(rows)] for buffer in buffers)
        self.images.take(rows, axis=0, out=images, mode="clip")  # never clips here; the default mode copies twice
        self.targets.take(rows, axis=0, out=targets, mode="clip")
        return images, targets


def ahead(items: Iterator[T]) -> Iterator[T]:
    """Yield `items`, each made by a thread while the one before it is in use."""
    with ThreadPoolExecutor(1) as worker:
        coming = worker.submit(next, items, None)
        while (item := coming.result()) is not None:
            coming = worker.submit(next, items, None)
            yield item
