"""Score the trained network, once, on the test digits."""

from math import fsum
from pathlib import Path
from typing import Annotated

from pydantic import Field
from threadpoolctl import threadpool_limits

from stages.dataset.arrays import check_examples
from stages.dataset.records import TestInputs, check_model
from stages.nn.losses import softmax, softmax_cross_entropy
from stages.nn.network import from_arrays
from stages.pipeline import files, stage
from stages.pipeline.params import Threads
from stages.report import metrics

TEST_INPUTS = Path("data/processed/test.json")
TEST_IMAGES = Path("data/processed/test_images.npy")
TEST_TARGETS = Path("data/processed/test_targets.npy")
MODEL = Path("models/network.npz")


def evaluate(*, calibration_bins: Annotated[int, Field(ge=1, le=1000)], blas_threads: Threads) -> None:
    """Write reports/metrics.json, reports/predictions.csv (a row per test image) and reports/classes.csv."""
    model = files.read_arrays(MODEL)
    with files.explained(MODEL):
        network = from_arrays(model)
        inputs, outputs = network.dense[0].inputs, network.dense[-1].outputs
        classes = check_model(model, inputs, outputs).classes
    sha256 = files.read_json(TEST_INPUTS, TestInputs).sha256
    images = files.read_array(TEST_IMAGES, (None, inputs), sha256[TEST_IMAGES.name])
    targets = files.read_array(TEST_TARGETS, (None, outputs), sha256[TEST_TARGETS.name])
    check_examples(images, targets, TEST_IMAGES)

    with threadpool_limits(blas_threads, user_api="blas"):
        logits = network.predict(images)
    loss, _ = softmax_cross_entropy(logits, targets, network.arithmetic)
    probabilities, labels = softmax(logits, network.arithmetic), targets.argmax(axis=1)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    scores = {
        "accuracy": float(correct.mean()),
        "loss": loss,
        "errors": int((~correct).sum()),
        "confidence": fsum(confidence) / len(confidence),
        "calibration_error": metrics.expected_calibration_error(confidence, correct, calibration_bins),
    }
    files.write_json("reports/metrics.json", {name: round(value, 6) for name, value in scores.items()})
    files.write_rows(
        "reports/predictions.csv",
        (
            {"actual": classes[actual], "predicted": classes[guess], "confidence": f"{probability:.6f}"}
            for actual, guess, probability in zip(labels, predicted, confidence, strict=True)
        ),
    )
    counts = metrics.confusion(labels, predicted, len(classes))
    files.write_rows(
        "reports/classes.csv",
        (
            {"class": name, "images": int(n), "precision": f"{p:.4f}", "recall": f"{r:.4f}", "f1": f"{f1:.4f}"}
            for name, n, p, r, f1 in zip(classes, counts.sum(axis=1), *metrics.per_class(counts), strict=True)
        ),
    )
    print(f"test accuracy {scores['accuracy']:.4f}: {scores['errors']} of {len(labels)} wrong")


if __name__ == "__main__":
    stage.run(evaluate)
