"""Write the tables and figures of the recipes and ablations from results.csv.

    python -m experiments.recipes.tables

Makes recipes.md and ablations.md, the figures of docs/recipes.md, and the table between the marks in README.md.
"""

import math
import statistics
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.pages import between_marks, mean_and_sd, table
from experiments.recipes import resolve
from experiments.table import RESULTS, parse, read_lines
from experiments.trial import Row
from stages.dataset import augment, idx
from stages.nn.frequencies import LowFrequencies
from stages.pipeline import files, stage
from stages.report import figures

README, PAGES = Path("README.md"), Path("experiments/recipes")
START, END = "<!-- recipes: made by `python -m experiments.recipes.tables` -->\n", "<!-- end of recipes -->\n"
DIGITS = Path("data/raw/t10k-images-idx3-ubyte")
RECIPES = """# Recipes

Made by `make recipes` from [recipes.yaml](recipes.yaml) and [results.csv](results.csv); do not edit. Accuracy on the
10,000 test images, mean ± standard deviation over the seeds. *TTA* is the accuracy with test-time augmentation: of the
mean of the probabilities over the image and four copies, each shifted by half a pixel. Seconds: of training, the median
over the seeds. What each step gains: [docs/recipes.md](../../docs/recipes.md).

"""
ABLATIONS = """# Ablations

Made by `make recipes`; do not edit. One change of a recipe at a time; the baseline is that recipe unchanged. Accuracy
on the validation images, mean ± standard deviation over the seeds. The gap to the baseline is taken seed by seed: mean
± standard error.

"""


def tables() -> None:
    """Write all of it, from rows of today's settings and code alone."""
    recipes, trials = resolve.load()
    known = {(row.recipe, row.key): row for row in map(parse, read_lines(RESULTS))}
    rows: dict[str, list[Row]] = {name: [] for name in recipes}
    missing = dict.fromkeys(recipes, 0)
    for trial in trials:
        row = known.get((trial.name, trial.key))
        if row and row.answers(trial):
            rows[trial.name].append(row)
        else:
            missing[trial.name] += 1

    def page(head: list[str], lines: list[list[Any]], names: list[str]) -> str:
        lacking = ", ".join(f"{name} ({missing[name]})" for name in names if missing[name])
        return table(head, lines) + (f"\nNot run yet: {lacking}.\n" if lacking else "")

    lines = []
    hidden = {trial.name: trial.settings["train"]["hidden"] for trial in trials}
    for name, recipe in recipes.items():
        if rows[name] and not recipe.base:
            network = "-".join(map(str, [784, *hidden[name], 10]))
            test, tta = (mean_and_sd([*column(rows[name], f"{kind}_accuracy").values()]) for kind in ("test", "tta"))
            seconds = statistics.median(column(rows[name], "seconds").values())
            lines.append([f"**{name}**", recipe.about, network, test, tta, len(rows[name]), f"{seconds:.1f}"])
    head = ["recipe", "what it is", "network", "test accuracy, %", "TTA", "seeds", "seconds"]
    results = page(head, lines, [name for name, recipe in recipes.items() if not recipe.base])
    files.write_text(PAGES / "recipes.md", RECIPES + results)
    files.write_text(README, between_marks(README, START, END, results))

    lines = []
    for name, recipe in recipes.items():
        values = column(rows[name], "validation_accuracy")
        if base := recipe.base:
            baseline = column(rows[base], "validation_accuracy")
            gaps = [100 * (value - baseline[seed]) for seed, value in values.items() if seed in baseline]
            spread = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else math.nan
            gap = f"{statistics.fmean(gaps):+.2f} ± {spread:.2f}" if gaps else ""
            lines.append([name, recipe.about, mean_and_sd([*values.values()]), gap, len(values)])
        elif any(other.base == name for other in recipes.values()):
            lines.append(["baseline", f"the recipe {name}", mean_and_sd([*values.values()]), "", len(values)])
    head = ["", "what is changed", "validation accuracy, %", "gap, points", "seeds"]
    ablations = page(head, lines, [name for name, recipe in recipes.items() if recipe.base])
    files.write_text(PAGES / "ablations.md", ABLATIONS + ablations)

    digits = idx.read(DIGITS)
    default = next(trial.settings["train"]["augmentation"] for trial in trials if trial.name == "default")
    for name, figure in {
        "error_by_recipe": error_by_recipe({name: rows[name] for name in recipes if recipes[name].goal and rows[name]}),
        "augmentations": augmentations(digits[0], default or {}),
        "frequencies": frequencies(digits[[0, 1, 4]]),
    }.items():
        with files.replacing(f"docs/figures/{name}.png") as temporary:
            figures.save(figure, temporary, 130)


def column(rows: list[Row], name: str) -> dict[int, float]:
    """Return the values of a column by seed, where there are any."""
    return {row.seed: getattr(row, name) for row in rows if getattr(row, name) is not None}


@figures.styled
def error_by_recipe(rows: dict[str, list[Row]]) -> Figure:
    """The test error of each recipe on a logarithmic scale: a dot per seed, a line at the mean."""
    figure = Figure(figsize=(9, 4.4))
    axes = figure.subplots()
    for x, of_one in enumerate(rows.values()):
        errors = 100 * (1 - np.array([*column(of_one, "test_accuracy").values()]))
        axes.plot(
            np.linspace(x - 0.14, x + 0.14, len(errors)), errors, "o", color=figures.BLUE, alpha=0.55, markersize=4
        )
        axes.hlines(errors.mean(), x - 0.3, x + 0.3, color=figures.INK, linewidth=2)
        axes.annotate(f"{errors.mean():.2f}%", (x + 0.34, errors.mean()), va="center", fontsize=10, weight="bold")
    axes.set(yscale="log", yticks=[0.3, 0.5, 1, 2, 3], xlim=(-0.5, len(rows) - 0.1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(rows)), list(rows))
    axes.grid(axis="y", color=figures.GRAY, alpha=0.25, linewidth=0.6)
    figure.suptitle("Test error of each recipe, %; one dot per seed, a line at the mean", x=0.01, ha="left")
    return figure


def augmentations(image: np.ndarray, default: dict[str, float]) -> Figure:
    """A digit under each augmentation, far stronger than in training, and as the default recipe warps it."""
    strengths = {"shift": 4.0, "rotation": 30.0, "scaling": 0.35, "shear": 0.5, "elastic": 2.0}
    kinds = {"original": {}, **{name: {name: strength} for name, strength in strengths.items()}, "in training": default}
    x, columns = image.reshape(1, -1).astype(np.float32), {}
    for number, (name, amounts) in enumerate(kinds.items()):
        warp = augment.Augmentation(image.shape, **amounts)  # type: ignore[arg-type]
        rng = np.random.default_rng(number)
        columns[name] = [warp(x, rng).reshape(image.shape) for _ in range(4)]
    return gallery("A digit under each augmentation, exaggerated; last, as in training", columns)


def frequencies(images: np.ndarray) -> Figure:
    """What is left of digits (n, rows, columns) when only their low frequencies are."""
    x, columns = images.reshape(len(images), -1).astype(np.float64), {}
    for count in (4, 8, 12, 16, 28):
        inputs = LowFrequencies(images.shape[1:], count)
        coarse = inputs.fold(inputs.transform(x).T).T
        columns[f"below {count}:\n{inputs.F} numbers"] = list(coarse.reshape(images.shape))
    columns[f"all:\n{x.shape[1]} pixels"] = list(images)
    return gallery("What is left of a digit when only its low frequencies are", columns)


@figures.styled
def gallery(title: str, columns: dict[str, list[np.ndarray]]) -> Figure:
    """Images of pixels from 0, paper, to 255, ink, in columns with titles."""
    figure = Figure(figsize=(9, 1.35 * len(next(iter(columns.values()))) + 0.5))
    grid = figure.subplots(len(next(iter(columns.values()))), len(columns))
    for panels, (name, images) in zip(grid.T, columns.items(), strict=True):
        panels[0].set_title(name, loc="center")
        for axes, image in zip(panels, images, strict=True):
            axes.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
            axes.set_axis_off()
    figure.suptitle(title, x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    stage.run(tables)
