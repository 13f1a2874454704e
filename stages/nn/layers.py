"""The layers: each formula and, below it, the chain rule through that formula."""

import numpy as np

from stages.nn.exact import matmul, rounded, tanh


class Layer:
    """A function y = f(x) that can pass a gradient back through itself.

    `forward` stores what its derivative needs; `backward` turns dL/dy into dL/dx. Pass `rng` while training; without it
    the layer is in evaluation mode.
    """

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return y, (N, M), for x, (N, D)."""
        raise NotImplementedError

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return dx, (N, D), for dy, (N, M); fill the gradients of the layer's own parameters, if it has any."""
        raise NotImplementedError


class Dense(Layer):
    """Every output is a weighted sum of every input, plus a bias: y_m = sum over d of x_d W_dm, plus b_m.

    An entry of W enters y_m once, multiplied by x_d, and does so for each example. So, by the chain rule, dL/dW_dm is
    the sum over the examples of x_d dL/dy_m, dL/db_m that of dL/dy_m, and dL/dx_d the sum over m of W_dm dL/dy_m.

    W, dW (D, M) and b, db (M,) are views of the `theta` and `grad` of the network that the layer belongs to.
    """

    W: np.ndarray
    b: np.ndarray
    dW: np.ndarray
    db: np.ndarray

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.x, self.rounded_W = rounded(x), rounded(self.W.astype(x.dtype, copy=False))
        y = matmul(self.x, self.rounded_W)
        y += self.b
        return y  # x W + b   (N, M)

    def gradients(self, dy: np.ndarray) -> None:
        """Fill dW and db from dy, (N, M), which is rounded."""
        matmul(self.x.T, dy, out=self.dW)  # x^T dy   (D, M)
        matmul(np.ones(len(dy), dy.dtype), dy, out=self.db)  # the sum of the rows   (M,)

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        dy = rounded(dy, rng)
        self.gradients(dy)
        return matmul(dy, self.rounded_W.T)  # (N, D)


class ReLU(Layer):
    """The positive part, y = max(x, 0) (Nair and Hinton, 2010)."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.y = np.maximum(x, 0)
        return self.y

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        return dy * (self.y > 0)


class LeakyReLU(Layer):
    """The positive part, and a hundredth of the negative part (Maas, Hannun and Ng, 2013)."""

    slope = 0.01

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, self.slope * x)

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        return np.where(self.x > 0, dy, self.slope * dy)


class Tanh(Layer):
    """The hyperbolic tangent."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.y = tanh(x)
        return self.y

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        return dy * (1 - self.y * self.y)


class Sigmoid(Layer):
    """The logistic function, y = 1 / (1 + e^-x), written as a tanh, which cannot overflow."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.y = 0.5 * (1 + tanh(0.5 * x))
        return self.y

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        return dy * self.y * (1 - self.y)


class Dropout(Layer):
    """Zero each input with probability `rate`; scale the rest by 1 / (1 - rate), so that the mean stays the same.

    This is inverted dropout (Srivastava et al., 2014): it does nothing in evaluation.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        if rng is None:
            return x
        survives = rng.random(x.shape, dtype=np.float32) >= self.rate
        self.mask = survives / x.dtype.type(1 - self.rate)  # 0 or 1 / (1 - rate)   (N, D)
        return x * self.mask

    def backward(self, dy: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        return dy * self.mask


ACTIVATIONS: dict[str, type[Layer]] = {"relu": ReLU, "leaky_relu": LeakyReLU, "tanh": Tanh, "sigmoid": Sigmoid}
