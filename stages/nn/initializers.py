"""Where a network starts: weights small enough not to explode and large enough not to vanish.

Each function draws W (D, M) so that the variance of the activations and of the gradients stays about the same from
layer to layer. Biases start at zero.
"""

from collections.abc import Callable

import numpy as np

Initializer = Callable[[np.random.Generator, int, int], np.ndarray]


def he_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Normal with variance 2 / inputs, for ReLU, which zeroes half of its inputs (He et al., 2015)."""
    return np.sqrt(2 / inputs) * rng.standard_normal((inputs, outputs))


def he_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Uniform with variance 2 / inputs (He et al., 2015)."""
    limit = np.sqrt(6 / inputs)
    return rng.uniform(-limit, limit, (inputs, outputs))


def glorot_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Normal with variance 2 / (inputs + outputs), for tanh and sigmoid (Glorot and Bengio, 2010)."""
    return np.sqrt(2 / (inputs + outputs)) * rng.standard_normal((inputs, outputs))


def glorot_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Uniform with variance 2 / (inputs + outputs) (Glorot and Bengio, 2010)."""
    limit = np.sqrt(6 / (inputs + outputs))
    return rng.uniform(-limit, limit, (inputs, outputs))


INITIALIZERS: dict[str, Initializer] = {
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
}
