"""The training loop: forward, loss, backward, update."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite, sqrt
from typing import Protocol

import numpy as np

from stages.nn.losses import softmax_cross_entropy
from stages.nn.network import Network
from stages.nn.optimizers import Optimizer
from stages.nn.schedules import Schedule


class Batches(Protocol):
    """What `fit` learns from: `len` minibatches per epoch; `epoch(k)` yields x (N, D), targets (N, K) of each."""

    def __len__(self) -> int: ...

    def epoch(self, k: int) -> Iterable[tuple[np.ndarray, np.ndarray]]: ...


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training set."""

    number: int  # from 1
    learning_rate: float  # of its last step
    loss: float  # mean over its minibatches, each measured before its step, in nats
    state: Mapping[str, np.ndarray]  # all that `fit` needs to resume here; overwritten by the next epoch


def loss_and_gradient(
    network: Network,
    x: np.ndarray,
    targets: np.ndarray,
    *,
    weight_decay: float = 0.0,
    dropout_rng: np.random.Generator | None = None,
) -> float:
    """Fill the network's `grad` for one minibatch, x (N, D) and targets (N, K); return the mean cross-entropy, in nats.

    The gradient is that of the cross-entropy plus weight_decay/2 times the sum of the squared weights. Biases do not
    decay.
    """
    logits = network.forward(x, dropout_rng)
    loss, dlogits = softmax_cross_entropy(logits, targets, network.arithmetic)
    network.backward(dlogits)
    if weight_decay:
        network.dweights += weight_decay * network.weights
    return loss


@np.errstate(over="ignore", invalid="ignore")  # an overflow shows in the loss
def train_step(
    network: Network,
    x: np.ndarray,
    targets: np.ndarray,
    optimizer: Optimizer,
    learning_rate: float,
    *,
    weight_decay: float = 0.0,
    clip_norm: float | None = None,
    dropout_rng: np.random.Generator | None = None,
) -> float:
    """Move the network one step downhill on one minibatch; return the loss before it, as `loss_and_gradient` does.

    A decoupled weight decay shrinks the weights directly. A gradient with a norm above `clip_norm` is scaled down to
    it (Pascanu, Mikolov and Bengio, 2013).
    """
    theta, grad = network.theta, network.grad
    coupled_decay = 0.0 if optimizer.decoupled else weight_decay
    loss = loss_and_gradient(network, x, targets, weight_decay=coupled_decay, dropout_rng=dropout_rng)
    if clip_norm is not None:
        norm = sqrt(network.arithmetic.sum(np.square(grad, dtype=np.float64)))
        grad *= min(1.0, clip_norm / max(norm, 1e-30))
    if optimizer.decoupled:
        network.weights *= 1 - learning_rate * weight_decay
    np.multiply(optimizer.direction(grad), learning_rate, out=grad)  # the step, in the place of the gradient
    theta -= grad
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
    dropout_rng: Callable[[int], np.random.Generator] | None = None,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Epoch]:
    """Train the network; yield once per epoch, with the network as it would be if training ended there.

    With `averaging`, that network is a moving average of the weights, while training continues from the weights
    themselves. `dropout_rng(epoch)` is where dropout draws from. With the `state` of an earlier epoch, training resumes
    after that epoch as if it had never stopped. Raises FloatingPointError at the first loss that is not finite.
    """
    theta, steps = network.theta, len(batches)
    done, trained, average = resume(state, theta, optimizer)
    for number in range(done + 1, epochs + 1):
        theta[:], total = trained, 0.0  # what was yielded may be the average
        rng = dropout_rng(number) if dropout_rng else None
        for step, (x, targets) in enumerate(batches.epoch(number)):
            progress = ((number - 1) * steps + step) / (epochs * steps)
            rate = learning_rate * schedule(progress)
            loss = train_step(
                network, x, targets, optimizer, rate, weight_decay=weight_decay, clip_norm=clip_norm, dropout_rng=rng
            )
            if not isfinite(loss):
                raise diverged(loss, f"epoch {number}, step {step + 1} of {steps}, learning rate {rate:.3g}")
            total += loss
            update_average(average, theta, averaging)
        trained = theta.copy()
        theta[:] = average if averaging else trained
        state = {"epoch": np.array(number), "theta": trained, "average": average, **optimizer.state_dict()}
        yield Epoch(number, rate, total / steps, state)


def resume(
    state: Mapping[str, np.ndarray] | None, theta: np.ndarray, optimizer: Optimizer
) -> tuple[int, np.ndarray, np.ndarray]:
    """Return the number of epochs done, theta and its moving average where `state` left off; at the start without."""
    if state is None:
        return 0, theta.copy(), theta.copy()
    optimizer.load_state_dict(state)
    return int(state["epoch"]), state["theta"].copy(), state["average"].copy()


def update_average(average: np.ndarray, theta: np.ndarray, decay: float) -> None:
    """Move the exponential moving average of theta one step on, from the first weights (Polyak and Juditsky, 1992)."""
    if decay:
        average += (1 - decay) * (theta - average)


def diverged(loss: float, where: str) -> FloatingPointError:
    """Return the error for a loss that is not finite."""
    return FloatingPointError(
        f"the loss is {loss} at {where}: training has diverged; try a smaller learning_rate, or clip_norm: 1.0"
    )
