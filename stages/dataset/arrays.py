"""From images and labels to what a network takes: flat normalized rows and one-hot targets."""

from collections.abc import Iterable, Iterator
from math import sqrt

import numpy as np

from stages.dataset.deskew import STEPS, remove_skew

Split = tuple[np.ndarray, np.ndarray]  # images (N, D), one-hot targets (N, K)

CHUNK = 2**20  # numbers to work on at a time, so that memory does not grow with the dataset


def chunks(rows: int, width: int) -> Iterator[slice]:
    """Divide `rows` rows of `width` numbers each into slices of at most CHUNK numbers, but of at least one row."""
    step = max(1, CHUNK // width)
    return (slice(start, start + step) for start in range(0, rows, step))


def pixel_statistics(parts: Iterable[np.ndarray]) -> tuple[float, float]:
    """Return mean and standard deviation of all pixels of uint8 or deskewed images, given in parts of any size.

    They are exact, because they are sums of integers: of pixels in units of 1 / STEPS.
    """
    counts = np.zeros(255 * STEPS + 1, np.intp)
    for images in parts:
        levels = (images * np.float32(STEPS)).astype(np.intp)
        counts += np.bincount(levels.reshape(-1), minlength=len(counts))
    level = np.arange(len(counts)).astype(object)  # Python's integers, which cannot overflow
    n = int(counts.sum())
    mean = (counts @ level) / (n * STEPS)
    variance = (counts @ level**2) / (n * STEPS**2) - mean * mean
    if variance <= 0:
        raise ValueError("all pixels of the training images are equal: there is nothing to learn; choose other images")
    return mean, sqrt(variance)


def normalize(images: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Flatten images (N, rows, columns) to float32 (N, rows * columns); subtract the mean, divide by std."""
    N, rows, columns = images.shape
    flat = images.reshape(N, rows * columns).astype(np.float32)
    flat -= np.float32(mean)
    flat /= np.float32(std)
    return flat


def prepare(images: np.ndarray, deskew: bool, mean: float, std: float) -> np.ndarray:
    """Treat new uint8 images (N, rows, columns) as the training images were; return float32 (N, rows * columns).

    `deskew`, `mean` and `std` are in data/processed/inputs.json and in the model file.
    """
    N, rows, columns = images.shape
    flat = np.empty((N, rows * columns), np.float32)
    for some in chunks(N, rows * columns):
        flat[some] = normalize(remove_skew(images[some]) if deskew else images[some], mean, std)
    return flat


def one_hot(labels: np.ndarray, classes: int) -> np.ndarray:
    """Return float32 targets (N, classes): 1 in the column of the label, 0 elsewhere."""
    targets = np.zeros((len(labels), classes), np.float32)
    targets[np.arange(len(labels)), labels] = 1
    return targets
