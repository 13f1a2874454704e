"""Where a network starts: weights small enough not to explode and large enough not to vanish.

Each function draws W (D, M) so that the variance of the activations and of the gradients stays about the same from
layer to layer. Biases start at zero.
"""

from collections.abc import Callable

import numpy as np

from stages.nn.exact import standard_normal

Initializer = Callable[[np.random.Generator, int, int], np.ndarray]


def he_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Normal with variance 2 / inputs, for ReLU, which zeroes half of its inputs (He et al., 2015)."""
    return np.sqrt(2 / inputs) * standard_normal(rng, (inputs, outputs))


def he_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Uniform with variance 2 / inputs (He et al., 2015)."""
    limit = np.sqrt(6 / inputs)
    return limit * (2 * rng.random((inputs, outputs)) - 1)


def glorot_normal(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Normal with variance 2 / (inputs + outputs), for tanh and sigmoid (Glorot and Bengio, 2010)."""
    return np.sqrt(2 / (inputs + outputs)) * standard_normal(rng, (inputs, outputs))


def glorot_uniform(rng: np.random.Generator, inputs: int, outputs: int) -> np.ndarray:
    """Uniform with variance 2 / (inputs + outputs) (Glorot and Bengio, 2010)."""
    limit = np.sqrt(6 / (inputs + outputs))
    return limit * (2 * rng.random((inputs, outputs)) - 1)


INITIALIZERS: dict[str, Initializer] = {
    "he_normal": he_normal,
    "he_uniform": he_uniform,
    "glorot_normal": glorot_normal,
    "glorot_uniform": glorot_uniform,
}
