"""A hundred steps beside PyTorch's, in float64: the same losses, the same weights. Skipped where torch is missing."""

import numpy as np
import pytest

from stages.nn.initializers import glorot_normal
from stages.nn.losses import smooth_labels
from stages.nn.network import multilayer_perceptron
from stages.nn.optimizers import OPTIMIZERS
from stages.nn.schedules import one_cycle
from stages.nn.training import train_step

torch = pytest.importorskip("torch", reason="torch comes with the extra `bench`")

STEPS, RATE, DECAY, SMOOTHING = 100, 0.02, 1e-2, 0.1
PEERS = {
    "gradient_descent": lambda groups: torch.optim.SGD(groups, lr=RATE),
    "momentum": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9),
    "nesterov": lambda groups: torch.optim.SGD(groups, lr=RATE, momentum=0.9, nesterov=True),
    "adam": lambda groups: torch.optim.Adam(groups, lr=RATE),
    "adamw": lambda groups: torch.optim.AdamW(groups, lr=RATE),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_same_hundred_steps(name):
    rng = np.random.default_rng(0)
    network = multilayer_perceptron([20, 16, 12, 5], dtype=np.float64)
    network.initialize(glorot_normal, rng)
    layers = []
    for dense in network.dense:
        linear = torch.nn.Linear(dense.inputs, dense.outputs, dtype=torch.float64)
        linear.weight.data, linear.bias.data = torch.tensor(dense.W.T.copy()), torch.tensor(dense.b.copy())
        layers += [linear, torch.nn.ReLU()]
    peer = torch.nn.Sequential(*layers[:-1])
    groups = [
        {"params": [layer.weight for layer in layers[::2]], "weight_decay": DECAY},
        {"params": [layer.bias for layer in layers[::2]], "weight_decay": 0.0},
    ]
    ours, theirs = OPTIMIZERS[name](), PEERS[name](groups)
    cross_entropy = torch.nn.CrossEntropyLoss(label_smoothing=SMOOTHING)

    for step in range(STEPS):
        x, labels = rng.standard_normal((32, 20)), rng.integers(0, 5, 32)
        targets = smooth_labels(np.eye(5)[labels], SMOOTHING)
        rate = RATE * one_cycle(step / STEPS)
        loss = train_step(network, x, targets, ours, rate, weight_decay=DECAY)
        theirs.zero_grad()
        expected = cross_entropy(peer(torch.tensor(x)), torch.tensor(labels))
        expected.backward()
        for group in theirs.param_groups:
            group["lr"] = rate
        theirs.step()
        assert loss == pytest.approx(expected.item(), abs=1e-9)
    for dense, linear in zip(network.dense, layers[::2], strict=True):
        np.testing.assert_allclose(dense.W, linear.weight.detach().numpy().T, atol=1e-9)
        np.testing.assert_allclose(dense.b, linear.bias.detach().numpy(), atol=1e-9)
