"""Make the page on which one draws a digit, looks inside the network and trains one: one file that works offline."""

from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from stages.dataset import idx
from stages.dataset.records import RawDataset, TrainingInputs
from stages.learning import lesson
from stages.learning.data import read_split
from stages.learning.model import load
from stages.pipeline import files, paths, stage
from stages.pipeline.params import Seed
from stages.report import metrics
from stages.report.page import as_text, assemble, compress, pack

SOURCES = Path(__file__).parent / "report/web"


Count = Annotated[int, Field(ge=1, le=10**6)]


def page(*, test_images: Count, train_images: Count, validation_images: Count, seed: Seed) -> None:
    """Write reports/index.html from its sources, the model, its training, the predictions and the images."""
    raw: RawDataset = files.read_json(paths.DATASET, RawDataset)
    images = raw.upright(idx.read(paths.TEST_IMAGES, raw.sha256[paths.TEST_IMAGES.name]))
    model = load(paths.MODEL)
    if images.shape[1:] != model.image_shape:
        raise ValueError(f"{paths.MODEL}: was trained on images of a different size; run `dvc repro`")
    answers = files.read_rows(paths.PREDICTIONS, ["actual", "predicted"], ["confidence"])
    actual, predicted, confidence = metrics.answers(answers, model.classes, len(images), paths.PREDICTIONS)
    inputs: TrainingInputs = files.read_json(paths.INPUTS, TrainingInputs)
    splits = read_split("train", inputs), read_split("validation", inputs)
    chosen = lesson.choose(*splits, (train_images, validation_images), inputs.image_shape, seed)
    with threadpool_limits(1, user_api="blas"):
        outcome = lesson.outcome(chosen, lesson.RECIPE)
    scores = [f"{split}_{score}" for split in ("train", "validation") for score in ("loss", "accuracy")]
    history = files.read_rows(paths.HISTORY, [], ["epoch", *scores])
    correct = actual == predicted
    order = np.argsort(correct, kind="stable")  # every mistake, then the others in their order
    shown = order[: max(test_images, int((~correct).sum()))]
    rows, columns = model.image_shape
    data: dict[str, Any] = {
        "title": raw.title,
        "model": {
            "sha256": files.digest(paths.MODEL),
            "layers": [{"W": as_text(layer.W), "b": as_text(layer.b)} for layer in model.network.dense],
            "activation": model.activation,
            "classes": model.classes,
            "rows": rows,
            "columns": columns,
            "low": int(model.known.min()),
            "high": int(model.known.max()),
            "deskew": model.deskew,
            "mean": model.mean,
            "std": model.std,
        },
        "thresholds": {name: getattr(model, name) for name in ("confidence", "similarity", "validation")},
        "known": {"count": len(model.known), "images": as_text(b"".join(map(pack, model.known)))},
        "lesson": lesson_data(chosen) | {"of": len(splits[0][0]), "recipe": lesson.RECIPE, "outcome": outcome},
        "confusion": metrics.confusion(actual, predicted, len(model.classes)).tolist(),
        "history": {name: [float(row[name]) if row[name] else None for row in history] for name in ("epoch", *scores)},
        "tests": {
            "count": len(images),
            "index": shown.tolist(),
            "actual": actual[shown].tolist(),
            "predicted": predicted[shown].tolist(),
            "confidence": [round(value, 4) for value in confidence[shown].tolist()],
            "images": as_text(b"".join(pack(images[i]) for i in shown)),
        },
    }
    text = assemble(SOURCES, data)
    files.write_text(paths.PAGE, text)
    print(f"{paths.PAGE}: {len(text.encode()) / 1e6:.1f} MB with {len(shown)} of {len(images)} test images")


def lesson_data(chosen: lesson.Lesson) -> dict[str, Any]:
    """Return what the page trains on, for JSON."""
    parts = {"train": chosen.train, "validation": chosen.validation}
    packed = {
        name: {"levels": compress(part.levels), "labels": as_text(part.labels.tobytes())}
        for name, part in parts.items()
    }
    return {
        **packed,
        "frequencies": lesson.FREQUENCIES,
        "classes": chosen.classes,
        "unit": chosen.unit,
        "scale": chosen.scale,
    }


if __name__ == "__main__":
    stage.run(page)
