"""How well the default recipe, with and without deskewing, classifies digits by people who did not write MNIST.

    python -m experiments.recipes.other_writers

1,797 digits that 43 people in Turkey wrote (Alpaydin and Kaynak, 1998), as scikit-learn has them: 8 x 8 pixels, 17
shades. They are enlarged and centered by mass as MNIST's were, then prepared as the training images were. No network
has been trained on any of them. Runs the trials whose rows or models are missing, and writes other_writers.md.
"""

from pathlib import Path
from typing import Any

import numpy as np

from experiments.cluster.dispatch import model_path
from experiments.command import command
from experiments.pages import mean_and_sd, table
from experiments.recipes import resolve
from experiments.recipes.run import run
from stages.learning.model import load
from stages.photos.center import center
from stages.pipeline import files
from stages.report import metrics

COMPARED = {"default": "deskewed", "no-deskewing": "as written"}  # recipes
SEEDS = 5
PAGE = """# Digits by other writers

Made by `make recipes`; do not edit. Accuracy in percent of the default recipe, mean ± standard deviation over {seeds}
seeds: on MNIST's validation images, and on the 1,797 digits of 43 other people that come with scikit-learn (8 x 8
pixels, enlarged to MNIST's size).

{table}"""


def main() -> None:
    """Train what is missing, classify both kinds of digits, write the page."""
    with command():
        images, labels = read_digits()
        trials = [trial for trial in resolve.load(COMPARED)[1] if trial.seed < SEEDS]
        rows, lines = run(trials, models=trials), []
        for name, description in COMPARED.items():
            validation = [row.validation_accuracy or 0.0 for row in rows if row.recipe == name]
            others = [accuracy(model_path(trial), images, labels) for trial in trials if trial.name == name]
            lines.append([description, mean_and_sd(validation), mean_and_sd(others)])
        written = table(["digits", "MNIST, validation", "other writers"], lines)
        files.write_text("experiments/recipes/other_writers.md", PAGE.format(seeds=SEEDS, table=written))
        print(written)


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits as MNIST's are: uint8 (N, 28, 28), the center of mass in the middle; and their labels (N,)."""
    digits = load_digits()
    large = np.rint(enlarge(digits.images * (255 / 16))).astype(np.uint8)
    return np.array([center(image, (28, 28)) for image in large]), digits.target


def load_digits() -> Any:
    """Return scikit-learn's digits: `images` (N, 8, 8) with values from 0 to 16, ink bright, and `target` (N,)."""
    try:
        from sklearn import datasets  # of the extra `bench`
    except ImportError:
        raise ValueError("scikit-learn is needed: pip install --constraint requirements.txt '.[bench]'") from None
    return datasets.load_digits()


def accuracy(path: Path, images: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy of the model at `path` on uint8 images (N, rows, columns) with labels (N,)."""
    model = load(path)
    return metrics.accuracy(model.network.predict(model.prepare(images)), labels)


def enlarge(images: np.ndarray, size: int = 20) -> np.ndarray:
    """Return images (N, 8, 8) as (N, size, size), interpolated bilinearly."""
    n = images.shape[1]
    place = (np.arange(size) + 0.5) * n / size - 0.5
    B = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n)))  # each new row from the old ones near it
    return B @ images @ B.T


if __name__ == "__main__":
    main()
