"""The direction of a step. The learning rate and its schedule set the length.

Each of these turns a gradient (P,) into a direction (P,), to be subtracted from theta (P,). They chain, as in Optax:
what one returns goes into the next. Weight decay before momentum is an L2 penalty, after Adam it is AdamW. A direction
may overwrite the gradient; a returned buffer is valid until the next call.
"""

from collections.abc import Callable, Mapping, Sequence
from math import sqrt

import numpy as np

from stages.nn.exact import total


class Direction:
    """A link of the chain from gradient to direction. `state_names` are the attributes that make up its state."""

    state_names: tuple[str, ...] = ()

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        """Return the direction (P,) for the gradient (P,) at theta (P,)."""
        raise NotImplementedError


class Clip(Direction):
    """Scale a gradient with an L2 norm above `norm` down to it (Pascanu, Mikolov and Bengio, 2013)."""

    def __init__(self, norm: float) -> None:
        self.norm = norm

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        length = sqrt(total(np.square(grad, dtype=np.float64)))
        grad *= min(1.0, self.norm / max(length, 1e-30))
        return grad


class WeightDecay(Direction):
    """Add `decay` times theta to the first `weights` entries: the weights decay, the biases do not."""

    def __init__(self, decay: float, weights: int) -> None:
        self.decay, self.weights = decay, weights

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        grad[: self.weights] += self.decay * theta[: self.weights]
        return grad


class Momentum(Direction):
    """A ball that rolls: v = momentum v + g (Polyak, 1964)."""

    state_names = ("velocity",)
    velocity: np.ndarray | None = None

    def __init__(self, momentum: float = 0.9) -> None:
        self.momentum = momentum

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        if self.velocity is None:
            self.velocity = np.zeros_like(grad)
        self.velocity *= self.momentum
        self.velocity += grad
        return self.velocity


class Nesterov(Momentum):
    """A ball that looks ahead: v = momentum v + g, direction = g + momentum v (Nesterov, 1983; Sutskever et al., 2013).

    Stores momentum * v, the only form needed.
    """

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        if self.velocity is None:
            self.velocity = np.zeros_like(grad)
        self.velocity += grad
        self.velocity *= self.momentum
        grad += self.velocity
        return grad


class Adam(Direction):
    """A step size per parameter: the mean gradient over its root mean square (Kingma and Ba, 2015)."""

    state_names = ("m", "v", "power1", "power2")
    m: np.ndarray | None = None
    power1: float | np.ndarray = 1.0  # beta1^t after t steps; C libraries do not agree on the last bit of a power
    power2: float | np.ndarray = 1.0

    def __init__(self, beta1: float = 0.9, beta2: float = 0.999, epsilon: float = 1e-8) -> None:
        self.beta1, self.beta2, self.epsilon = beta1, beta2, epsilon

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
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


class Chain(Direction):
    """One direction after the other."""

    def __init__(self, directions: Sequence[Direction]) -> None:
        self.directions = list(directions)

    def __call__(self, grad: np.ndarray, theta: np.ndarray) -> np.ndarray:
        for direction in self.directions:
            grad = direction(grad, theta)
        return grad

    def state(self) -> dict[str, np.ndarray]:
        """Return the state of all directions, by name."""
        return {name: np.asarray(getattr(own, name)) for own in self.directions for name in own.state_names}

    def load_state(self, state: Mapping[str, np.ndarray]) -> None:
        """Copy the state that `state` of an equal chain returned."""
        for own in self.directions:
            for name in own.state_names:
                setattr(own, name, state[name].copy())


# What each optimizer adds to the chain, given a momentum. Gradient descent adds nothing: it goes straight downhill.
OPTIMIZERS: dict[str, Callable[[float], list[Direction]]] = {
    "gradient_descent": lambda momentum: [],
    "momentum": lambda momentum: [Momentum(momentum)],
    "nesterov": lambda momentum: [Nesterov(momentum)],
    "adam": lambda momentum: [Adam()],
    "adamw": lambda momentum: [Adam()],
}
# The smallest and the largest learning rate that usually work; a direction of Adam has about unit length per parameter.
TYPICAL_RATES = {name: (0.00001, 0.01) if name.startswith("adam") else (0.001, 1.0) for name in OPTIMIZERS}


def chain(
    optimizer: str, weights: int, momentum: float = 0.9, weight_decay: float = 0.0, clip_norm: float | None = None
) -> Chain:
    """Return the chain of an optimizer by name, with clipping and weight decay on the first `weights` parameters.

    AdamW is Adam with the decay left out of the moving averages (Loshchilov and Hutter, 2019).
    """
    clip = [Clip(clip_norm)] if clip_norm is not None else []
    decay = [WeightDecay(weight_decay, weights)] if weight_decay else []
    own = OPTIMIZERS[optimizer](momentum)
    return Chain([*clip, *own, *decay] if optimizer == "adamw" else [*clip, *decay, *own])
