"""A training set in minibatches, in a new random order each epoch."""

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor

import numpy as np

BLOCK = 4096  # images read at a time, approximately


class Batches:
    """Minibatches of images (N, D) and targets (N, K).

    An epoch visits every example once, in an order drawn from `order(epoch)` alone. The last batch of an epoch may be
    smaller. The images may be a memory map: a thread reads them one block of minibatches ahead of training. It passes
    each block through `prepare(images, targets, epoch, block)`, which returns what is served in place of the images
    (n, D) and targets (n, K); it may change them in place.
    """

    def __init__(
        self,
        images: np.ndarray,
        targets: np.ndarray,
        batch_size: int,
        order: Callable[[int], np.random.Generator],
        prepare: Callable[[np.ndarray, np.ndarray, int, int], tuple[np.ndarray, np.ndarray]] | None = None,
    ) -> None:
        self.images, self.targets, self.batch_size = np.asarray(images), np.asarray(targets), batch_size
        self.order, self.prepare = order, prepare
        self.rows = batch_size * max(1, BLOCK // batch_size)  # per block
        self.buffers = [self.buffer(), self.buffer()]  # one to train on while the other is filled

    def __len__(self) -> int:
        return -(-len(self.images) // self.batch_size)

    def buffer(self) -> tuple[np.ndarray, np.ndarray]:
        """Return empty arrays for the images and targets of a block."""
        n = min(self.rows, len(self.images))
        return (
            np.empty((n, self.images.shape[1]), self.images.dtype),
            np.empty((n, self.targets.shape[1]), self.targets.dtype),
        )

    def epoch(self, k: int) -> Iterator[tuple[np.ndarray, np.ndarray]]:
        """Yield the minibatches of epoch k, images (n, D) and targets (n, K); the next one may overwrite them."""
        order = self.order(k).permutation(len(self.images))
        blocks = -(-len(order) // self.rows)
        with ThreadPoolExecutor(1) as worker:
            upcoming = worker.submit(self.read_block, order, k, 0)
            for block in range(blocks):
                images, targets = upcoming.result()
                if block + 1 < blocks:
                    upcoming = worker.submit(self.read_block, order, k, block + 1)
                for start in range(0, len(images), self.batch_size):
                    yield images[start : start + self.batch_size], targets[start : start + self.batch_size]

    def read_block(self, order: np.ndarray, k: int, block: int) -> tuple[np.ndarray, np.ndarray]:
        """Return the images and targets of a block of epoch k, whose rows are listed in `order`."""
        rows = order[block * self.rows : (block + 1) * self.rows]
        images, targets = (buffer[: len(rows)] for buffer in self.buffers[block % 2])
        self.images.take(rows, axis=0, out=images, mode="clip")  # nothing to clip; the default mode copies twice
        self.targets.take(rows, axis=0, out=targets, mode="clip")
        if self.prepare:
            return self.prepare(images, targets, k, block)
        return images, targets
