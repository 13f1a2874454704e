"""Train small networks with every layer, optimizer, schedule and option there is; print the digest of the results.

    python tests/exact/digest.py

Needs NumPy alone. The digest must be EXPECTED, whatever the machine; the exit code is 1 if not. Where a change of the
code is meant to change the numbers, the new digest goes to experiments/behavior.txt, which makes all rows of
experiments/ stale.
"""

import gzip
import hashlib
import itertools
import sys
from functools import partial
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
EXPECTED = (ROOT / "experiments/behavior.txt").read_text(encoding="utf-8").strip()
sys.path.insert(0, str(ROOT))

from stages.dataset.arrays import normalize, one_hot, pixel_statistics  # noqa: E402
from stages.dataset.augment import Augmentation  # noqa: E402
from stages.dataset.batches import Batches  # noqa: E402
from stages.dataset.deskew import remove_skew  # noqa: E402
from stages.nn.exact import check_machine, rounded  # noqa: E402
from stages.nn.frequencies import choose_inputs  # noqa: E402
from stages.nn.initializers import INITIALIZERS  # noqa: E402
from stages.nn.layers import ACTIVATIONS  # noqa: E402
from stages.nn.losses import smooth_labels, softmax, softmax_cross_entropy  # noqa: E402
from stages.nn.network import multilayer_perceptron  # noqa: E402
from stages.nn.optimizers import OPTIMIZERS, chain  # noqa: E402
from stages.nn.schedules import SCHEDULES  # noqa: E402
from stages.nn.training import fit  # noqa: E402


def fixture(part, offset):
    """The bytes of an IDX file of the fixture, without its header."""
    path = ROOT / f"tests/fixture/{part}.gz"
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


def trainings():
    """A choice of each kind for each training, so that every one appears."""
    tables = OPTIMIZERS, ACTIVATIONS, INITIALIZERS, SCHEDULES
    return [tuple(list(table)[i % len(table)] for table in tables) for i in range(max(map(len, tables)))]


def stream(*numbers):
    return np.random.default_rng(numbers)


def digest():
    """Return the SHA-256 of parameters, losses and predictions of all trainings."""
    result = hashlib.sha256()

    def add(values):
        array = np.asarray(values)
        result.update(array.astype(array.dtype.newbyteorder("<")).tobytes())

    images = remove_skew(fixture("train-images-idx3-ubyte", 16).reshape(-1, 28, 28))
    labels = fixture("train-labels-idx1-ubyte", 8)
    x, targets = normalize(images, *pixel_statistics(images)), one_hot(labels, 10)

    def read(rows, epoch, block):
        warped = warp(x, stream(4, epoch, block), rows, inputs.transform)
        return rounded(warped), smooth_labels(targets[rows], 0.05)

    for (frequencies, hidden), (optimizer, activation, initializer, schedule) in itertools.product(
        [(None, []), (16, [48]), (None, [40, 24])], trainings()
    ):
        inputs = choose_inputs((28, 28), frequencies)
        warp = Augmentation((28, 28), 5.0, 0.1, 0.05, 1.0, 0.6, resolution=inputs.resolution)
        network = multilayer_perceptron([inputs.F, *hidden, 10], activation, 0.2, 0.1)
        network.initialize(INITIALIZERS[initializer], stream(1))
        network.dense[0].W[:] = inputs.project(inputs.fold(network.dense[0].W))
        rate = 0.01 if optimizer.startswith("adam") else 0.05
        for epoch in fit(
            network,
            Batches(len(x), 64, partial(stream, 2), read),
            chain(optimizer, network.weights.size, weight_decay=1e-3, clip_norm=1.0),
            lambda progress, factor=SCHEDULES[schedule], rate=rate: rate * factor(progress),
            epochs=2,
            rng=partial(stream, 3),
            averaging=0.9,
        ):
            add(epoch.loss)
        logits = network.predict(inputs.transform(x.astype(np.float64)))
        for values in (network.theta, softmax(logits), softmax_cross_entropy(logits, targets)[0]):
            add(values)
    return result.hexdigest()


if __name__ == "__main__":
    check_machine()
    print(found := digest())
    if found != EXPECTED:
        sys.exit(f"another digest: {found}, not {EXPECTED}")
