"""Draw what the reports say."""

from typing import Annotated

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.records import RawDataset
from stages.learning.model import load
from stages.nn.exact import total
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Seed
from stages.report import figures, metrics

TEST_IMAGES = paths.RAW / "t10k-images-idx3-ubyte"


def plot(
    *,
    seed: Seed,
    examples: Annotated[int, Field(ge=1, le=200)],
    mistakes: Annotated[int, Field(ge=1, le=200)],
    units: Annotated[int, Field(ge=1, le=256)],
    calibration_bins: Annotated[int, Field(ge=1, le=1000)],
    dpi: Annotated[int, Field(ge=50, le=600)],
) -> None:
    """Write reports/figures/*.png from the history, the predictions, the model and the original test images."""
    raw: RawDataset = files.read_json(paths.DATASET, RawDataset)
    images = raw.upright(idx.read(TEST_IMAGES, raw.sha256[TEST_IMAGES.name]))
    model = load(paths.MODEL)
    scores = [f"{split}_{score}" for split in ("train", "validation") for score in ("loss", "accuracy")]
    history = files.read_rows(paths.HISTORY, ["epoch"], scores)
    rows = files.read_rows(paths.PREDICTIONS, ["actual", "predicted"], ["confidence"])
    classes = raw.classes
    actual, predicted, confidence = metrics.answers(rows, classes, len(images), paths.PREDICTIONS)
    correct = actual == predicted
    drawn = np.random.default_rng(seed).permutation(len(images))[:examples]
    worst = np.flatnonzero(~correct)
    worst = worst[np.argsort(-confidence[worst], kind="stable")][:mistakes]
    low, high = int(images.min()), int(images.max())
    if (low, high) != (0, 255):
        print(f"pixels are {low} to {high}: the pictures show them as 0 to 255")
    W = model.network.dense[0].W
    strongest = np.argsort(-total(np.square(W, dtype=np.float64), axis=0), kind="stable")[:units]
    bins = metrics.calibration(confidence, correct, calibration_bins)
    error = metrics.expected_calibration_error(confidence, correct, calibration_bins)

    drawings = {
        "learning_curves": figures.learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(metrics.confusion(actual, predicted, len(classes)), classes),
        "predictions": figures.predictions(
            stretch(images[drawn], low, high), actual[drawn], predicted[drawn], confidence[drawn], classes, len(images)
        ),
        "mistakes": figures.mistakes(
            stretch(images[worst], low, high),
            actual[worst],
            predicted[worst],
            confidence[worst],
            classes,
            int((~correct).sum()),
        ),
        "first_layer": figures.first_layer(W[:, strongest], model.image_shape, W.shape[1]),
        "reliability": figures.reliability(*bins, error),
    }
    if missing := figures.missing_letters(classes):
        print(f"the font lacks letters of class names, such as {missing[0]}: figures show the numbers of these classes")
    for name, figure in drawings.items():
        with files.replacing(paths.FIGURES / f"{name}.png") as temporary:
            figures.save(figure, temporary, dpi)
    print(f"{len(drawings)} figures in {paths.FIGURES}")


def stretch(images: np.ndarray, low: int, high: int) -> np.ndarray:
    """Return uint8 images with the pixels low to high spread evenly over 0 to 255."""
    return ((images.astype(np.uint16) - low) * 255 // max(high - low, 1)).astype(np.uint8)


if __name__ == "__main__":
    stage.run(plot)
