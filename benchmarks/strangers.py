"""How the default recipe reads digits that are not MNIST's, with deskewing and without.

    python -m benchmarks.strangers

1,797 digits that 43 people in Turkey wrote (Alpaydin and Kaynak, 1998), as scikit-learn has them: 8 x 8, in 17 shades.
They are enlarged and centered by mass as MNIST's were, then treated as the training images were. The network has never
seen one. Writes benchmarks/strangers.md.
"""

import statistics
from pathlib import Path

import numpy as np

from benchmarks.recipe import HERE, Recipe, fitted, working_directory, write_params
from stages import evaluate as evaluation
from stages.dataset.arrays import normalize
from stages.dataset.deskew import remove_skew
from stages.evaluate import load_network
from stages.nn.training import predict
from stages.pipeline import files

SEEDS = range(5)


def main() -> None:
    """Train both ways, read both kinds of digits, write the page."""
    from sklearn.datasets import load_digits  # of the extra `bench`

    digits = load_digits()
    strangers = centered(enlarged(digits.images * (255 / 16)))
    rows = []
    for deskew in (True, False):
        accuracies: dict[str, list[float]] = {"validation": [], "strangers": []}
        for seed in SEEDS:
            with working_directory():
                write_params(Recipe("", {"preprocess": {"deskew": deskew}}), seed)
                accuracies["validation"].append(fitted(None)["validation_accuracy"])
                model = files.read_arrays(evaluation.MODEL)
            pixels = normalize(remove_skew(strangers) if deskew else strangers, model["mean"], model["std"])
            guesses = predict(load_network(model), pixels).argmax(axis=1)
            accuracies["strangers"].append(float((guesses == digits.target).mean()))
        cells = [f"{100 * statistics.mean(a):.2f} ± {100 * statistics.stdev(a):.2f}" for a in accuracies.values()]
        rows.append("| " + " | ".join(["deskewed" if deskew else "as written", *cells]) + " |\n")
    files.write_text(
        HERE / "strangers.md",
        "# Other hands\n\nMade by `python -m benchmarks.strangers`; do not edit. Accuracy in percent of the default "
        f"recipe, mean ± standard deviation over {len(SEEDS)} seeds: on MNIST's validation images, and on the 1,797 "
        "digits of 43 other people that come with scikit-learn (8 x 8 pixels, enlarged to MNIST's size).\n\n"
        "| digits | MNIST, validation | other hands |\n|---|---|---|\n" + "".join(rows),
    )
    print(Path(HERE / "strangers.md").read_text(encoding="utf-8"))


def enlarged(images: np.ndarray, size: int = 20) -> np.ndarray:
    """Return images (N, 8, 8) as (N, size, size), interpolated bilinearly."""
    n = images.shape[1]
    place = (np.arange(size) + 0.5) * n / size - 0.5
    B = np.maximum(0, 1 - np.abs(place[:, None] - np.arange(n)))  # each new row from the old ones near it
    bigger: np.ndarray = B @ images @ B.T
    return bigger


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
