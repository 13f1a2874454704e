"""Draw what the reports say."""

from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.pipeline import files, stage
from stages.report import figures, metrics

FIGURES = Path("reports/figures")
TEST_IMAGES = Path("data/raw/t10k-images-idx3-ubyte")
PREDICTIONS = Path("reports/predictions.csv")


def plot(
    *,
    seed: Annotated[int, Field(ge=0, lt=2**32, description="draws the example images")],
    examples: Annotated[int, Field(ge=1, le=200, description="test images in the grid of predictions")],
    mistakes: Annotated[int, Field(ge=1, le=200, description="most confident mistakes shown")],
    units: Annotated[int, Field(ge=1, le=256, description="first-layer units shown, the strongest first")],
    calibration_bins: Annotated[int, Field(ge=1, le=1000, description="bins of the reliability diagram")],
    dpi: Annotated[int, Field(ge=50, le=600, description="dots an inch")],
) -> None:
    """Write reports/figures/*.png from the history, the predictions, the model and the original test images."""
    history = files.read_rows("reports/history.csv")
    model = files.read_arrays("models/network.npz")
    images = idx.read(TEST_IMAGES)
    rows = files.read_rows(PREDICTIONS)
    if len(rows) != len(images):
        raise ValueError(f"{PREDICTIONS}: {len(rows)} rows, but there are {len(images)} test images; run `dvc repro`")
    actual, predicted = (np.array([row[key] for row in rows]) for key in ("actual", "predicted"))
    confidence = np.array([float(row["confidence"]) for row in rows])
    correct = actual == predicted

    classes = [str(name) for name in model["classes"]]
    number = {name: i for i, name in enumerate(classes)}
    labels, guesses = (np.array([number[name] for name in names]) for names in (actual, predicted))
    drawn = np.random.default_rng(seed).permutation(len(images))[:examples]
    worst = np.flatnonzero(~correct)
    worst = worst[np.argsort(-confidence[worst], kind="stable")][:mistakes]
    W = model["W1"]
    strongest = np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:units]
    bins = metrics.calibration(confidence, correct, calibration_bins)
    error = metrics.expected_calibration_error(confidence, correct, calibration_bins)

    drawings = {
        "learning_curves": figures.learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(metrics.confusion(labels, guesses, len(classes)), classes),
        "predictions": figures.predictions(
            images[drawn], actual[drawn], predicted[drawn], confidence[drawn], len(images)
        ),
        "mistakes": figures.mistakes(
            images[worst], actual[worst], predicted[worst], confidence[worst], int((~correct).sum())
        ),
        "first_layer": figures.first_layer(W[:, strongest], tuple(model["image_shape"]), W.shape[1]),
        "reliability": figures.reliability(*bins, error),
    }
    for name, figure in drawings.items():
        with files.replacing(FIGURES / f"{name}.png") as temporary:
            figures.save(figure, temporary, dpi)
    print(f"{len(drawings)} figures in {FIGURES}")


if __name__ == "__main__":
    stage.run(plot)
