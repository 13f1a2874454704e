import threading

import numpy as np
import pytest

from stages.dataset.batches import Batches, ahead

IMAGES = np.arange(23 * 4, dtype=np.float32).reshape(23, 4)
TARGETS = np.arange(23 * 2, dtype=np.float32).reshape(23, 2)


def drawn(k=1, seed=0, batch_size=5, images=IMAGES, **options):
    batches = Batches(images, TARGETS, batch_size, seed, **options)
    pairs = [(x.copy(), t.copy()) for x, t in batches.epoch(k)]
    assert len(pairs) == len(batches)
    return pairs


@pytest.mark.parametrize("prefetch", [False, True])
@pytest.mark.parametrize("batch_size", [1, 5, 22, 23])
def test_an_epoch_visits_every_example_once(batch_size, prefetch):
    pairs = drawn(batch_size=batch_size, prefetch=prefetch)
    assert [len(x) for x, _ in pairs[:-1]] == [batch_size] * (len(pairs) - 1)
    rows = np.concatenate([x[:, 0] for x, _ in pairs]) / 4
    assert sorted(rows) == list(range(23))
    assert np.array_equal(np.concatenate([t[:, 0] for _, t in pairs]) / 2, rows)  # images and targets belong together


def order(**options):
    return [row for x, _ in drawn(**options) for row in x[:, 0]]


def test_the_order_depends_on_seed_and_epoch_alone():
    assert order() == order() == order(prefetch=True)
    assert order(k=2) != order(k=1)
    assert order(seed=1) != order(seed=0)


def test_a_memory_map_gives_the_same(tmp_path):
    np.save(tmp_path / "images.npy", IMAGES)
    mapped = np.load(tmp_path / "images.npy", mmap_mode="r")
    assert order(images=mapped) == order()


def test_prefetch_ends_its_thread_when_the_epoch_is_left_early():
    before = threading.active_count()
    epoch = Batches(IMAGES, TARGETS, 5, 0, prefetch=True).epoch(1)
    next(epoch)
    epoch.close()
    assert threading.active_count() == before


def test_ahead_passes_on_what_goes_wrong():
    def items():
        yield 1
        raise OSError("disk gone")

    taken = ahead(items())
    assert next(taken) == 1
    with pytest.raises(OSError, match="disk gone"):
        next(taken)
