"""Layers in a row, standing on one long vector of parameters."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import DTypeLike

from stages.nn.initializers import Initializer
from stages.nn.layers import ACTIVATIONS, Dense, Dropout, Layer


def carve(vector: np.ndarray, shapes: Sequence[tuple[int, ...]]) -> list[np.ndarray]:
    """Return views of `vector`, one for each shape, laid end to end."""
    ends = np.cumsum([int(np.prod(shape)) for shape in shapes])
    return [part.reshape(shape) for part, shape in zip(np.split(vector, ends[:-1]), shapes, strict=True)]


class Network:
    """Layers in a row.

    `theta` (P,) holds all parameters, every W before every b, and `grad` (P,) their gradients; the W and b of the
    layers are views of it. So a step, an average or a copy of the whole network is one line on one vector.
    `weights` is the part of theta that holds the W: what weight decay acts on.
    """

    def __init__(self, layers: Sequence[Layer], dtype: DTypeLike = np.float32) -> None:
        self.layers = list(layers)
        self.dense = [layer for layer in self.layers if isinstance(layer, Dense)]
        shapes: list[tuple[int, ...]] = [(layer.inputs, layer.outputs) for layer in self.dense]
        weights = sum(layer.inputs * layer.outputs for layer in self.dense)
        shapes += [(layer.outputs,) for layer in self.dense]
        self.theta = np.zeros(sum(int(np.prod(shape)) for shape in shapes), dtype)
        self.grad = np.zeros_like(self.theta)
        self.weights = self.theta[:weights]
        W_and_b, dW_and_db = carve(self.theta, shapes), carve(self.grad, shapes)
        for i, layer in enumerate(self.dense):
            j = i + len(self.dense)
            layer.attach(W_and_b[i], W_and_b[j], dW_and_db[i], dW_and_db[j])

    def initialize(self, initializer: Initializer, rng: np.random.Generator) -> None:
        """Draw every W anew, first layer first."""
        for layer in self.dense:
            layer.W[:] = initializer(rng, layer.inputs, layer.outputs)

    def forward(self, x: np.ndarray, rng: np.random.Generator | None = None) -> np.ndarray:
        """Return the logits (N, K) for x (N, D); with `rng`, in training, noise and all."""
        for layer in self.layers:
            x = layer.forward(x, rng)
        return x

    def backward(self, dlogits: np.ndarray) -> None:
        """Fill `grad` from dlogits (N, K) of the last `forward`."""
        dy = dlogits
        for layer in reversed(self.layers):
            layer.gradients(dy)
            if layer is self.dense[0]:
                break  # nobody asks for dL/dpixels: a third of the work is saved
            dy = layer.backward(dy)

    def parameters(self) -> dict[str, np.ndarray]:
        """Return the parameters by name: W1, b1, W2, b2, ..."""
        named = [(f"W{i}", layer.W, f"b{i}", layer.b) for i, layer in enumerate(self.dense, 1)]
        return {name: array for W, w, b, bias in named for name, array in ((W, w), (b, bias))}

    def load(self, parameters: dict[str, np.ndarray]) -> None:
        """Copy parameters by name into the network; ValueError when one is missing, misshapen or not finite."""
        for name, own in self.parameters().items():
            other = parameters.get(name)
            if other is None or other.shape != own.shape or not np.all(np.isfinite(other)):
                raise ValueError(f"{name} must be {own.shape} finite numbers")
            own[:] = other


def multilayer_perceptron(
    sizes: Sequence[int],
    activation: str = "relu",
    dropout: float = 0.0,
    input_dropout: float = 0.0,
    dtype: DTypeLike = np.float32,
) -> Network:
    """Return a network of dense layers, `sizes` wide from the inputs to the classes, not yet initialized.

    The activation, and dropout where asked for, follow every layer but the last, which gives the logits;
    `input_dropout` comes before the first.
    """
    layers: list[Layer] = [Dropout(input_dropout)] if input_dropout else []
    *hidden, classes = sizes[1:]
    inputs = sizes[0]
    for outputs in hidden:
        layers += [Dense(inputs, outputs), ACTIVATIONS[activation]()]
        layers += [Dropout(dropout)] if dropout else []
        inputs = outputs
    return Network([*layers, Dense(inputs, classes)], dtype)
