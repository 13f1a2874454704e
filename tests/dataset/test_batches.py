import threading
from functools import partial

import numpy as np
import pytest

from stages.dataset import batches as module
from stages.dataset.batches import Batches

IMAGES = np.arange(23 * 4, dtype=np.float32).reshape(23, 4)
TARGETS = np.arange(23 * 2, dtype=np.float32).reshape(23, 2)


@pytest.fixture(autouse=True)
def small_blocks(monkeypatch):
    monkeypatch.setattr(module, "BLOCK", 11)


def stream(*numbers):
    return np.random.default_rng(numbers)


def read(rows, epoch, block):
    return IMAGES[rows], TARGETS[rows]


def drawn(k=1, seed=1, batch_size=5, read=read):
    batches = Batches(len(IMAGES), batch_size, partial(stream, seed), read)
    pairs = list(batches.epoch(k))
    assert len(pairs) == len(batches)
    return pairs


@pytest.mark.parametrize("batch_size", [1, 5, 11, 12, 22, 23])
def test_an_epoch_visits_every_example_once(batch_size):
    pairs = drawn(batch_size=batch_size)
    assert [len(x) for x, _ in pairs[:-1]] == [batch_size] * (len(pairs) - 1)
    rows = np.concatenate([x[:, 0] for x, _ in pairs]) / 4
    assert sorted(rows) == list(range(23))
    assert np.array_equal(np.concatenate([t[:, 0] for _, t in pairs]) / 2, rows)  # images and targets belong together


def order(**options):
    return [row for x, _ in drawn(**options) for row in x[:, 0]]


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order() == order()
    assert order(k=2) != order(k=1)
    assert order(seed=2) != order(seed=1)


def test_blocks_of_whole_minibatches_are_read_once_each():
    calls = []

    def count(rows, epoch, block):
        calls.append((len(rows), epoch, block))
        return read(rows, epoch, block)

    drawn(2, read=count)
    assert calls == [(10, 2, 0), (10, 2, 1), (3, 2, 2)]


def test_one_block_is_read_ahead_by_a_thread_that_ends_with_the_epoch():
    calls, second, threads = [], threading.Event(), threading.active_count()

    def tell(rows, epoch, block):
        calls.append(block)
        if block == 1:
            second.set()
        return read(rows, epoch, block)

    epoch = Batches(len(IMAGES), 5, stream, tell).epoch(1)
    next(epoch)
    assert second.wait(10)
    next(epoch)  # still of the first block
    assert calls == [0, 1]
    epoch.close()
    assert threading.active_count() == threads


def test_an_error_in_the_thread_is_raised():
    def fail(rows, epoch, block):
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        drawn(read=fail)
