import itertools

import numpy as np
import pytest

from stages.nn.losses import smooth_labels
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, GradientDescent, Nesterov
from stages.nn.schedules import constant, one_cycle
from stages.nn.training import fit, train_step

rng = np.random.default_rng(0)
X = rng.standard_normal((32, 20)).astype(np.float32)
TARGETS = np.eye(4, dtype=np.float32)[rng.integers(0, 4, 32)]


class FullBatch:
    """The whole set as one batch."""

    def __len__(self):
        return 1

    def epoch(self, k):
        return [(X, TARGETS)]


def new_network(dtype=np.float32, dropout=0.0):
    network = multilayer_perceptron([20, 16, 4], dropout=dropout, dtype=dtype)
    rng = np.random.default_rng(1)
    for layer in network.dense:
        layer.W[:] = np.sqrt(2 / layer.inputs) * rng.standard_normal(layer.W.shape)
    return network


def test_golden_curve():
    """The losses of ten steps, recorded once in float64; a change of any formula changes them."""
    network, optimizer, targets = new_network(np.float64), Nesterov(0.9), smooth_labels(TARGETS.astype(float), 0.1)
    losses = [
        train_step(network, X.astype(float), targets, optimizer, 0.05, weight_decay=1e-3, clip_norm=1.0)
        for _ in range(10)
    ]
    golden = [
        1.845095,
        1.7371599,
        1.5963032,
        1.4395136,
        1.2918031,
        1.1718788,
        1.0815617,
        1.017141,
        0.9701598,
        0.9316971,
    ]
    np.testing.assert_allclose(losses, golden, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_one_batch_can_be_overfitted(name):
    network, optimizer = new_network(), OPTIMIZERS[name]()
    rate = 0.01 if name.startswith("adam") else 0.1
    losses = [train_step(network, X, TARGETS, optimizer, rate) for _ in range(400)]
    assert losses[-1] < 0.05 < losses[0]


def test_full_batch_gradient_descent_lowers_the_loss_at_every_step():
    epochs = fit(new_network(), FullBatch(), GradientDescent(), constant, epochs=50, learning_rate=0.05)
    losses = [epoch.loss for epoch in epochs]
    assert all(later < earlier for earlier, later in itertools.pairwise(losses))


def test_clipping_scales_a_long_gradient_and_leaves_a_short_one():
    for limit, expected in ((1e-3, 1e-3), (1e6, None)):
        network, free = new_network(np.float64), new_network(np.float64)
        before = network.theta.copy()
        train_step(network, X, TARGETS, GradientDescent(), 1.0, clip_norm=limit)
        train_step(free, X, TARGETS, GradientDescent(), 1.0)
        moved, whole = network.theta - before, free.theta - before
        assert np.linalg.norm(moved) == pytest.approx(expected or np.linalg.norm(whole), rel=1e-6)
        np.testing.assert_allclose(moved / np.linalg.norm(moved), whole / np.linalg.norm(whole), atol=1e-9)


def test_fit_reports_each_epoch():
    epochs = list(fit(new_network(), FullBatch(), Nesterov(), one_cycle, epochs=4, learning_rate=0.2))
    assert [epoch.number for epoch in epochs] == [1, 2, 3, 4]
    assert [epoch.learning_rate for epoch in epochs] == pytest.approx([0.2 * one_cycle(k / 4) for k in range(4)])


def test_fit_yields_the_average_and_continues_from_the_weights():
    plain, averaged = new_network(np.float64), new_network(np.float64)
    expected = plain.theta.copy()
    seen = fit(averaged, FullBatch(), GradientDescent(), constant, epochs=5, learning_rate=0.1, averaging=0.7)
    for _ in fit(plain, FullBatch(), GradientDescent(), constant, epochs=5, learning_rate=0.1):
        next(seen)
        expected = 0.7 * expected + 0.3 * plain.theta
        np.testing.assert_allclose(averaged.theta, expected, atol=1e-14)
    assert list(seen) == []  # the last epoch's network stays
    np.testing.assert_allclose(averaged.theta, expected, atol=1e-14)


def test_dropout_depends_on_the_rng_of_the_epoch_alone():
    def trained(*seeds):
        network = new_network(dropout=0.5)
        rngs = [np.random.default_rng(seed) for seed in seeds]
        options = {"epochs": 2, "learning_rate": 0.1, "dropout_rng": lambda epoch: rngs[epoch - 1]}
        list(fit(network, FullBatch(), GradientDescent(), constant, **options))
        return network.theta

    assert np.array_equal(trained(1, 2), trained(1, 2))
    assert not np.array_equal(trained(1, 2), trained(1, 3))


def test_a_loss_that_is_not_finite_stops_training_at_once():
    seen = []
    with pytest.raises(FloatingPointError) as raised:
        seen.extend(fit(new_network(), FullBatch(), GradientDescent(), constant, epochs=90, learning_rate=1e30))
    message = str(raised.value)
    assert f"at epoch {len(seen) + 1}, step 1 of 1, learning rate 1e+30" in message
    assert "try a smaller learning_rate" in message
    assert "\n" not in message


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_resuming_from_a_state_gives_the_same_bytes(name):
    options = {"epochs": 6, "learning_rate": 0.01, "averaging": 0.5, "dropout_rng": np.random.default_rng}
    whole, first, second = (new_network(dropout=0.5) for _ in range(3))
    losses = [e.loss for e in fit(whole, FullBatch(), OPTIMIZERS[name](), one_cycle, **options)]
    for epoch in fit(first, FullBatch(), OPTIMIZERS[name](), one_cycle, **options):
        state = {key: array.copy() for key, array in epoch.state.items()}
        if epoch.number == 2:
            break
    later = list(fit(second, FullBatch(), OPTIMIZERS[name](), one_cycle, **options, state=state))
    assert [epoch.number for epoch in later] == [3, 4, 5, 6]
    assert [epoch.loss for epoch in later] == losses[2:]
    assert np.array_equal(second.theta, whole.theta)
