"""Draw what the reports say."""

from collections.abc import Callable
from typing import Annotated, Any

import numpy as np
from pydantic import Field

from stages.dataset import idx
from stages.dataset.records import RawDataset
from stages.learning.model import load
from stages.nn.exact import total
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Bins, Dpi, Images, Seed
from stages.report import metrics


def plot(
    *,
    seed: Seed,
    examples: Images,
    mistakes: Images,
    units: Annotated[int, Field(ge=1, le=256)],
    calibration_bins: Bins,
    dpi: Dpi,
) -> None:
    """Write reports/figures/*.png from the history, the predictions, the model and the original test images."""
    from stages.report import figures, style  # matplotlib takes half a second, which validate need not spend

    raw: RawDataset = files.read_json(paths.DATASET, RawDataset)
    images = raw.upright(idx.read(paths.TEST_IMAGES, raw.sha256[paths.TEST_IMAGES.name]))
    model = load(paths.MODEL)
    scores = [f"{split}_{score}" for split in ("train", "validation") for score in ("loss", "accuracy")]
    history = files.read_rows(paths.HISTORY, ["epoch"], scores)
    rows = files.read_rows(paths.PREDICTIONS, ["actual", "predicted"], ["confidence"])
    classes = raw.classes
    answers = metrics.answers(rows, classes, len(images), paths.PREDICTIONS)
    actual, predicted, confidence = answers
    correct = actual == predicted
    drawn = np.random.default_rng(seed).permutation(len(images))[:examples]
    worst = np.flatnonzero(~correct)
    worst = worst[np.argsort(-confidence[worst], kind="stable")][:mistakes]
    low, high = int(images.min()), int(images.max())
    if (low, high) != (0, 255):
        print(f"pixels are {low} to {high}: the pictures show them as 0 to 255")
    if missing := style.missing_glyphs(classes):
        print(f"the font has no glyph for {missing[0]}: the figures show class numbers instead of such names")
    W = model.network.dense[0].W
    strongest = np.argsort(-total(np.square(W, dtype=np.float64), axis=0), kind="stable")[:units]
    bins = metrics.calibration(confidence, correct, calibration_bins)
    error = metrics.expected_calibration_error(confidence, correct, calibration_bins)

    def grid(draw: Callable[..., Any], shown: np.ndarray, of: int) -> Any:
        pixels = (images[shown].astype(np.uint16) - low) * 255 // max(high - low, 1)  # from the whole range to 0 to 255
        return draw(pixels.astype(np.uint8), [column[shown] for column in answers], classes, of)

    drawings = {
        "learning_curves": figures.learning_curves(history),
        "confusion_matrix": figures.confusion_matrix(metrics.confusion(actual, predicted, len(classes)), classes),
        "predictions": grid(figures.predictions, drawn, len(images)),
        "mistakes": grid(figures.mistakes, worst, int((~correct).sum())),
        "first_layer": figures.first_layer(W[:, strongest], model.image_shape, W.shape[1]),
        "reliability": figures.reliability(*bins, error),
    }
    for name, figure in drawings.items():
        with files.atomic_write(paths.FIGURES / f"{name}.png") as temporary:
            style.save(figure, temporary, dpi)
    print(f"{len(drawings)} figures in {paths.FIGURES}")


if __name__ == "__main__":
    stage.run(plot)
