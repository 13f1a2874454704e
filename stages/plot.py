"""Draw what the reports say."""

import math
from pathlib import Path
from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.records import RawDataset
from stages.pipeline import files, stage
from stages.report import figures, metrics

FIGURES = Path("reports/figures")
RAW = Path("data/raw/dataset.json")
TEST_IMAGES = Path("data/raw/t10k-images-idx3-ubyte")
MODEL = Path("models/network.npz")
HISTORY = Path("reports/history.csv")
PREDICTIONS = Path("reports/predictions.csv")


def plot(
    *,
    seed: Annotated[int, Field(ge=0, lt=2**32, description="draws the example images")],
    examples: Annotated[int, Field(ge=1, le=200, description="test images in the grid of predictions")],
    mistakes: Annotated[int, Field(ge=1, le=200, description="most confident mistakes shown")],
    units: Annotated[int, Field(ge=1, le=256, description="first-layer units shown, the strongest first")],
    calibration_bins: Annotated[int, Field(ge=1, le=1000, description="bins of the reliability diagram")],
    dpi: Annotated[int, Field(ge=50, le=600, description="dots an inch of the figures")],
) -> None:
    """Write reports/figures/*.png from the history, the predictions, the model and the original test images."""
    raw: RawDataset = files.read_json(RAW, RawDataset)
    images = idx.read(TEST_IMAGES, raw.sha256[TEST_IMAGES.name])
    W, image_shape = read_first_layer()
    scores = [f"{split}_{score}" for split in ("train", "validation") for score in ("loss", "accuracy")]
    history = files.read_rows(HISTORY, ["epoch"], scores)
    rows = files.read_rows(PREDICTIONS, ["actual", "predicted"], ["confidence"])
    if len(rows) != len(images):
        raise ValueError(f"{PREDICTIONS}: {len(rows)} rows, but there are {len(images)} test images; run `dvc repro`")
    actual, predicted = (np.array([row[key] for row in rows]) for key in ("actual", "predicted"))
    confidence = np.array([float(row["confidence"]) for row in rows])
    correct = actual == predicted

    number = {name: i for i, name in enumerate(raw.classes)}
    strangers = {*actual, *predicted} - {*number}
    if strangers or confidence.min() < 0 or confidence.max() > 1:
        raise ValueError(
            f"{PREDICTIONS}: holds a class that is not in {RAW}, or a confidence outside 0..1; run `make doctor`"
        )
    labels, guesses = (np.array([number[name] for name in names]) for names in (actual, predicted))
    drawn = np.random.default_rng(seed).permutation(len(images))[:examples]
    worst = np.flatnonzero(~correct)
    worst = worst[np.argsort(-confidence[worst], kind="stable")][:mistakes]
    strongest = np.argsort(-np.linalg.norm(W, axis=0), kind="stable")[:units]
    bins = metrics.calibration(confidence, correct, calibration_bins)
    error = metrics.expected_calibration_error(confidence, correct, calibration_bins)

    drawings = {
        "learning_curves": figures.learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(metrics.confusion(labels, guesses, len(number)), raw.classes),
        "predictions": figures.predictions(
            images[drawn], actual[drawn], predicted[drawn], confidence[drawn], len(images)
        ),
        "mistakes": figures.mistakes(
            images[worst], actual[worst], predicted[worst], confidence[worst], int((~correct).sum())
        ),
        "first_layer": figures.first_layer(W[:, strongest], image_shape, W.shape[1]),
        "reliability": figures.reliability(*bins, error),
    }
    for name, figure in drawings.items():
        with files.replacing(FIGURES / f"{name}.png") as temporary:
            figures.save(figure, temporary, dpi)
    print(f"{len(drawings)} figures in {FIGURES}")


def read_first_layer() -> tuple[np.ndarray, tuple[int, int]]:
    """Return the weights (D, M) of the model's first layer and the shape of an image (rows, columns), checked."""
    model = files.read_arrays(MODEL)
    W, image_shape = model.get("W1"), model.get("image_shape")
    if W is None or W.ndim != 2 or W.dtype != np.float32 or not np.isfinite(W).all():
        raise ValueError(f"{MODEL}: W1 must be a matrix of finite float32; run `make doctor`")
    if image_shape is None or image_shape.shape != (2,) or image_shape.dtype.kind not in "iu":
        raise ValueError(f"{MODEL}: image_shape must be two whole numbers; run `make doctor`")
    if math.prod(image_shape.tolist()) != len(W):
        raise ValueError(f"{MODEL}: W1 and image_shape do not agree; run `make doctor`")
    rows, columns = image_shape.tolist()
    return W, (rows, columns)


if __name__ == "__main__":
    stage.run(plot)
