"""The training loop: forward, loss, backward, update."""

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from math import isfinite
from typing import Protocol

import numpy as np

from stages.nn.losses import softmax_cross_entropy
from stages.nn.network import Network
from stages.nn.optimizers import Chain


class Batches(Protocol):
    """A training set: `len` minibatches per epoch; `epoch(k)` yields x (N, D) and targets (N, K) of each."""

    def __len__(self) -> int: ...

    def epoch(self, k: int) -> Iterable[tuple[np.ndarray, np.ndarray]]: ...


@dataclass(frozen=True)
class Epoch:
    """The result of one pass over the training set."""

    number: int  # from 1
    learning_rate: float  # of its last step
    loss: float  # mean over its minibatches, each measured before its step, in nats
    state: Mapping[str, np.ndarray]  # everything `fit` needs to resume from here; overwritten by the next epoch


def fit(
    network: Network,
    batches: Batches,
    direction: Chain,
    learning_rate: Callable[[float], float],
    *,
    epochs: int,
    rng: Callable[[int], np.random.Generator],
    averaging: float = 0.0,
    state: Mapping[str, np.ndarray] | None = None,
) -> Iterator[Epoch]:
    """Train the network; yield once per epoch, with the network as it would be if training ended there.

    The learning rate is a function of the progress, from 0 to 1. `rng(epoch)` is where dropout and the rounding of
    gradients draw from. With `averaging`, the network that is yielded is a moving average of the weights (Polyak and
    Juditsky, 1992), while training continues from the weights themselves. With the `state` of an earlier epoch, it
    resumes after that epoch as if it had never stopped. Raises FloatingPointError at the first loss that is not finite.
    """
    theta, steps, done = network.theta, len(batches), 0
    trained, average = theta.copy(), theta.copy()
    if state:
        done, trained, average = int(state["epoch"]), state["theta"].copy(), state["average"].copy()
        direction.load_state(state)
    for number in range(done + 1, epochs + 1):
        theta[:], total = trained, 0.0  # what was yielded may be the average
        epoch_rng = rng(number)
        with np.errstate(over="ignore", invalid="ignore"):  # an overflow shows in the loss
            for step, (x, targets) in enumerate(batches.epoch(number)):
                logits = network.forward(x, epoch_rng)  # (N, K)
                loss, dlogits = softmax_cross_entropy(logits, targets)  # nats, (N, K)
                network.backward(dlogits, epoch_rng)  # fills network.grad (P,)
                rate = learning_rate(((number - 1) * steps + step) / (epochs * steps))
                if not isfinite(loss):
                    raise diverged(loss, f"epoch {number}, step {step + 1} of {steps}, learning rate {rate:.3g}")
                theta -= rate * direction(network.grad, theta)  # (P,)
                total += loss
                if averaging:
                    average += (1 - averaging) * (theta - average)
        trained[:] = theta
        if averaging:
            theta[:] = average
        state = {"epoch": np.array(number), "theta": trained, "average": average, **direction.state()}
        yield Epoch(number, rate, total / steps, state)


def diverged(loss: float, where: str) -> FloatingPointError:
    """Return the error for a loss that is not finite."""
    return FloatingPointError(
        f"the loss is {loss} at {where}: training has diverged; try a smaller learning_rate, or clip_norm: 1.0"
    )
