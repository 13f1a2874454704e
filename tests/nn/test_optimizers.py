import numpy as np
import pytest

from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, Adam, GradientDescent, Momentum, Nesterov
from stages.nn.training import train_step

CURVATURE = np.array([1.0, 10.0])
TARGET = np.array([3.0, -2.0])


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_every_optimizer_finds_the_minimum_of_a_parabola(name):
    optimizer, theta = OPTIMIZERS[name](), np.zeros(2)
    for step in range(2000):
        gradient = CURVATURE * (theta - TARGET)
        theta -= 0.05 * (1 - step / 2000) * optimizer.direction(gradient)
    np.testing.assert_allclose(theta, TARGET, atol=1e-6)


def directions(optimizer, gradients):
    return [optimizer.direction(np.array([g])).item() for g in gradients]


def test_directions_by_hand():
    gradients = [1.0, 2.0, -1.0]
    assert directions(GradientDescent(), gradients) == gradients
    assert directions(Momentum(0.5), gradients) == pytest.approx([1, 2.5, 0.25])
    assert directions(Nesterov(0.5), gradients) == pytest.approx([1.5, 3.25, -0.875])
    assert directions(Adam(epsilon=0), gradients[:1]) == pytest.approx([1])  # the first step has the length 1
    m, v = (0.9 * 0.1 + 0.2) / (1 - 0.81), (0.999 * 0.001 + 0.004) / (1 - 0.999**2)
    assert directions(Adam(epsilon=0), gradients[:2])[1] == pytest.approx(m / np.sqrt(v))


def test_decoupled_weight_decay_shrinks_weights_and_not_biases():
    x, targets = np.zeros((1, 3), np.float32), np.full((1, 2), 0.5, np.float32)  # nothing to learn: gradient 0
    network = multilayer_perceptron([3, 2])
    network.theta[:] = 1
    train_step(network, x, targets, OPTIMIZERS["adamw"](), 0.1, weight_decay=0.5)
    np.testing.assert_allclose(network.weights, 0.95, rtol=1e-6)
    assert np.array_equal(network.dense[0].b, [1, 1])
