"""Layers in a row, on one flat vector of parameters."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike

from stages.nn.exact import check_machine, rounded
from stages.nn.initializers import Initializer
from stages.nn.layers import ACTIVATIONS, Dense, Dropout, Layer


class Network:
    """Layers in a row.

    `theta` (P,) holds all parameters, every W before every b, and `grad` (P,) their gradients; the W, b, dW and db of
    the layers are views of them. So a step, an average or a copy of the whole network is one line on one vector.
    `weights` and `dweights` are the parts of theta and grad that hold every W: what weight decay acts on.
    """

    def __init__(self, layers: Sequence[Layer], dtype: DTypeLike = np.float32) -> None:
        self.layers = list(layers)
        self.dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        weights = sum(layer.inputs * layer.outputs for layer in self.dense)
        biases = sum(layer.outputs for layer in self.dense)
        self.theta = np.zeros(weights + biases, dtype)
        self.grad = np.zeros_like(self.theta)
        self.weights, self.dweights = self.theta[:weights], self.grad[:weights]
        parameters, gradients = carve(self.theta, self.dense), carve(self.grad, self.dense)
        for layer, W, b, dW, db in zip(self.dense, *parameters, *gradients, strict=True):
            layer.W, layer.b, layer.dW, layer.db = W, b, dW, db

    def initialize(self, initializer: Initializer, rng: np.random.Generator) -> None:
        """Draw every W, first layer first. Biases stay as they are, at zero."""
        for layer in self.dense:
            layer.W[:] = initializer(rng, layer.inputs, layer.outputs)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the logits (N, K) for x (N, D), of the same type; with `rng` in training mode, else for evaluation."""
        for layer in self.layers:
            x = layer.forward(x, rng)
        return x

    def backward(self, dlogits: np.ndarray, rng: np.random.Generator | None = None) -> None:
        """Fill `grad` from dlogits (N, K) of the last `forward`; with `rng`, gradients are rounded at random."""
        dy = dlogits
        for layer in reversed(self.layers):
            if layer is self.dense[0]:
                self.dense[0].gradients(rounded(dy, rng))
                break  # nobody asks for dL/dpixels: a third of the work is saved
            dy = layer.backward(dy, rng)

    def predict(self, x: np.ndarray, dtype: DTypeLike = np.float64, chunk: int = 4096) -> np.ndarray:
        """Return the logits (N, K) for x (N, D), computed in `dtype`, a chunk of rows at a time: memory stays flat.

        Rounding is relative to the largest entry of a chunk, so the last bits depend on the rows computed together.
        """
        starts = range(0, max(len(x), 1), chunk)
        return np.concatenate([self.forward(x[start : start + chunk].astype(dtype, copy=False)) for start in starts])

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters by name: W1, b1, W2, b2, ..."""
        pairs = [((f"W{i}", layer.W), (f"b{i}", layer.b)) for i, layer in enumerate(self.dense, 1)]
        return dict(named for pair in pairs for named in pair)

    def load(self, parameters: Mapping[str, np.ndarray]) -> None:
        """Copy parameters by name into the network; ValueError when one is missing, misshapen or not finite."""
        for name, own in self.parameters().items():
            other = parameters.get(name)
            if other is None or other.shape != own.shape or not np.isfinite(other).all():
                raise ValueError(f"{name} must be {own.shape} finite numbers")
            own[:] = other


def carve(vector: np.ndarray, layers: Sequence[Dense]) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Return views of `vector` as the W (D, M) of each layer, and after them as the b (M,) of each layer."""
    shapes = [(layer.inputs, layer.outputs) for layer in layers] + [(layer.outputs,) for layer in layers]
    ends = np.cumsum([np.prod(shape) for shape in shapes])
    views = [piece.reshape(shape) for piece, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]
    return views[: len(layers)], views[len(layers) :]


def multilayer_perceptron(
    sizes: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Return a network of dense layers with `sizes` from the inputs to the classes, its parameters all zero.

    The activation, and dropout if any, follow every layer but the last, which gives the logits; `input_dropout`
    comes before the first.
    """
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    inputs, *hidden, classes = sizes
    for outputs in hidden:
        layers += [Dense(inputs, outputs), ACTIVATIONS[activation]()]
        layers += [Dropout(dropout)] if dropout else []
        inputs = outputs
    return Network([*layers, Dense(inputs, classes)], dtype)


def from_arrays(arrays: Mapping[str, Any]) -> Network:
    """Return the network with these parameters W1, b1, W2, b2, ... and this `activation`.

    ValueError when they do not make a network of finite float32; ArithmeticError where this machine is not exact.
    """
    if "arithmetic" in arrays:
        raise ValueError("made by version 1 of this project, which computed otherwise; make it again with `dvc repro`")
    layers = sum(name.startswith("W") for name in arrays)
    names = [f"{letter}{i}" for i in range(1, layers + 1) for letter in "Wb"]
    missing = [name for name in ("W1", "activation", *names) if name not in arrays]
    if missing:
        raise ValueError(f"has no {missing[0]}")
    if any(arrays[name].dtype != np.float32 for name in names) or arrays["W1"].ndim != 2:
        raise ValueError("its weights are not matrices of float32")
    if str(arrays["activation"]) not in ACTIVATIONS:
        raise ValueError(f"its activation must be one of {', '.join(ACTIVATIONS)}")
    sizes = [len(arrays["W1"]), *(arrays[f"b{i}"].size for i in range(1, layers + 1))]
    if 0 in sizes:
        raise ValueError("has a layer without units")
    check_machine()
    network = multilayer_perceptron(sizes, str(arrays["activation"]))
    network.load(arrays)
    return network
