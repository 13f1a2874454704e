"""The direction of a step. Its length is the business of the learning rate and its schedule.

Every optimizer turns the gradient, (P,), into a direction, (P,), to be subtracted from theta. It may write the
direction over the gradient. An array of its own that it returns is overwritten by the next call.
"""

from collections.abc import Mapping

import numpy as np


class Optimizer:
    """Turns gradients into directions.

    `decoupled` says that weight decay acts on theta directly, not through the gradient. `usual_rates` are the smallest
    and the largest learning rate that usually work. `state_names` are the attributes that make up its state, for
    `state_dict` and `load_state_dict`.
    """

    decoupled = False
    usual_rates = (0.001, 1.0)
    state_names: tuple[str, ...] = ()

    def direction(self, grad: np.ndarray) -> np.ndarray:
        """Return the direction (P,) of the step for the gradient (P,)."""
        raise NotImplementedError

    def state_dict(self) -> dict[str, np.ndarray]:
        """Return its state, by name."""
        return {name: np.asarray(getattr(self, name)) for name in self.state_names}

    def load_state_dict(self, state: Mapping[str, np.ndarray]) -> None:
        """Copy the state that `state_dict` of another optimizer of this class returned."""
        for name in self.state_names:
            setattr(self, name, state[name].copy())


class GradientDescent(Optimizer):
    """Straight downhill."""

    def direction(self, grad: np.ndarray) -> np.ndarray:
        return grad


class Momentum(Optimizer):
    """A ball that rolls: v = momentum v + g (Polyak, 1964)."""

    state_names = ("velocity",)
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
    """A ball that looks ahead: v = momentum v + g, direction = g + momentum v (Nesterov, 1983; Sutskever et al., 2013).

    What is stored is momentum v, the only form in which v is ever needed.
    """

    def direction(self, grad: np.ndarray) -> np.ndarray:
        if self.velocity is None:
            self.velocity = np.zeros_like(grad)
        self.velocity += grad
        self.velocity *= self.momentum
        grad += self.velocity
        return grad


class Adam(Optimizer):
    """Every parameter at its own pace: the mean gradient over its root mean square (Kingma and Ba, 2015)."""

    usual_rates = (0.00001, 0.01)  # every direction has about unit length per parameter
    state_names = ("m", "v", "power1", "power2")
    m: np.ndarray | None = None
    power1: float | np.ndarray = 1.0  # beta1^t after t steps; C libraries do not agree on the last bit of a power
    power2: float | np.ndarray = 1.0

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def direction(self, grad: np.ndarray) -> np.ndarray:
        if self.m is None:
            self.m, self.v = np.zeros_like(grad), np.zeros_like(grad)
        self.power1 = self.beta1 * float(self.power1)
        self.power2 = self.beta2 * float(self.power2)
        self.m += (1 - self.beta1) * (grad - self.m)  # moving average of g
        self.v += (1 - self.beta2) * (grad * grad - self.v)  # moving average of g^2
        m_hat = self.m / (1 - self.power1)  # both started at zero: correct that bias
        v_hat = self.v / (1 - self.power2)
        direction: np.ndarray = m_hat / (np.sqrt(v_hat) + self.epsilon)
        return direction


class AdamW(Adam):
    """Adam with weight decay left out of the moving averages (Loshchilov and Hutter, 2019)."""

    decoupled = True


OPTIMIZERS: dict[str, type[Optimizer]] = {
    "gradient_descent": GradientDescent,
    "momentum": Momentum,
    "nesterov": Nesterov,
    "adam": Adam,
    "adamw": AdamW,
}
