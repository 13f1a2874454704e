"""Classify your own images with the trained model.

    from tools.classify import classify

    classify(images)    # [Answer(name="7", confidence=0.9998, similarity=0.93, sure=True), ...]

Arrays of the model's own size and type, such as test images; `tools.predict` reads photographs and scans.
"""

from pathlib import Path

import numpy as np

from stages.learning.model import Answer, load


def classify(images: np.ndarray, model: Path | str = "models/network.npz") -> list[Answer]:
    """Return the answer of the model in a file for each image, (N, rows, columns) uint8; see `Model.classify`."""
    return load(model).classify(images)
