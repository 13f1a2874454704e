"""Every formula of a derivative against the definition of a derivative, in float64."""

import numpy as np
import pytest

from stages.nn.initializers import glorot_normal
from stages.nn.layers import ACTIVATIONS, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import multilayer_perceptron
from stages.nn.training import loss_and_gradient

TOLERANCE = 1e-7  # relative


def problem(sizes, activation="relu", dropout=0.0, N=7, seed=0):
    rng = np.random.default_rng(seed)
    network = multilayer_perceptron(sizes, activation, dropout, dtype=np.float64)
    network.theta[:] = 0.5 * rng.standard_normal(network.theta.size) / np.sqrt(sizes[1])
    x, targets = rng.standard_normal((N, sizes[0])), np.eye(sizes[-1])[rng.integers(0, sizes[-1], N)]
    return network, x, targets


def total_loss(network, x, targets, weight_decay, seed):
    """The minimized function, by its definition; the same dropout at every call."""
    logits = network.forward(x, np.random.default_rng(seed))
    return softmax_cross_entropy(logits, targets)[0] + 0.5 * weight_decay * np.sum(network.weights**2)


def error_along(network, x, targets, direction, weight_decay=0.0, step=1e-5):
    """The relative error of the gradient along `direction` against the central difference."""
    loss_and_gradient(network, x, targets, weight_decay=weight_decay, dropout_rng=np.random.default_rng(3))
    analytic = network.grad @ direction
    start = network.theta.copy()
    losses = []
    for sign in (1, -1):
        network.theta[:] = start + sign * step * direction
        losses.append(total_loss(network, x, targets, weight_decay, 3))
    network.theta[:] = start
    numeric = (losses[0] - losses[1]) / (2 * step)
    return abs(analytic - numeric) / max(abs(analytic), abs(numeric), 1e-3)


def worst_coordinate(network, x, targets, weight_decay=0.0):
    return max(error_along(network, x, targets, unit, weight_decay) for unit in np.eye(network.theta.size))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [5], [5, 4]], ids=str)
def test_every_coordinate(hidden, activation):
    assert worst_coordinate(*problem([4, *hidden, 3], activation)) < TOLERANCE


@pytest.mark.parametrize(
    ("weight_decay", "label_smoothing", "dropout"),
    [(0.1, 0.0, 0.0), (0.0, 0.2, 0.0), (0.0, 0.0, 0.4), (0.1, 0.2, 0.4)],
)
def test_every_coordinate_with_options(weight_decay, label_smoothing, dropout):
    network, x, targets = problem([4, 6, 3], "tanh", dropout)
    assert worst_coordinate(network, x, smooth_labels(targets, label_smoothing), weight_decay) < TOLERANCE


@pytest.mark.parametrize("sizes", [[784, 128, 10], [784, 64, 32, 16, 10]], ids=str)
@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_random_directions_at_the_real_size(sizes, activation):
    network, x, targets = problem(sizes, activation, N=16)
    network.theta[:] = 0
    network.initialize(glorot_normal, np.random.default_rng(5))
    rng = np.random.default_rng(4)
    for _ in range(10):
        direction = rng.standard_normal(network.theta.size)
        assert error_along(network, x, targets, direction / np.linalg.norm(direction), step=1e-4) < TOLERANCE


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [
        (ReLU, lambda self, dy: dy),
        (LeakyReLU, lambda self, dy: np.where(self.x > 0, dy, 0.02 * dy)),
        (Tanh, lambda self, dy: dy * (1 - self.y)),
        (Sigmoid, lambda self, dy: dy * self.y),
        (Dropout, lambda self, dy: dy),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_derivative_fails(layer, wrong, monkeypatch):
    activation = next((name for name, kind in ACTIVATIONS.items() if kind is layer), "tanh")
    case = problem([4, 6, 3], activation, dropout=0.4 if layer is Dropout else 0.0)
    assert worst_coordinate(*case) < TOLERANCE
    monkeypatch.setattr(layer, "backward", wrong)
    assert worst_coordinate(*case) > 1e-3


def test_weight_decay_is_in_the_gradient_of_weights_only():
    network, x, targets = problem([4, 6, 3], "tanh")
    loss_and_gradient(network, x, targets)
    without = network.grad.copy()
    loss_and_gradient(network, x, targets, weight_decay=0.1)
    assert np.abs(network.grad - without).max() > 1e-3
    biases = network.theta.size - network.weights.size
    assert np.array_equal(network.grad[-biases:], without[-biases:])  # biases do not decay


def test_no_gradient_with_respect_to_the_pixels_is_computed(monkeypatch):
    network, x, targets = problem([4, 6, 3])
    monkeypatch.setattr(network.dense[0], "backward", None)
    loss_and_gradient(network, x, targets)
