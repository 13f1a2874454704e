"""How well the default recipe, with and without deskewing, classifies digits by people who did not write MNIST.

    python -m experiments.other_writers

1,797 digits that 43 people in Turkey wrote (Alpaydin and Kaynak, 1998), as scikit-learn has them: 8 x 8 pixels, 17
shades. They are enlarged and centered by mass as MNIST's were, then prepared as the training images were. No network
has been trained on any of them. Takes the models of the trials, runs the trials whose models are missing, and writes
experiments/other_writers.md.
"""

import numpy as np

from experiments import recipes, results
from experiments.command import command
from experiments.run import run
from experiments.tables import provenance, spread, table
from stages.dataset.arrays import prepare
from stages.nn.network import from_arrays
from stages.pipeline import files
from stages.report import metrics

COMPARED = {"default": "deskewed", "no-deskewing": "as written"}  # recipes
SEEDS = 5
PAGE = """# Digits by other writers

Made by `make recipes`; do not edit. Accuracy in percent of the default recipe, mean ± standard deviation over the
seeds: on MNIST's validation images, and on the 1,797 digits of 43 other people that come with scikit-learn (8 x 8
pixels, enlarged to MNIST's size).

{origin}

{table}"""


def main() -> None:
    """Train what is missing, classify both kinds of digits, write the page."""
    with command():
        images, labels = read_digits()
        _, trials = recipes.load()
        compared = [trial for trial in trials if trial.recipe in COMPARED and trial.seed < SEEDS]
        missing = results.missing(compared, results.read())
        run(trials, [trial for trial in compared if trial in missing or not results.model_path(trial).exists()])

        keys = {trial.key for trial in compared}
        rows = {name: [row for row in results.read() if row.recipe == name and row.key in keys] for name in COMPARED}
        lines = []
        for name, description in COMPARED.items():
            models = [files.read_arrays(results.model_path(trial)) for trial in compared if trial.recipe == name]
            validation = [row.validation_accuracy for row in rows[name] if row.validation_accuracy is not None]
            lines.append([description, spread(validation), spread(accuracy(model, images, labels) for model in models)])
        written = table(["digits", "MNIST, validation", "other writers"], lines)
        page = PAGE.format(origin=provenance(list(COMPARED), rows, compared), table=written)
        files.write_text("experiments/other_writers.md", page)
        print(page)


def read_digits() -> tuple[np.ndarray, np.ndarray]:
    """Return scikit-learn's digits as MNIST's are: uint8 (N, 28, 28), and their labels (N,)."""
    try:
        from sklearn.datasets import load_digits  # of the extra `bench`
    except ImportError:
        raise ValueError("scikit-learn is needed: pip install --constraint requirements.txt '.[bench]'") from None
    digits = load_digits()
    return centered(enlarged(digits.images * (255 / 16))), digits.target


def accuracy(model: dict[str, np.ndarray], images: np.ndarray, labels: np.ndarray) -> float:
    """Return the accuracy of a model on uint8 images (N, rows, columns) with labels (N,)."""
    x = prepare(images, bool(model["deskew"]), float(model["mean"]), float(model["std"]))
    return metrics.accuracy(from_arrays(model).predict(x), labels)


def enlarged(images: np.ndarray, size: int = 20) -> np.ndarray:
    """Return images (N, 8, 8) as (N, size, size), interpolated bilinearly."""
    n = images.shape[1]
    place = (np.arange(size) + 0.5) * n / size - 0.5
    B = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n)))  # each new row from the old ones near it
    return B @ images @ B.T


def centered(images: np.ndarray, size: int = 28) -> np.ndarray:
    """Return images (N, s, s) as uint8 (N, size, size), their center of mass in the middle, as MNIST has it."""
    border = size - images.shape[1]
    framed = np.zeros((len(images), size, size), np.uint8)
    inner = border // 2
    framed[:, inner : inner + images.shape[1], inner : inner + images.shape[2]] = np.rint(images)
    coordinates = np.arange(size) - (size - 1) / 2
    mass = framed.sum(axis=(1, 2), dtype=float)
    for image, down, right in zip(
        framed,
        framed.sum(axis=2) @ coordinates / mass,
        framed.sum(axis=1) @ coordinates / mass,
        strict=True,
    ):
        image[:] = np.roll(image, (-round(down), -round(right)), axis=(0, 1))
    return framed


if __name__ == "__main__":
    main()
