"""Predict, measure, blame, step; again."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from stages.nn.losses import softmax_cross_entropy
from stages.nn.network import Network
from stages.nn.optimizers import Optimizer
from stages.nn.schedules import Schedule


class Batches(Protocol):
    """What `fit` learns from: `len` minibatches an epoch, and `epoch(k)`, which yields x (N, D), targets (N, K)."""

    def __len__(self) -> int: ...

    def epoch(self, k: int) -> Iterable[tuple[np.ndarray, np.ndarray]]: ...


@dataclass(frozen=True)
class Epoch:
    """What one pass over the training set came to."""

    number: int  # from 1
    learning_rate: float  # of its last step
    loss: float  # mean over its minibatches of what was minimized, as it was before each step
    state: Mapping[str, np.ndarray]  # all that `fit` needs to go on from here, valid until the next epoch is asked for


def loss_and_gradient(
    network: Network,
    x: np.ndarray,
    targets: np.ndarray,
    *,
    weight_decay: float = 0.0,
    rng: np.random.Generator | None = None,
) -> float:
    """Fill the network's `grad` for one minibatch, x (N, D) and targets (N, K); return the mean cross-entropy, in nats.

    The gradient is that of the cross-entropy and of weight_decay/2 times the squared length of the weights. Biases
    are left alone. `rng` is where dropout draws from.
    """
    logits = network.forward(x, rng)  # predict
    loss, dlogits = softmax_cross_entropy(logits, targets)  # measure
    network.backward(dlogits)  # blame
    if weight_decay:
        network.grad[: network.weights.size] += weight_decay * network.weights  # dW += decay W
    return loss


def train_step(
    network: Network,
    x: np.ndarray,
    targets: np.ndarray,
    optimizer: Optimizer,
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    rng: np.random.Generator | None = None,
) -> float:
    """Move the network one step downhill on one minibatch; return the loss before it, as `loss_and_gradient` does.

    Where the optimizer decouples weight decay, it shrinks the weights beside the step. `clip_norm` shortens a
    gradient that is longer (Pascanu, Mikolov and Bengio, 2013).
    """
    theta, grad = network.theta, network.grad
    loss = loss_and_gradient(network, x, targets, weight_decay=0.0 if optimizer.decoupled else weight_decay, rng=rng)
    if clip_norm is not None:
        grad *= min(1.0, clip_norm / max(float(np.linalg.norm(grad)), 1e-30))
    if optimizer.decoupled:
        network.weights *= 1 - learning_rate * weight_decay
    step = np.multiply(learning_rate, optimizer.direction(grad), out=grad)  # the gradient has served
    theta -= step
    return loss


def fit(
    network: Network,
    batches: Batches,
    optimizer: Optimizer,
    schedule: Schedule,
    *,
    epochs: int,
    learning_rate: float,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    averaging: float = 0.0,
    noise: Callable[[int], np.random.Generator] | None = None,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Epoch]:
    """Train the network; yield once an epoch, with the network as it would be if training ended there.

    With `averaging` that is an exponential moving average of the weights, which forgets 1 - averaging of itself each
    step, from the first weights on (Polyak and Juditsky, 1992); training goes on from the weights themselves.
    `noise(epoch)` is where dropout draws from. With the `state` of an earlier epoch training goes on after that one, as
    if it had never stopped.
    Raises FloatingPointError at the first loss that is not finite.
    """
    theta, steps, done = network.theta, len(batches), 0
    average = theta.copy()
    if state is not None:
        done, theta[:], average[:] = int(state["epoch"]), state["theta"], state["average"]
        optimizer.recall(state)
    trained = theta.copy()
    for number in range(done + 1, epochs + 1):
        theta[:] = trained  # what is trained goes on; what was yielded may be an average
        rng = noise(number) if noise else None
        total = 0.0
        with np.errstate(over="ignore", invalid="ignore"):  # the loss tells
            for step, (x, targets) in enumerate(batches.epoch(number)):
                rate = learning_rate * schedule(((number - 1) * steps + step) / (epochs * steps))
                loss = train_step(
                    network, x, targets, optimizer, rate, weight_decay=weight_decay, clip_norm=clip_norm, rng=rng
                )
                if not isfinite(loss):
                    raise FloatingPointError(
                        f"the loss is {loss} at epoch {number}, step {step + 1} of {steps}, learning rate {rate:.3g}: "
                        "training has diverged; try a smaller learning_rate, or clip_norm: 1.0"
                    )
                total += loss
                if averaging:
                    average += (1 - averaging) * (theta - average)
        trained = theta.copy()
        if averaging:
            theta[:] = average
        memory = {"epoch": np.array(number), "theta": trained, "average": average, **optimizer.memory()}
        yield Epoch(number, rate, total / steps, memory)


def predict(network: Network, images: np.ndarray, chunk: int = 4096) -> np.ndarray:
    """Return the logits (N, K) for images (N, D), a chunk at a time, so that memory stays flat."""
    K = network.dense[-1].outputs
    logits = np.empty((len(images), K), network.theta.dtype)
    for start in range(0, len(images), chunk):
        logits[start : start + chunk] = network.forward(images[start : start + chunk])
    return logits
