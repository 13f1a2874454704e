"""The whole of the mathematics on one page: a network with one hidden layer, without layers, classes or tricks.

Read this first, then stages/nn, which does the same for any number of layers, and faster.
"""

import numpy as np

from stages.nn.initializers import he_normal
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import GradientDescent
from stages.nn.training import train_step


def reference_step(x, targets, W1, b1, W2, b2, learning_rate):
    """One step of gradient descent for N images of D pixels, M hidden neurons and K classes; returns the loss."""
    # forward: from pixels to probabilities
    h = x @ W1 + b1  # (N, D) @ (D, M) + (M,) = (N, M)
    a = np.maximum(h, 0)  # ReLU                     (N, M)
    z = a @ W2 + b2  # logits: (N, M) @ (M, K) + (K,) = (N, K)
    e = np.exp(z - z.max(axis=1, keepdims=True))  # (N, K)
    p = e / e.sum(axis=1, keepdims=True)  # softmax: p = e^z / sum over k of e^z[k]

    # loss: the surprise, in nats, that the right answers cause, on average
    loss = -np.mean(np.sum(targets * np.log(p), axis=1))  # L = -1/N sum t log p

    # backward: the chain rule, from the loss to each parameter
    dz = (p - targets) / len(x)  # dL/dz: softmax and logarithm cancel   (N, K)
    dW2, db2 = a.T @ dz, dz.sum(axis=0)  # (M, N) @ (N, K) = (M, K), (K,)
    da = dz @ W2.T  # (N, K) @ (K, M) = (N, M)
    dh = da * (h > 0)  # ReLU lets through what was positive      (N, M)
    dW1, db1 = x.T @ dh, dh.sum(axis=0)  # (D, N) @ (N, M) = (D, M), (M,)

    # update: every parameter a little downhill
    for parameter, gradient in ((W1, dW1), (b1, db1), (W2, dW2), (b2, db2)):
        parameter -= learning_rate * gradient
    return loss


def test_the_network_agrees_with_the_reference():
    rng = np.random.default_rng(0)
    x, targets = rng.standard_normal((64, 784)), np.eye(10)[rng.integers(0, 10, 64)]
    network = multilayer_perceptron([784, 128, 10], dtype=np.float64)
    network.initialize(he_normal, rng)
    own = {name: array.copy() for name, array in network.parameters().items()}
    for _ in range(20):
        expected = reference_step(x, targets, own["W1"], own["b1"], own["W2"], own["b2"], 0.1)
        loss = train_step(network, x, targets, GradientDescent(), 0.1)
        assert abs(loss - expected) < 1e-12
    for name, array in network.parameters().items():
        np.testing.assert_allclose(array, own[name], rtol=0, atol=1e-12)
    assert loss < 0.5  # it did learn
