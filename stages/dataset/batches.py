"""A training set in minibatches, in a new random order each epoch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK = 4096  # examples read at a time, approximately


class Batches:
    """Minibatches of `count` examples.

    An epoch visits every example once, in an order drawn from `order(epoch)` alone. The last batch of an epoch may be
    smaller. A thread reads one block of minibatches ahead of training: `read(rows, epoch, block)` returns the inputs
    (n, D) and targets (n, K) of the examples `rows` (n,), from a memory map, say.
    """

    def __init__(
        self,
        count: int,
        batch_size: int,
        order: Callable[[int], np.random.Generator],
        read: Callable[[np.ndarray, int, int], tuple[np.ndarray, np.ndarray]],
    ) -> None:
        self.count, self.batch_size, self.order, self.read = count, batch_size, order, read

    def __len__(self) -> int:
        return -(-self.count // self.batch_size)

    def epoch(self, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the minibatches of epoch k, inputs (n, D) and targets (n, K)."""
        size = self.batch_size * max(1, BLOCK // self.batch_size)
        order = self.order(k).permutation(self.count)
        blocks = [order[start : start + size] for start in range(0, self.count, size)]
        with ThreadPoolExecutor(1) as worker:
            upcoming = worker.submit(self.read, blocks[0], k, 0)
            for block in range(len(blocks)):
                x, targets = upcoming.result()
                if block + 1 < len(blocks):
                    upcoming = worker.submit(self.read, blocks[block + 1], k, block + 1)
                for start in range(0, len(x), self.batch_size):
                    yield x[start : start + self.batch_size], targets[start : start + self.batch_size]
