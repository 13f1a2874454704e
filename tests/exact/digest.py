"""Train small networks with every layer, optimizer, schedule and option there is; print the digest of the results.

    python tests/exact/digest.py [exact|fast]

Needs NumPy alone. In exact arithmetic the digest must be EXPECTED, whatever the machine; the exit code is 1 if not.
Where a change of the code is meant to change the numbers, the new digest goes to experiments/behavior.txt, which makes
all rows of experiments/ stale.
"""

import gzip
import hashlib
import itertools
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
EXPECTED = (ROOT / "experiments/behavior.txt").read_text(encoding="utf-8").strip()
sys.path.insert(0, str(ROOT))

from stages.dataset.arrays import normalize, one_hot, pixel_statistics  # noqa: E402
from stages.dataset.augment import Augmentation  # noqa: E402
from stages.dataset.batches import Batches  # noqa: E402
from stages.dataset.deskew import remove_skew  # noqa: E402
from stages.nn.exact import ARITHMETICS, check_machine  # noqa: E402
from stages.nn.frequencies import LowFrequencies, Pixels  # noqa: E402
from stages.nn.initializers import INITIALIZERS  # noqa: E402
from stages.nn.layers import ACTIVATIONS  # noqa: E402
from stages.nn.losses import smooth_labels, softmax, softmax_cross_entropy  # noqa: E402
from stages.nn.network import multilayer_perceptron  # noqa: E402
from stages.nn.optimizers import OPTIMIZERS  # noqa: E402
from stages.nn.schedules import SCHEDULES  # noqa: E402
from stages.nn.training import fit  # noqa: E402


def fixture(part, offset):
    """The bytes of an IDX file of the fixture, without its header."""
    path = ROOT / f"tests/fixture/{part}.gz"
    return np.frombuffer(gzip.decompress(path.read_bytes()), np.uint8, offset=offset)


def trainings():
    """A choice of each kind for each training, so that every one appears."""
    for i in range(max(map(len, (OPTIMIZERS, ACTIVATIONS, INITIALIZERS, SCHEDULES)))):
        yield tuple(list(table)[i % len(table)] for table in (OPTIMIZERS, ACTIVATIONS, INITIALIZERS, SCHEDULES))


def digest(arithmetic):
    """Return the SHA-256 of parameters, losses and predictions of all trainings."""
    result = hashlib.sha256()

    def add(values):
        array = np.asarray(values)
        result.update(array.astype(array.dtype.newbyteorder("<")).tobytes())

    images = remove_skew(fixture("train-images-idx3-ubyte", 16).reshape(-1, 28, 28))
    labels = fixture("train-labels-idx1-ubyte", 8)
    x, targets = normalize(images, *pixel_statistics(images)), one_hot(labels, 10)
    low = LowFrequencies((28, 28), 16, ARITHMETICS[arithmetic])

    def prepare(images, targets, epoch, block):
        warped = warps(images, np.random.default_rng([4, epoch, block]))
        return inputs.transform(warped), smooth_labels(targets, 0.05)

    networks = [(Pixels((28, 28)), []), (low, [48]), (Pixels((28, 28)), [40, 24])]
    for (inputs, hidden), (optimizer, activation, initializer, schedule) in itertools.product(networks, trainings()):
        warps = Augmentation((28, 28), 5.0, 0.1, 0.05, 1.0, 0.6, inputs.resolution)
        network = multilayer_perceptron(
            [inputs.F, *hidden, 10], activation, 0.2 * bool(hidden), 0.1, arithmetic=ARITHMETICS[arithmetic]
        )
        network.initialize(INITIALIZERS[initializer], np.random.default_rng(1))
        batches = Batches(x, targets, 64, lambda epoch: np.random.default_rng([2, epoch]), prepare)
        rate = 0.01 if optimizer.startswith("adam") else 0.05
        for epoch in fit(
            network,
            batches,
            OPTIMIZERS[optimizer](),
            SCHEDULES[schedule],
            epochs=2,
            learning_rate=rate,
            weight_decay=1e-3,
            clip_norm=1.0,
            averaging=0.9,
            dropout_rng=lambda epoch: np.random.default_rng([3, epoch]),
        ):
            add(epoch.loss)
        logits = network.predict(inputs.transform(x))
        loss, _ = softmax_cross_entropy(logits, targets, network.arithmetic)
        folded = inputs.fold(network.dense[0].W)
        for values in (network.theta, folded, softmax(logits, network.arithmetic), loss):
            add(values)
    return result.hexdigest()


if __name__ == "__main__":
    arithmetic = sys.argv[1] if len(sys.argv) > 1 else "exact"
    if arithmetic == "exact":
        check_machine()
    found = digest(arithmetic)
    print(found)
    if arithmetic == "exact" and found != EXPECTED:
        sys.exit(f"another digest: {found}, not {EXPECTED}")
