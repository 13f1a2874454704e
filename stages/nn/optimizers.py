"""The direction of a step. How far to go in it is the schedule's affair.

Every optimizer turns the gradient, (P,), into a direction, (P,), to be subtracted from theta. It may write the
direction over the gradient; an array of its own that it returns is only lent until the next call.
"""

from collections.abc import Mapping

import numpy as np


class Optimizer:
    """Turns gradients into directions.

    `decoupled` tells that weight decay acts on theta, not through the gradient. `remembers` names what an optimizer
    knows of the past: with that it goes on where another of its kind stopped.
    """

    decoupled = False
    remembers: tuple[str, ...] = ()

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """Return the direction (P,) of the step for the gradient (P,)."""
        raise NotImplementedError

    def memory(self) -> dict[str, np.ndarray]:
        """Return what it remembers, by name."""
        return {name: np.asarray(getattr(self, name)) for name in self.remembers}

    def recall(self, memory: Mapping[str, np.ndarray]) -> None:
        """Remember what another one's `memory` holds."""
        for name in self.remembers:
            setattr(self, name, memory[name].copy())


class GradientDescent(Optimizer):
    """Straight downhill."""

    def direction(self, grad: np.ndarray) -> np.ndarray:
        return grad


class Momentum(Optimizer):
    """A ball that rolls: v = momentum v + g (Polyak, 1964)."""

    remembers = ("velocity",)
    velocity: np.ndarray | None = None

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def direction(self, grad: np.ndarray) -> np.ndarray:
        if self.velocity is None:
            self.velocity = np.zeros_like(grad)
        self.velocity *= self.momentum
        self.velocity += grad
        return self.velocity


class Nesterov(Momentum):
    """A ball that looks where it will be: g + momentum v (Nesterov, 1983; Sutskever et al., 2013)."""

    def direction(self, grad: np.ndarray) -> np.ndarray:
        if self.velocity is None:
            self.velocity = np.zeros_like(grad)
        self.velocity += grad
        self.velocity *= self.momentum  # momentum v, all that is ever needed of v
        grad += self.velocity
        return grad


class Adam(Optimizer):
    """Every parameter at its own pace: the mean gradient over its root mean square (Kingma and Ba, 2015).

    m <- beta1 m + (1 - beta1) g,  v <- beta2 v + (1 - beta2) g^2,  direction = m_hat / (sqrt(v_hat) + epsilon)
    """

    remembers = ("m", "v", "t")
    t: int | np.ndarray = 0  # steps taken

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def direction(self, grad: np.ndarray) -> np.ndarray:
        if self.t == 0:
            self.m, self.v = np.zeros_like(grad), np.zeros_like(grad)
        self.t = int(self.t) + 1
        self.m += (1 - self.beta1) * (grad - self.m)  # mean of g
        self.v += (1 - self.beta2) * (grad * grad - self.v)  # mean of g^2
        m_hat = self.m / (1 - self.beta1**self.t)  # both began at zero: undo that bias
        v_hat = self.v / (1 - self.beta2**self.t)
        direction: np.ndarray = m_hat / (np.sqrt(v_hat) + self.epsilon)
        return direction


class AdamW(Adam):
    """Adam with weight decay kept out of the means (Loshchilov and Hutter, 2019)."""

    decoupled = True


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "adamw": AdamW,
}
