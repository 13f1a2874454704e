"""Score the trained network, once, on the test digits."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from stages.dataset.arrays import check_examples
from stages.dataset.records import TestInputs
from stages.nn.losses import softmax, softmax_cross_entropy
from stages.nn.network import Network, multilayer_perceptron
from stages.nn.training import predict
from stages.pipeline import files, stage
from stages.report import metrics

TEST_ARRAYS = Path("data/processed/test.json")
TEST_IMAGES = Path("data/processed/test_images.npy")
TEST_TARGETS = Path("data/processed/test_targets.npy")
MODEL = Path("models/network.npz")


def evaluate(
    *,
    calibration_bins: Annotated[int, Field(ge=1, le=1000, description="bins of the expected calibration error")],
    blas_threads: Annotated[int, Field(ge=1, le=256, description="processor threads of a matrix product")],
) -> None:
    """Write reports/metrics.json, reports/predictions.csv (a row a test image) and reports/classes.csv."""
    model = files.read_arrays(MODEL)
    network = load_network(model)
    sha256 = files.read_json(TEST_ARRAYS, TestInputs).sha256
    images = files.read_array(TEST_IMAGES, (None, network.dense[0].inputs), sha256[TEST_IMAGES.name])
    targets = files.read_array(TEST_TARGETS, (None, network.dense[-1].outputs), sha256[TEST_TARGETS.name])
    check_examples(images, targets, TEST_IMAGES)

    with threadpool_limits(blas_threads, user_api="blas"):
        logits = predict(network, images)
    loss, _ = softmax_cross_entropy(logits, targets)
    probabilities, labels = softmax(logits), targets.argmax(axis=1)
    predicted, confidence = probabilities.argmax(axis=1), probabilities.max(axis=1)
    correct = predicted == labels
    scores = {
        "accuracy": float(correct.mean()),
        "loss": loss,
        "errors": int((~correct).sum()),
        "confidence": float(confidence.mean(dtype=float)),
        "calibration_error": metrics.expected_calibration_error(confidence, correct, calibration_bins),
    }
    classes = model["classes"]
    files.write_json("reports/metrics.json", {name: round(value, 6) for name, value in scores.items()})
    files.write_rows(
        "reports/predictions.csv",
        (
            {"actual": classes[label], "predicted": classes[guess], "confidence": f"{sure:.6f}"}
            for label, guess, sure in zip(labels, predicted, confidence, strict=True)
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


def load_network(model: dict[str, np.ndarray]) -> Network:
    """Return the network in `model`, the arrays of models/network.npz; ValueError when they do not make one."""
    try:
        layers = sum(name.startswith("W") for name in model)
        if any(model[f"{letter}{i}"].dtype != np.float32 for i in range(1, layers + 1) for letter in "Wb"):
            raise ValueError("its weights are not float32")
        sizes = [len(model["W1"]), *(model[f"b{i}"].size for i in range(1, layers + 1))]
        network = multilayer_perceptron(sizes, str(model["activation"]))
        network.load(model)
        if model["image_shape"].shape != (2,) or model["image_shape"].dtype.kind not in "iu":
            raise ValueError("image_shape must be two whole numbers")
        if sizes[0] != math.prod(model["image_shape"].tolist()) or sizes[-1] != len(model["classes"]):
            raise ValueError("its layers do not fit its image_shape and classes")
    except KeyError as error:
        raise ValueError(f"{MODEL}: has no {error}; run `make doctor`") from None
    except (ValueError, TypeError) as error:
        raise ValueError(f"{MODEL}: {error}; run `make doctor`") from None
    return network


if __name__ == "__main__":
    stage.run(evaluate)
