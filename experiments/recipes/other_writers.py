"""How well the default recipe, with and without deskewing, classifies digits by people who did not write MNIST.

    python -m experiments.recipes.other_writers

1,797 digits that 43 people in Turkey wrote (Alpaydin and Kaynak, 1998), as scikit-learn has them: 8 x 8 pixels, 17
shades. They are enlarged and centered by mass as MNIST's were, then prepared as the training images were. No network
has been trained on any of them. Runs the trials whose rows or models are missing, and fills the table in
docs/recipes.md.
"""

from pathlib import Path

import numpy as np

from experiments.cluster.dispatch import model_path
from experiments.command import command
from experiments.pages import fill, mean_and_sd, table
from experiments.recipes import resolve
from experiments.recipes.run import run
from stages.learning.model import load
from stages.photos.center import center
from stages.report import metrics

COMPARED = {"default": "deskewed", "no-deskewing": "as written"}  # recipes
SEEDS = 5


def main() -> None:
    """Train what is missing, classify both kinds of digits, write the table."""
    with command():
        images, labels = read_digits()
        trials = [trial for trial in resolve.load(COMPARED)[1] if trial.seed < SEEDS]
        rows, lines = run(trials, models=trials), []
        for name, description in COMPARED.items():
            validation = [row.validation_accuracy or 0.0 for row in rows if row.recipe == name]
            models = [load(model_path(trial)) for trial in trials if trial.name == name]
            scores = [model.network.predict(model.prepare(images)) for model in models]
            others = [metrics.accuracy(each, labels) for each in scores]
            lines.append([description, mean_and_sd(validation), mean_and_sd(others)])
        written = table(["digits", "MNIST, validation", "other writers"], lines)
        fill(Path("docs/recipes.md"), "other writers", written)
        print(written)


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return the digits as MNIST's are: uint8 (N, 28, 28), the center of mass in the middle; and their labels (N,)."""
    from sklearn import datasets  # of the extra `bench`

    digits = datasets.load_digits()  # values from 0 to 16, ink bright
    large = np.rint(enlarge(digits.images * (255 / 16))).astype(np.uint8)
    return np.array([center(image, (28, 28)) for image in large]), digits.target


def enlarge(images: np.ndarray, size: int = 20) -> np.ndarray:
    """Return images (N, 8, 8) as (N, size, size), interpolated bilinearly."""
    n = images.shape[1]
    place = (np.arange(size) + 0.5) * n / size - 0.5
    B = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n)))  # each new row from the old ones near it
    return B @ images @ B.T


if __name__ == "__main__":
    main()
