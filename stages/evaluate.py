"""Score the trained network, once, on the test digits."""

from math import fsum

import numpy as np
from threadpoolctl import threadpool_limits

from stages.dataset.records import TestInputs
from stages.learning.model import load
from stages.nn.losses import softmax, softmax_cross_entropy
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Bins, Threads
from stages.report import metrics

STUCK = (
    "The network has hardly learned. Likely causes: train.learning_rate too high or too low, train.dropout too high, "
    "too few neurons in train.hidden, or several layers of sigmoid; see docs/troubleshooting.md"
)


def evaluate(*, calibration_bins: Bins, blas_threads: Threads) -> None:
    """Write reports/metrics.json, predictions.csv (a row per test image), mistakes.csv and classes.csv."""
    model = load(paths.MODEL)
    sha256 = files.read_json(paths.TEST, TestInputs).sha256
    sizes = {"test_images.npy": model.network.dense[0].inputs, "test_targets.npy": len(model.classes)}
    images, targets = (
        files.read_array(paths.PROCESSED / name, (None, size), sha256[name]) for name, size in sizes.items()
    )

    with threadpool_limits(blas_threads, user_api="blas"):
        logits = model.network.predict(images)
    loss, _ = softmax_cross_entropy(logits, targets)
    probabilities, labels = softmax(logits), targets.argmax(axis=1)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    scores = {
        "accuracy": float(correct.mean()),
        "loss": loss,
        "errors": int((~correct).sum()),
        "confidence": fsum(confidence) / len(confidence),
        "calibration_error": metrics.expected_calibration_error(confidence, correct, calibration_bins),
    }
    files.write_json(paths.METRICS, {name: round(value, 6) for name, value in scores.items()})
    rows = [
        {"actual": model.classes[actual], "predicted": model.classes[guess], "confidence": f"{probability:.6f}"}
        for actual, guess, probability in zip(labels, predicted, confidence, strict=True)
    ]
    files.write_rows(paths.PREDICTIONS, rows)
    mistakes = [{"image": int(i)} | rows[i] for i in np.flatnonzero(~correct)]
    files.write_rows(paths.MISTAKES, mistakes, ["image", *rows[0]])
    counts = metrics.confusion(labels, predicted, len(model.classes))
    wrong = counts.sum(axis=1) - counts.diagonal()
    classes = zip(model.classes, counts.sum(axis=1), wrong, *metrics.per_class(counts), strict=True)
    files.write_rows(
        paths.CLASSES,
        [
            {"class": name, "images": n, "wrong": w, "precision": f"{p:.4f}", "recall": f"{r:.4f}", "f1": f"{f1:.4f}"}
            for name, n, w, p, r, f1 in classes
        ],
    )
    print(f"test accuracy {scores['accuracy']:.4f}: {scores['errors']} of {len(labels)} wrong")
    actual, guesses = counts.sum(axis=1), counts.sum(axis=0)
    if correct.sum() < actual.max() + 0.1 * (len(labels) - actual.max()):  # hardly more than the most frequent class
        print(f"{guesses.max()} of {len(labels)} answers are {model.classes[guesses.argmax()]}. {STUCK}")


if __name__ == "__main__":
    stage.run(evaluate)
