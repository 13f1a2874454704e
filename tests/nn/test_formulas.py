"""Every formula against the definition of a derivative, and against PyTorch, in float64 without rounding."""

import numpy as np
import pytest

from stages.nn.layers import ACTIVATIONS, Dense, Dropout, LeakyReLU, ReLU, Sigmoid, Tanh
from stages.nn.losses import smooth_labels, softmax_cross_entropy
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS, chain
from stages.nn.schedules import one_cycle

pytestmark = pytest.mark.usefixtures("unrounded")
TOLERANCE = 1e-7  # relative


def problem(sizes, activation="relu", dropout=0.0, N=7):
    rng = np.random.default_rng(0)
    network = multilayer_perceptron(sizes, activation, dropout, dtype=np.float64)
    network.theta[:] = 0.5 * rng.standard_normal(network.theta.size) / np.sqrt(sizes[1])
    targets = smooth_labels(np.eye(sizes[-1])[rng.integers(0, sizes[-1], N)], 0.1)
    return network, rng.standard_normal((N, sizes[0])), targets


def loss_and_gradient(network, x, targets):
    """The loss, with the same dropout at each call, and dlogits."""
    return softmax_cross_entropy(network.forward(x, np.random.default_rng(3)), targets)


def worst_error(network, x, targets, directions, nudge=1e-5):
    """The largest relative error of the gradient along these directions, against central differences."""
    network.backward(loss_and_gradient(network, x, targets)[1])
    start, errors = network.theta.copy(), []
    for direction in directions:
        analytic, losses = network.grad @ direction, []
        for sign in (1, -1):
            network.theta[:] = start + sign * nudge * direction
            losses.append(loss_and_gradient(network, x, targets)[0])
        numeric = (losses[0] - losses[1]) / (2 * nudge)
        errors.append(abs(analytic - numeric) / max(abs(analytic), abs(numeric), 1e-3))
    network.theta[:] = start
    return max(errors)


@pytest.mark.parametrize("activation", ACTIVATIONS)
@pytest.mark.parametrize("hidden", [[], [5], [5, 4]], ids=str)
@pytest.mark.parametrize("dropout", [0.0, 0.4])
def test_every_coordinate_of_the_gradient(hidden, activation, dropout):
    case = problem([4, *hidden, 3], activation, dropout)
    assert worst_error(*case, np.eye(case[0].theta.size)) < TOLERANCE


@pytest.mark.parametrize("activation", ["relu", "tanh"])
def test_random_directions_at_the_real_size(activation):
    case = problem([784, 64, 32, 10], activation, N=16)
    directions = np.random.default_rng(4).standard_normal((10, case[0].theta.size))
    assert worst_error(*case, directions / np.linalg.norm(directions, axis=1, keepdims=True), 1e-4) < TOLERANCE


@pytest.mark.parametrize(
    ("layer", "wrong"),
    [
        (Dense, lambda self, dy, rng: self.gradients(dy) or dy @ self.rounded_W.T * 1.01),
        (ReLU, lambda self, dy, rng: dy),
        (LeakyReLU, lambda self, dy, rng: np.where(self.x > 0, dy, 0.02 * dy)),
        (Tanh, lambda self, dy, rng: dy * (1 - self.y)),
        (Sigmoid, lambda self, dy, rng: dy * self.y),
        (Dropout, lambda self, dy, rng: dy),
    ],
    ids=lambda value: getattr(value, "__name__", ""),
)
def test_a_wrong_derivative_fails(layer, wrong, monkeypatch):
    activation = next((name for name, kind in ACTIVATIONS.items() if kind is layer), "tanh")
    case = problem([4, 6, 3], activation, 0.4)
    monkeypatch.setattr(layer, "backward", wrong)
    assert worst_error(*case, np.eye(case[0].theta.size)) > 1e-3


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_hundred_steps_are_those_of_pytorch(name):
    torch = pytest.importorskip("torch", reason="torch comes with the extra `bench`")
    sgd, rate, decay, smoothing = torch.optim.SGD, 0.02, 1e-2, 0.1
    peers = {
        "gradient_descent": lambda groups: sgd(groups, lr=rate),
        "momentum": lambda groups: sgd(groups, lr=rate, momentum=0.9),
        "nesterov": lambda groups: sgd(groups, lr=rate, momentum=0.9, nesterov=True),
        "adam": lambda groups: torch.optim.Adam(groups, lr=rate),
        "adamw": lambda groups: torch.optim.AdamW(groups, lr=rate),
    }
    rng = np.random.default_rng(0)
    network, *_ = problem([20, 16, 12, 5])
    linears = [torch.nn.Linear(dense.inputs, dense.outputs, dtype=torch.float64) for dense in network.dense]
    for dense, linear in zip(network.dense, linears, strict=True):
        linear.weight.data, linear.bias.data = torch.tensor(dense.W.T.copy()), torch.tensor(dense.b.copy())
    peer = torch.nn.Sequential(linears[0], torch.nn.ReLU(), linears[1], torch.nn.ReLU(), linears[2])
    weights, biases = ([getattr(linear, kind) for linear in linears] for kind in ("weight", "bias"))
    theirs = peers[name]([{"params": weights, "weight_decay": decay}, {"params": biases, "weight_decay": 0.0}])
    ours = chain(name, network.weights.size, weight_decay=decay)
    cross_entropy = torch.nn.CrossEntropyLoss(label_smoothing=smoothing)

    for number in range(100):
        x, labels = rng.standard_normal((32, 20)), rng.integers(0, 5, 32)
        length = rate * one_cycle(number / 100)
        loss, dlogits = softmax_cross_entropy(network.forward(x), smooth_labels(np.eye(5)[labels], smoothing))
        network.backward(dlogits)
        network.theta -= length * ours(network.grad, network.theta)
        theirs.zero_grad()
        expected = cross_entropy(peer(torch.tensor(x)), torch.tensor(labels))
        expected.backward()
        for group in theirs.param_groups:
            group["lr"] = length
        theirs.step()
        assert loss == pytest.approx(expected.item(), abs=1e-9)
    for dense, linear in zip(network.dense, linears, strict=True):
        np.testing.assert_allclose(dense.W, linear.weight.detach().numpy().T, atol=1e-9)
        np.testing.assert_allclose(dense.b, linear.bias.detach().numpy(), atol=1e-9)
