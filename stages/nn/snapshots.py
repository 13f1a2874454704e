"""Snapshots of a training: the network after a few epochs, in 8 bits per weight, to look back at how it learned.

The weights of a layer, and likewise its biases, are whole numbers from -127 to 127 times a unit that they share. So no
weight moves by more than half a unit, 1/254 of the largest one.
"""

import numpy as np

from stages.nn.network import Network, carve

LARGEST = 127


def epochs_to_keep(epochs: int) -> list[int]:
    """Return the numbers of epochs after which to take a snapshot of a training of so many: at most six, from 0 on.

    A network learns most in the beginning, so each is about the same factor later than the one before. The end is not
    among them: there, the network itself is kept.
    """
    return sorted({0, *(round(epochs ** (n / 5)) for n in range(5))} - {epochs})


def quantize(network: Network) -> tuple[np.ndarray, np.ndarray]:
    """Return theta as whole numbers, int8 (P,), and the unit of every W and then of every b, float64 (2 layers,)."""
    numbers = np.empty(network.theta.shape, np.int8)
    arrays = parts(network.theta, network)
    units = np.array([np.abs(array).max() for array in arrays], np.float64) / LARGEST
    for array, unit, own in zip(arrays, units, parts(numbers, network), strict=True):
        own[:] = np.rint(np.divide(array, unit or 1, dtype=np.float64))  # of an array of zeros, the unit is 0
    return numbers, units


def dequantize(network: Network, numbers: np.ndarray, units: np.ndarray) -> None:
    """Fill theta with what `quantize` returned for a network with the same layers; ValueError if it is of another."""
    if numbers.dtype != np.int8 or numbers.shape != network.theta.shape:
        raise ValueError(f"a snapshot must have {network.theta.size} numbers of type int8")
    largest = np.finfo(network.theta.dtype).max / LARGEST
    if units.dtype != np.float64 or units.shape != (2 * len(network.dense),) or not (np.abs(units) <= largest).all():
        raise ValueError(f"a snapshot must have {2 * len(network.dense)} finite units of type float64")
    for array, unit, own in zip(parts(network.theta, network), units, parts(numbers, network), strict=True):
        array[:] = own * unit


def parts(vector: np.ndarray, network: Network) -> list[np.ndarray]:
    """Return views of a vector that is as long as theta: every W, then every b."""
    W, b = carve(vector, network.dense)
    return W + b
