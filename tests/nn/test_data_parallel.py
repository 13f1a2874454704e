"""Data-parallel training: each worker, here a thread, has some rows of every batch, and all get the bytes of one alone.

docs/exactness.md explains why, and what they exchange.
"""

from concurrent.futures import ThreadPoolExecutor
from threading import Barrier, local

import numpy as np
import pytest

from stages.nn import layers, network, training
from stages.nn.exact import TERMS, matmul, rounded
from stages.nn.losses import softmax_cross_entropy
from tests.nn.test_training import Batches, train

PIECE = TERMS[np.dtype(np.float32)]
SHAPE = {"D": 20, "classes": 4}
OPTIONS = {"hidden": (16, 8), "dropout": 0.2, "weight_decay": 1e-3, "epochs": 3}
me = local()  # a worker: its number, its weights, how many rows a batch has, and which of them are its own


class Group:
    """Workers that exchange values; how many numbers worker 0 sent each time, by kind."""

    def __init__(self, count):
        self.count, self.barrier, self.values, self.sent = count, Barrier(count), [None] * count, {}

    def gather(self, kind, value):
        self.values[me.number] = value
        self.barrier.wait(60)
        values = [*self.values]
        self.barrier.wait(60)
        if me.number == 0:
            self.sent.setdefault(kind, []).append(value.size)
        return values

    def rounded(self, a, rng=None):
        if np.may_share_memory(a, me.theta):  # weights: every worker has them
            return rounded(a, rng)
        whole = np.zeros((me.rows, a.shape[1]), a.dtype)
        whole[[0, -1], 0] = max(self.gather("maxima", np.abs(a).max()))  # one of these rows is not overwritten below
        whole[me.own] = a
        return rounded(whole, rng)[me.own]

    def matmul(self, a, b, out=None):
        if out is None:
            return matmul(a, b)
        pieces = [a[..., start : start + PIECE] @ b[start : start + PIECE] for start in range(0, len(b), PIECE)]
        out[...] = sum(piece for each in self.gather("gradients", np.array(pieces)) for piece in each)  # in order
        return out

    def loss(self, *rows):
        loss, dlogits = softmax_cross_entropy(*(np.concatenate(self.gather("logits", each)) for each in rows))
        return loss, dlogits[me.own]

    def train(self, number):
        me.number = number
        trained, epochs = train(Share(self.count), rng=Own, **OPTIONS)
        me.theta = trained.theta
        return tuple(epoch.loss for epoch in epochs), trained.theta.tobytes()


class Share(Batches):
    """The own rows of each batch; of a batch that is larger than PIECE, whole pieces."""

    def __init__(self, count):
        super().__init__(**SHAPE)
        self.count = count

    def epoch(self, k):
        for x, targets in super().epoch(k):
            unit = PIECE if len(x) > PIECE else 1
            first, last = (-(-len(x) // unit) * n // self.count * unit for n in (me.number, me.number + 1))
            me.rows, me.own = len(x), slice(first, min(last, len(x)))
            yield x[me.own], targets[me.own]


class Own:
    """Random numbers for all rows, of which a worker takes its own."""

    def __init__(self, epoch):
        self.rng = np.random.default_rng(epoch)

    def random(self, shape=(), **how):
        return self.rng.random((me.rows, *shape[1:]), **how)[me.own] if shape else self.rng.random()


@pytest.mark.parametrize(("size", "pieces"), [(200, 1), (40 * PIECE + 88, 13)])  # and those of worker 0 of three
def test_any_number_of_workers_trains_the_same_network(monkeypatch, size, pieces):
    monkeypatch.setitem(SHAPE, "size", size)
    monkeypatch.setitem(SHAPE, "N", 2 * size + 100)
    trained, epochs = train(Batches(**SHAPE), rng=np.random.default_rng, **OPTIONS)
    found = {(tuple(epoch.loss for epoch in epochs), trained.theta.tobytes())}
    for count in (1, 2, 3):
        group = Group(count)
        for module, name in ((layers, "rounded"), (network, "rounded"), (layers, "matmul")):
            monkeypatch.setattr(module, name, getattr(group, name))
        monkeypatch.setattr(training, "softmax_cross_entropy", group.loss)
        with ThreadPoolExecutor(count) as pool:
            found |= {*pool.map(group.train, range(count))}
    assert len(found) == 1
    assert group.sent["maxima"] == [1] * 9 * 2 * 3  # steps, forward and backward, layers
    assert sum(group.sent["gradients"]) == len(trained.theta) * 3 * (2 * pieces + 1)  # the last batch has 100 rows
