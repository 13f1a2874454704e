"""The gradient of every layer and of the loss against the definition of a derivative, in float64 without rounding."""

import numpy as np
import pytest

from stages.nn.layers import ACTIVATIONS, Dense, Dropout
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import multilayer_perceptron

pytestmark = pytest.mark.usefixtures("unrounded")
TOLERANCE = 1e-7  # relative


def worst_error(hidden, activation="tanh", dropout=0.4, nudge=1e-5):
    """The largest relative error of an entry of the gradient, against central differences."""
    rng = np.random.default_rng(0)
    network = multilayer_perceptron([4, *hidden, 3], activation, dropout, dtype=np.float64)
    network.theta[:] = rng.standard_normal(network.theta.size) / 4
    x, targets = rng.standard_normal((7, 4)), smooth_labels(np.eye(3)[rng.integers(0, 3, 7)], 0.1)

    def loss_and_dlogits():
        """With the same dropout at each call."""
        return softmax_cross_entropy(network.forward(x, np.random.default_rng(3)), targets)

    network.backward(loss_and_dlogits()[1])
    start, numeric = network.theta.copy(), np.empty_like(network.grad)
    for i, unit in enumerate(np.eye(start.size)):
        losses = []
        for sign in (1, -1):
            network.theta[:] = start + sign * nudge * unit
            losses.append(loss_and_dlogits()[0])
        numeric[i] = (losses[0] - losses[1]) / (2 * nudge)
    return np.max(np.abs(network.grad - numeric) / np.maximum(np.abs(numeric), 1e-3))


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [5], [5, 4]], ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_the_gradient_is_the_derivative_of_the_loss(hidden, activation, dropout):
    assert worst_error(hidden, activation, dropout) < TOLERANCE


@pytest.mark.parametrize("layer", [Dense, Dropout, *ACTIVATIONS.values()])
def test_a_wrong_derivative_fails(layer, monkeypatch):
    right = layer.backward
    monkeypatch.setattr(layer, "backward", lambda self, dy, rng: 1.001 * right(self, dy, rng))
    names = {kind: name for name, kind in ACTIVATIONS.items()}
    assert worst_error([5, 4], names.get(layer, "tanh")) > 1e-4
