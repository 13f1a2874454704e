"""Make the page on which one draws a digit and looks inside the network: one file that needs nothing else."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import numpy as np
from pydantic import Field
from threadpoolctl import threadpool_limits

from stages.dataset import idx
from stages.dataset.arrays import check_examples, prepare
from stages.dataset.records import RawDataset, TrainingInputs, check_model
from stages.dataset.similarity import best_similarity, unit_vectors
from stages.nn.frequencies import LowFrequencies, choose_inputs
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays, multilayer_perceptron
from stages.nn.snapshots import dequantize
from stages.pipeline import files, stage
from stages.pipeline.params import Fraction
from stages.report import metrics
from stages.report.page import as_text, assemble, fitting, pack

SOURCES = Path(__file__).parent / "report/web"
RAW = Path("data/raw/dataset.json")
TEST_IMAGES = Path("data/raw/t10k-images-idx3-ubyte")
INPUTS = Path("data/processed/inputs.json")
VALIDATION_IMAGES = Path("data/processed/validation_images.npy")
VALIDATION_TARGETS = Path("data/processed/validation_targets.npy")
MODEL = Path("models/network.npz")
EPOCHS = Path("models/epochs.npz")
HISTORY = Path("reports/history.csv")
PREDICTIONS = Path("reports/predictions.csv")
THRESHOLDS = Path("reports/thresholds.json")
PAGE = Path("reports/index.html")
ROW = 24  # bytes of the page for the class numbers and the confidence of an image
THRESHOLDS_SIZE = 200  # bytes of the page for the thresholds

Split = tuple[np.ndarray, np.ndarray]  # images (N, D), labels (N,)


def page(*, withheld: Fraction, max_bytes: Annotated[int, Field(ge=100_000)]) -> None:
    """Write reports/index.html from its sources, the model, its training, the predictions and the test images.

    reports/thresholds.json has the numbers below which it gives no answer, for `predict`.
    """
    raw: RawDataset = files.read_json(RAW, RawDataset)
    images = raw.upright(idx.read(TEST_IMAGES, raw.sha256[TEST_IMAGES.name]))
    arrays = files.read_arrays(MODEL)
    with files.explained(MODEL):
        network = from_arrays(arrays)
        model = check_model(arrays, network.dense[0].inputs, network.dense[-1].outputs)
    if images.shape[1:] != model.image_shape:
        raise ValueError(f"{MODEL}: takes other images than those of {TEST_IMAGES}; run `dvc repro`")
    rows_of_answers = files.read_rows(PREDICTIONS, ["actual", "predicted"], ["confidence"])
    actual, predicted, confidence = metrics.answers(rows_of_answers, model.classes, len(images), PREDICTIONS)
    scores = [f"{split}_{score}" for split in ("train", "validation") for score in ("loss", "accuracy")]
    history = files.read_rows(HISTORY, [], ["epoch", *scores])
    validation = validation_split(network)
    correct = actual == predicted
    order = np.argsort(correct, kind="stable")  # every mistake, then the others as they come
    rows, columns = model.image_shape
    data: dict[str, Any] = {
        "title": raw.title,
        "model": {
            "sha256": files.digest(MODEL),
            "layers": [{"W": as_text(layer.W), "b": as_text(layer.b)} for layer in network.dense],
            "activation": str(arrays["activation"]),
            "arithmetic": str(arrays["arithmetic"]),
            "classes": model.classes,
            "rows": rows,
            "columns": columns,
            "low": int(images.min()),
            "high": int(images.max()),
            "deskew": model.deskew,
            "mean": model.mean,
            "std": model.std,
        },
        "snapshots": snapshots(arrays, model.image_shape, validation),
        "confusion": metrics.confusion(actual, predicted, len(model.classes)).tolist(),
        "history": {name: [float(row[name]) if row[name] else None for row in history] for name in ("epoch", *scores)},
        "tests": {"count": len(images)},
    }
    packed = [pack(images[i]) for i in order]
    left = max_bytes - len(assemble(SOURCES, data).encode()) - THRESHOLDS_SIZE
    fit = fitting((4 * len(image) / 3 + ROW for image in packed), left)
    shown = order[: max(fit, 1, int((~correct).sum()))]
    background = (data["model"]["low"] - model.mean) / model.std
    prepared = prepare(images[shown], model.deskew, model.mean, model.std)
    known = unit_vectors(prepared, model.image_shape, background)
    data["thresholds"] = thresholds(network, validation, known, model.image_shape, background, withheld)
    lowest = {name: data["thresholds"][name] for name in ("confidence", "likeness")}
    files.write_json(THRESHOLDS, {**lowest, "known": shown.tolist()})
    data["tests"] |= {
        "index": shown.tolist(),
        "actual": actual[shown].tolist(),
        "predicted": predicted[shown].tolist(),
        "confidence": [round(value, 4) for value in confidence[shown].tolist()],
        "images": as_text(b"".join(packed[: len(shown)])),
    }
    text = assemble(SOURCES, data)
    files.write_text(PAGE, text)
    print(f"{PAGE}: {len(text.encode()) / 1e6:.1f} MB with {len(shown)} of {len(images)} test images")


def validation_split(network: Network) -> Split:
    """Return the validation images and their labels, checked."""
    sha256 = files.read_json(INPUTS, TrainingInputs).sha256
    images = files.read_array(VALIDATION_IMAGES, (None, network.dense[0].inputs), sha256[VALIDATION_IMAGES.name])
    targets = files.read_array(VALIDATION_TARGETS, (None, network.dense[-1].outputs), sha256[VALIDATION_TARGETS.name])
    check_examples(images, targets, VALIDATION_IMAGES)
    return images, targets.argmax(axis=1)


def snapshots(model: Mapping[str, Any], shape: tuple[int, int], validation: Split) -> dict[str, Any]:
    """Return models/epochs.npz as the page takes it, and the accuracy of each network on the validation images.

    Where the first layers are on low frequencies, the waves come with them, (rows, k) and (columns, l), so that the
    page can fold these layers.
    """
    arrays, (images, labels) = files.read_arrays(EPOCHS), validation
    with files.explained(EPOCHS), threadpool_limits(1, user_api="blas"):
        on_pixels = from_arrays(model)
        epochs, frequencies = arrays["epochs"], int(arrays["frequencies"])
        if epochs.dtype.kind not in "iu":
            raise ValueError("epochs must be integers")
        inputs = choose_inputs(shape, frequencies or None, on_pixels.arithmetic)
        network = multilayer_perceptron([inputs.F, *(layer.outputs for layer in on_pixels.dense)])
        networks = []
        for epoch, numbers, units in zip(epochs.tolist(), arrays["numbers"], arrays["units"], strict=True):
            dequantize(network, numbers, units)
            on_pixels.load(network.parameters() | {"W1": inputs.fold(network.dense[0].W)})
            accuracy = round(metrics.accuracy(on_pixels.predict(images), labels), 4) if len(images) else None
            packed = {"numbers": as_text(numbers.tobytes()), "units": units.tolist()}
            networks.append({"epoch": epoch, **packed, "accuracy": accuracy})
    waves = inputs.waves(shape) if isinstance(inputs, LowFrequencies) else ()
    texts = [as_text(wave.T.astype("<f8").tobytes()) for wave in waves]
    return {"frequencies": frequencies, "waves": texts, "networks": networks}


def thresholds(
    network: Network,
    validation: Split,
    known: np.ndarray,
    shape: tuple[int, int],
    background: float,
    withheld: float,
) -> dict[str, float]:
    """Return the confidence and the likeness to `known` unit vectors (N, D) below which the page gives no answer.

    Below each are the fraction `withheld` of the validation images; the counts say what that means for them.
    """
    images, labels = validation
    if not len(images):  # nothing to choose by: every image gets an answer
        return dict.fromkeys(("confidence", "likeness", "images", "withheld", "wrong", "wrong_and_withheld"), 0)
    with threadpool_limits(1, user_api="blas"):
        probabilities = softmax(network.predict(images), network.arithmetic)
        likeness = best_similarity(unit_vectors(images, shape, background), known)
    confidence, wrong = probabilities.max(axis=1), probabilities.argmax(axis=1) != labels
    lowest = metrics.threshold(confidence, withheld), metrics.threshold(likeness, withheld)
    below = (confidence < lowest[0]) | (likeness < lowest[1])
    return {
        "confidence": lowest[0],
        "likeness": lowest[1],
        "images": len(images),
        "withheld": int(below.sum()),
        "wrong": int(wrong.sum()),
        "wrong_and_withheld": int((wrong & below).sum()),
    }


if __name__ == "__main__":
    stage.run(page)
