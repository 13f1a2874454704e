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


def drawn(k=1, seed=1, batch_size=5, images=IMAGES, **options):
    batches = Batches(images, TARGETS, batch_size, partial(stream, seed), **options)
    pairs = [(x.copy(), t.copy()) for x, t in batches.epoch(k)]
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


def test_a_memory_map_gives_the_same_batches(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert order(images=mapped) == order()


def test_each_block_of_each_epoch_is_prepared():
    def prepare(images, targets, epoch, block):
        images += 1000 * epoch + 100 * block
        targets[:] = epoch
        return images, targets

    for k in (1, 2):
        prepared = drawn(k, prepare=prepare)
        added = np.concatenate([x for x, _ in prepared]) - np.concatenate([x for x, _ in drawn(k)])
        blocks = np.repeat([0, 1, 2], [10, 10, 3])[:, None]  # of two minibatches each
        assert np.array_equal(added, np.broadcast_to(1000.0 * k + 100 * blocks, added.shape))
        assert all((t == k).all() for _, t in prepared)
    assert IMAGES[0, 0] == 0  # the data itself does not change


def test_the_thread_ends_when_an_epoch_is_abandoned():
    before = threading.active_count()
    epoch = Batches(IMAGES, TARGETS, 5, stream).epoch(1)
    next(epoch)
    epoch.close()
    assert threading.active_count() == before


def test_an_error_in_the_thread_is_raised():
    def fail(images, targets, epoch, block):
        raise OSError("disk gone")

    with pytest.raises(OSError, match="disk gone"):
        drawn(prepare=fail)
