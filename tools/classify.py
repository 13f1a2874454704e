"""Classify your own images with the trained model.

    from tools.classify import classify

    classify(images)    # [("7", 0.9998), ...]

Arrays of the model's own size and type, such as test images; `tools.predict` reads photographs and scans.
"""

import warnings
from pathlib import Path

import numpy as np

from stages.dataset import arrays
from stages.dataset.records import check_model
from stages.nn.losses import softmax
from stages.nn.network import from_arrays
from stages.pipeline import files


def classify(images: np.ndarray, model: Path | str = "models/network.npz") -> list[tuple[str, float]]:
    """Return the class of each image, and the confidence of the network in it, from 0 to 1.

    Images are uint8, (N, rows, columns) or, for a single one, (rows, columns), of the size that the model was trained
    on, from 0, the background, to 255, the ink. They are prepared as the training images were. ValueError when they are
    anything else; a UserWarning when they look inverted.
    """
    saved = files.read_arrays(model)
    with files.explained(model):
        network = from_arrays(saved)
        takes = check_model(saved, network.dense[0].inputs, network.dense[-1].outputs)
    check(images, takes.image_shape, takes.mean)
    images = images.reshape(-1, *takes.image_shape)
    logits = network.predict(arrays.prepare(images, takes.deskew, takes.mean, takes.std))
    probabilities = softmax(logits, network.arithmetic)
    return [(takes.classes[row.argmax()], float(row.max())) for row in probabilities]


def check(images: np.ndarray, shape: tuple[int, int], mean: float) -> None:
    """Raise ValueError unless images are what a model takes that was trained on this shape and this mean of pixels."""
    if not isinstance(images, np.ndarray):
        raise ValueError(f"images are a {type(images).__name__}, but the model takes a NumPy array")
    wanted = f"uint8 of shape (N, {shape[0]}, {shape[1]}) or ({shape[0]}, {shape[1]})"
    if images.dtype != np.uint8:
        hint = "; multiply by 255, round, and convert with astype(np.uint8)" if images.dtype.kind == "f" else ""
        raise ValueError(f"images are {images.dtype}, but the model takes {wanted}, from 0 to 255{hint}")
    if images.ndim not in (2, 3) or images.shape[-2:] != shape:
        raise ValueError(f"images have shape {images.shape}, but the model takes {wanted}")
    if images.size and 0 < images.max() <= 1 < mean:
        raise ValueError("the brightest pixel is 1, but the model takes pixels from 0 to 255; multiply by 255")
    border = np.ones(shape, bool)
    border[1:-1, 1:-1] = False
    bright = int((images.reshape(-1, *shape)[:, border].mean(axis=1) > 127).sum()) if mean < 128 else 0
    if bright:
        warnings.warn(
            f"{bright} of {images.size // border.size} images look inverted: their borders are bright, but the model "
            "takes bright ink on a dark background; try 255 - images",
            stacklevel=3,
        )
