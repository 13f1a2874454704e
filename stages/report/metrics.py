"""Metrics from predictions."""

from collections.abc import Mapping, Sequence
from math import fsum
from pathlib import Path

import numpy as np


def accuracy(scores: np.ndarray, labels: np.ndarray) -> float:
    """Return the fraction of rows of scores (N, K), logits or probabilities, whose largest entry is at the label."""
    return float((scores.argmax(axis=1) == labels).mean())


def confusion(labels: np.ndarray, predicted: np.ndarray, classes: int) -> np.ndarray:
    """Return counts (K, K): how often each class (row) was predicted as each class (column).

    `labels` and `predicted` are class numbers (N,).
    """
    return np.bincount(labels * classes + predicted, minlength=classes * classes).reshape(classes, classes)


def per_class(counts: np.ndarray) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return precision, recall and F1 of each class, (K,) each, from a confusion matrix (K, K); 0 for 0 / 0."""
    correct, predicted, actual = np.diag(counts), counts.sum(axis=0), counts.sum(axis=1)
    precision = correct / np.maximum(predicted, 1)
    recall = correct / np.maximum(actual, 1)
    f1 = 2 * correct / np.maximum(predicted + actual, 1)
    return precision, recall, f1


def calibration(confidence: np.ndarray, correct: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the count, mean confidence and accuracy of each of `bins` equal-width bins of confidence, (bins,) each.

    `confidence` (N,) is in 0..1; `correct` (N,) is true where the prediction was correct. An empty bin has zeros.
    """
    index = np.minimum((confidence * bins).astype(np.intp), bins - 1)
    members = [index == i for i in range(bins)]
    count = np.array([np.count_nonzero(member) for member in members])
    filled = np.maximum(count, 1)
    mean_confidence = np.array([fsum(confidence[member]) for member in members]) / filled
    mean_accuracy = np.array([np.count_nonzero(correct[member]) for member in members]) / filled
    return count, mean_confidence, mean_accuracy


def expected_calibration_error(confidence: np.ndarray, correct: np.ndarray, bins: int) -> float:
    """Return the gap between confidence and accuracy, averaged over the bins by their counts (Guo et al., 2017)."""
    count, mean_confidence, mean_accuracy = calibration(confidence, correct, bins)
    return fsum(count * np.abs(mean_confidence - mean_accuracy)) / int(count.sum())


def answers(
    rows: Sequence[Mapping[str, str]], classes: Sequence[str], images: int, path: Path | str
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return the actual and the predicted class numbers (N,) and the confidence (N,) in the rows of predictions.csv.

    ValueError unless there is a row for each of the `images`, each with known classes and a confidence from 0 to 1.
    """
    number = {name: i for i, name in enumerate(classes)}
    actual, predicted = (np.array([number.get(row[key], -1) for row in rows]) for key in ("actual", "predicted"))
    confidence = np.array([float(row["confidence"]) for row in rows])
    valid = (actual >= 0) & (predicted >= 0) & (confidence >= 0) & (confidence <= 1)
    if len(rows) != images or not valid.all():
        expected = f"a known class and a confidence from 0 to 1 for each of {images} test images"
        raise ValueError(f"{path}: must have {expected}; remove it and run `dvc repro`")
    return actual, predicted, confidence
