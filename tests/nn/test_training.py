"""The loop, and that training with rounded operands is training."""

from itertools import pairwise

import numpy as np
import pytest

from stages.nn import layers, network
from stages.nn.exact import POOL, rounded
from stages.nn.initializers import he_normal
from stages.nn.layers import ACTIVATIONS
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, chain
from stages.nn.schedules import one_cycle
from stages.nn.training import fit


class Batches:
    """Noisy copies of a prototype for each class, in minibatches of the same order each epoch."""

    def __init__(self, N=60, D=20, classes=4, size=20, noise=1.0):
        rng = np.random.default_rng(0)
        prototypes, labels = rng.standard_normal((classes, D)), rng.integers(0, classes, N)
        self.x = (prototypes[labels] + noise * rng.standard_normal((N, D))).astype(np.float32)
        self.targets, self.size = np.eye(classes, dtype=np.float32)[labels], size

    def __len__(self):
        return -(-len(self.x) // self.size)

    def epoch(self, k):
        for start in range(0, len(self.x), self.size):
            yield self.x[start : start + self.size], self.targets[start : start + self.size]


def train(batches, *, name="nesterov", hidden=(16,), rate=0.05, seed=1, activation="relu", dropout=0.0, **options):
    """The network, and `fit` on it."""
    directions = {key: options.pop(key) for key in ("weight_decay", "clip_norm") if key in options}
    sizes = [batches.x.shape[1], *hidden, batches.targets.shape[1]]
    trained = multilayer_perceptron(sizes, activation, dropout)
    trained.initialize(he_normal, np.random.default_rng(seed))
    options = {"epochs": 5, "rng": lambda epoch: np.random.default_rng([seed, epoch]), **options}
    steps = chain(name, trained.weights.size, **directions)
    return trained, fit(trained, batches, steps, lambda progress: rate * one_cycle(progress), **options)


def test_fit_reports_each_epoch():
    """The learning rate is that of the last step, whose progress is that of its start."""
    epochs = list(train(Batches(), rate=0.2, epochs=4)[1])
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert [epoch.learning_rate for epoch in epochs] == [0.2 * one_cycle((3 * k + 2) / 12) for k in range(4)]
    assert all(later.loss < earlier.loss for earlier, later in pairwise(epochs))


def test_fit_yields_the_average_and_continues_from_the_weights():
    one_batch = Batches(size=60)
    plain, without = train(one_batch)
    averaged, seen = train(one_batch, averaging=0.7)
    expected = plain.theta.copy()
    for _ in without:
        next(seen)
        expected += 0.3 * (plain.theta - expected)
        np.testing.assert_allclose(averaged.theta, expected, rtol=1e-6)
    assert list(seen) == []  # the last epoch's network stays
    np.testing.assert_allclose(averaged.theta, expected, rtol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resuming_from_each_state_gives_the_same_bytes(name):
    options = {"name": name, "rate": 0.01, "dropout": 0.5, "averaging": 0.5, "weight_decay": 1e-3, "clip_norm": 1.0}
    whole, epochs = train(Batches(), **options)
    seen = [(epoch.loss, {key: array.copy() for key, array in epoch.state.items()}) for epoch in epochs]
    for done, (_, state) in enumerate(seen, 1):
        resumed, rest = train(Batches(), **options, state=state)
        resumed.theta[:] = state["average"]
        assert [epoch.loss for epoch in rest] == [loss for loss, _ in seen[done:]]
        assert np.array_equal(resumed.theta, whole.theta)


@pytest.mark.parametrize("options", [{"hidden": []}, {"hidden": [16]}, {"dropout": 0.5}], ids=str)
def test_randomness_comes_from_the_rng_of_the_epoch_alone(options):
    """Without dropout, too: gradients are rounded at random."""

    def theta(last):
        trained, epochs = train(Batches(), rng=lambda epoch: np.random.default_rng([last, epoch // 5]), **options)
        return list(epochs) and trained.theta.tobytes()

    assert theta(5) == theta(5) != theta(6)


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_a_loss_that_is_not_finite_stops_training_at_once(activation):
    where = "epoch 1, step 2 of 3, learning rate 1.99e[+]29"
    message = f"^the loss is nan at {where}: training has diverged; try a smaller learning_rate, or clip_norm: 1.0$"
    with pytest.raises(FloatingPointError, match=message):
        list(train(Batches(), rate=1e30, activation=activation)[1])


@pytest.mark.parametrize(
    ("batches", "options"),
    [
        *(({}, {"name": name, "rate": 0.01 if name.startswith("adam") else 0.05}) for name in OPTIMIZERS),
        *(({}, {"activation": name}) for name in ACTIVATIONS),
        ({}, {"hidden": []}),
        ({}, {"dropout": 0.3, "averaging": 0.5, "weight_decay": 1e-3, "clip_norm": 0.5, "epochs": 10}),
        ({"N": 600, "size": 600}, {"epochs": 40}),
        ({"N": 2 * POOL // 16, "size": 2 * POOL // 16}, {"epochs": 10}),  # more gradients than random numbers
        ({"D": 1000}, {"hidden": [1030], "rate": 0.01}),  # sums of more than TERMS terms
        ({"classes": 3832, "N": 100}, {"rate": 0.2, "epochs": 10}),
    ],
    ids=str,
)
def test_it_learns_in_any_shape(batches, options):
    first, *_, last = list(train(Batches(**batches), **options)[1])
    assert last.loss < 0.8 * first.loss


def test_training_agrees_with_plain_float32(monkeypatch):
    """With smooth labels and weight decay, when small gradients count; rounded to nearest, they would vanish."""
    batches, held_out = Batches(3000, 30, 100, 128, noise=0.8), slice(2000, None)
    x, labels = batches.x[held_out], batches.targets[held_out]
    batches.x, batches.targets = batches.x[:2000], smooth_labels(batches.targets[:2000], 0.05)

    def scores(way, seed):
        for module in (layers, network):
            monkeypatch.setattr(module, "rounded", way)
        trained, epochs = train(batches, hidden=[64], rate=0.2, weight_decay=1e-3, seed=seed, epochs=10)
        list(epochs)
        logits = trained.predict(x)
        return np.mean(logits.argmax(axis=1) == labels.argmax(axis=1)), softmax_cross_entropy(logits, labels)[0]

    for seed in range(3):
        accuracy, loss = scores(lambda a, rng=None: a, seed)
        assert scores(rounded, seed) == (pytest.approx(accuracy, abs=0.006), pytest.approx(loss, abs=0.004))
        assert scores(lambda a, rng=None: rounded(a), seed)[1] < loss - 0.008
