"""Each layer's formula and, below it, the chain rule through that formula."""

import numpy as np


class Layer:
    """A function y = f(x) that can pass a gradient back through itself.

    `forward` remembers what its derivative needs; `backward` turns dL/dy into dL/dx. `rng` is the source of noise
    in training; without one a layer is in evaluation and noiseless.
    """

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return y, (N, M), for x, (N, D)."""
        raise NotImplementedError

    def gradients(self, dy: np.ndarray) -> None:
        """Fill the gradients of the layer's own parameters from dy, (N, M); most layers have none."""

    def backward(self, dy: np.ndarray) -> np.ndarray:
        """Return dx, (N, D), for dy, (N, M)."""
        raise NotImplementedError


class Dense(Layer):
    """Every output is a weighted sum of every input, plus a bias.

    W, b and their gradients dW, db are views of a network's `theta` and `grad`, set by `attach`.
    """

    W: np.ndarray
    b: np.ndarray
    dW: np.ndarray
    db: np.ndarray

    def __init__(self, inputs: int, outputs: int) -> None:
        self.inputs, self.outputs = inputs, outputs

    def attach(self, W: np.ndarray, b: np.ndarray, dW: np.ndarray, db: np.ndarray) -> None:
        """Stand on these parameters and these gradients: W, dW (D, M) and b, db (M,)."""
        self.W, self.b, self.dW, self.db = W, b, dW, db

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.x = x
        y = x @ self.W
        y += self.b  # y = x W + b           (N, M)
        return y

    def gradients(self, dy: np.ndarray) -> None:
        np.matmul(self.x.T, dy, out=self.dW)  # dW = x^T dy          (D, M)
        np.add.reduce(dy, axis=0, out=self.db)  # db = sum over n of dy[n]   (M,)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy @ self.W.T  # dx = dy W^T          (N, D)


class ReLU(Layer):
    """The positive part (Nair and Hinton, 2010)."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        zero = np.zeros_like(x[:1])  # NumPy compares with a row three times as fast as with a lone number
        self.y = np.maximum(x, zero)  # y = max(x, 0)          (N, M)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * (self.y > 0)  # dx = dy [x > 0]        (N, M)


class LeakyReLU(Layer):
    """The positive part, and a hundredth of the negative part (Maas, Hannun and Ng, 2013)."""

    slope = 0.01

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.x = x
        return np.where(x > 0, x, self.slope * x)  # y = x or 0.01 x       (N, M)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return np.where(self.x > 0, dy, self.slope * dy)  # dx = dy or 0.01 dy    (N, M)


class Tanh(Layer):
    """The hyperbolic tangent."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.y = np.tanh(x)  # y = tanh x            (N, M)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * (1 - self.y * self.y)  # dx = dy (1 - y^2)      (N, M)


class Sigmoid(Layer):
    """The logistic function, written through tanh, which cannot overflow."""

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        self.y = 0.5 * (1 + np.tanh(0.5 * x))  # y = 1 / (1 + e^-x)     (N, M)
        return self.y

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * self.y * (1 - self.y)  # dx = dy y (1 - y)      (N, M)


class Dropout(Layer):
    """In training, silence each input with probability `rate` and scale the others up, so that the mean stays.

    Srivastava et al. (2014), in the form that leaves evaluation alone.
    """

    def __init__(self, rate: float) -> None:
        self.rate = rate

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        if rng is None:
            return x
        kept = rng.random(x.shape, dtype=np.float32) >= self.rate
        self.mask = kept / x.dtype.type(1 - self.rate)  # m = 0 or 1 / (1 - rate)   (N, M)
        return x * self.mask  # y = m x               (N, M)

    def backward(self, dy: np.ndarray) -> np.ndarray:
        return dy * self.mask  # dx = m dy             (N, M)


ACTIVATIONS: dict[str, type[Layer]] = {"relu": ReLU, "leaky_relu": LeakyReLU, "tanh": Tanh, "sigmoid": Sigmoid}
