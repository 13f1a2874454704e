import numpy as np

from docs import reference
from stages.nn.initializers import he_normal
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import GradientDescent
from stages.nn.training import train_step


def test_the_network_agrees_with_the_reference():
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((64, 784)), np.eye(10)[rng.integers(0, 10, 64)]
    network = multilayer_perceptron([784, 128, 10], dtype=np.float64)
    network.initialize(he_normal, rng)
    own = {name: array.copy() for name, array in network.parameters().items()}
    for _ in range(20):
        expected = reference.step(x, targets, own["W1"], own["b1"], own["W2"], own["b2"], 0.1)
        loss = train_step(network, x, targets, GradientDescent(), 0.1)
        assert abs(loss - expected) < 1e-12
    for name, array in network.parameters().items():
        np.testing.assert_allclose(array, own[name], rtol=0, atol=1e-12)
    assert loss < 0.5  # it did learn
