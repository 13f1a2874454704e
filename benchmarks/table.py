"""Write the tables and figures of the recipes and ablations from their results.

    python -m benchmarks.table

Makes benchmarks/recipes.md, benchmarks/ablations.md, docs/figures/*.png and the table between the marks in README.md.
"""

import statistics
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from benchmarks.recipe import Recipe
from stages.dataset import augment, idx
from stages.pipeline import files, params
from stages.report import figures

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
HEAD = """# Recipes

Made by `make recipes`; do not edit. What each step buys: [docs/recipes.md](../docs/recipes.md).

Accuracy on the 10,000 test images, mean ± standard deviation over the seeds. *Shifted*: the mean of the answers to a
test image as it is and moved half a pixel each way, five forward passes for one. Seconds: of training, the
median.

"""
START, END = "<!-- recipes: made by `python -m benchmarks.table` -->\n", "<!-- end of recipes -->\n"


def main() -> None:
    """Write all of it."""
    recipes, ablations = load("recipes"), load("ablations")
    results = {name: read_results("recipes", name) for name in recipes}
    rows = recipe_table(recipes, results)
    files.write_text(HERE / "recipes.md", HEAD + rows + "\n" + settings(recipes))
    before, rest = (ROOT / "README.md").read_text(encoding="utf-8").split(START)
    files.write_text(ROOT / "README.md", before + START + "\n" + rows + "\n" + END + rest.split(END)[1])
    files.write_text(HERE / "ablations.md", ablation_page(ablations))
    draw("recipes", descent(results))
    draw("augmentations", augmentations(idx.read(ROOT / "data/raw/t10k-images-idx3-ubyte")[0]))


def load(kind: str) -> dict[str, Recipe]:
    """Return the entries of recipes.yaml or ablations.yaml."""
    recipes: dict[str, Recipe] = params.read_as(dict[str, Recipe], HERE / f"{kind}.yaml")
    return recipes


def read_results(kind: str, name: str) -> list[dict[str, Any]]:
    """Return the results of a recipe, seed by seed."""
    return [files.read_json(path) for path in sorted((HERE / "results" / kind / name).glob("*.json"))]


def spread(values: Iterable[float]) -> str:
    """Return mean and standard deviation in percent."""
    percent = [100 * value for value in values]
    deviation = f" ± {statistics.stdev(percent):.2f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.2f}{deviation}"


def recipe_table(recipes: dict[str, Recipe], results: dict[str, list[dict[str, Any]]]) -> str:
    """A row a recipe."""
    rows = []
    for name, recipe in recipes.items():
        if not results[name]:
            continue
        train = {**params.load(ROOT / "params.yaml")[0]["train"], **recipe.change.get("train", {})}
        rows.append(
            [
                f"**{name}**",
                recipe.about,
                "-".join(map(str, [784, *train["hidden"], 10])),
                spread(result["accuracy"] for result in results[name]),
                "" if recipe.goal is None else f"{recipe.goal:.2f}",
                spread(result["shifted_accuracy"] for result in results[name]),
                str(len(results[name])),
                f"{statistics.median(result['seconds'] for result in results[name]):.1f}",
            ]
        )
    return table(["recipe", "what it is", "network", "test accuracy, %", "goal", "shifted", "seeds", "seconds"], rows)


def settings(recipes: dict[str, Recipe]) -> str:
    """What each recipe changes in params.yaml."""
    rows = []
    for name, recipe in recipes.items():
        told = [f"{s}.{key}: {value}" for s, values in recipe.change.items() for key, value in values.items()]
        if recipe.teacher:
            told.append(f"targets from {recipe.teacher.recipe}, temperature {recipe.teacher.temperature:g}")
        rows.append([f"**{name}**", ", ".join(told) or "nothing"])
    return table(["recipe", "what differs from params.yaml"], rows)


def ablation_page(ablations: dict[str, Recipe]) -> str:
    """Each ablation beside the whole recipe, on the validation images, seed by seed."""
    whole = [result["validation_accuracy"] for result in read_results("ablations", "whole")]
    rows = []
    for name, recipe in ablations.items():
        values = [result["validation_accuracy"] for result in read_results("ablations", name)]
        gaps = [100 * (value - base) for value, base in zip(values, whole, strict=True)]
        error = statistics.stdev(gaps) / len(gaps) ** 0.5
        verdict = "" if name == "whole" else f"{statistics.mean(gaps):+.2f} ± {error:.2f}"
        rows.append([name, recipe.about, spread(values), verdict, str(len(values))])
    return (
        "# Ablations\n\nMade by `make recipes`; do not edit. One thing at a time is changed in the default recipe. "
        "Accuracy on the 5,000 validation images, mean ± standard deviation over seeds; the gap to the whole recipe is "
        "taken seed by seed, with its standard error.\n\n"
    ) + table(["", "what is changed", "validation accuracy, %", "gap, points", "seeds"], rows)


def table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, ["---"] * len(head), *rows])


def draw(name: str, figure: Figure) -> None:
    """Save a figure for the docs."""
    with files.replacing(ROOT / f"docs/figures/{name}.png") as temporary:
        figures.save(figure, temporary, 130)


@figures.styled
def descent(results: dict[str, list[dict[str, Any]]]) -> Figure:
    """The test error of each recipe on a logarithmic scale: a dot a seed, a line at the mean."""
    names = [name for name, runs in results.items() if runs and not name.startswith(("fashion", "teacher"))]
    figure = Figure(figsize=(9, 4.4))
    axes = figure.subplots()
    for x, name in enumerate(names):
        errors = np.array([100 * (1 - result["accuracy"]) for result in results[name]])
        spots = x + np.linspace(-0.14, 0.14, len(errors)) if len(errors) > 1 else np.array([float(x)])
        axes.plot(spots, errors, "o", color=figures.BLUE, alpha=0.55, markersize=4, markeredgewidth=0)
        axes.hlines(errors.mean(), x - 0.3, x + 0.3, color=figures.INK, linewidth=2)
        axes.annotate(f"{errors.mean():.2f} %", (x + 0.34, errors.mean()), va="center", fontsize=10, weight="bold")
    axes.set_yscale("log")
    axes.set_yticks([0.3, 0.5, 1, 2, 3])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(names)), names)
    axes.set_xlim(-0.5, len(names) - 0.1)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=figures.GRAY, alpha=0.25, linewidth=0.6)
    axes.set_title("test error rate, %: a dot a seed")
    figure.suptitle("What each recipe makes of the same digits", x=0.01, ha="left")
    return figure


@figures.styled
def augmentations(image: Any) -> Figure:
    """A digit under each augmentation, far stronger than in training, and as the default recipe warps it."""
    kinds = {
        "as it is": {},
        "shift": {"shift": 4.0},
        "rotation": {"rotation": 30.0},
        "scaling": {"scaling": 0.35},
        "shear": {"shear": 0.5},
        "elastic": {"elastic": 2.0},
        "as in training": {
            key: params.load(ROOT / "params.yaml")[0]["train"][key]
            for key in ("rotation", "scaling", "shear", "shift", "elastic")
        },
    }
    figure = Figure(figsize=(9, 5.4))
    grid = figure.subplots(4, len(kinds))
    for column, (name, amounts) in enumerate(kinds.items()):
        warp = augment.Augmentation(image.shape, **amounts)
        rng = np.random.default_rng(column)
        for row in range(4):
            pixels = image.reshape(1, -1).astype(np.float32)
            if warp:
                warp(pixels, rng)
            axes = grid[row, column]
            axes.imshow(255 - pixels.reshape(image.shape), cmap="gray", vmin=0, vmax=255)
            axes.set_xticks([])
            axes.set_yticks([])
            axes.spines[:].set_visible(False)
            if row == 0:
                axes.set_title(name, loc="center")
    figure.suptitle("A digit under each augmentation, exaggerated; last, as in training", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    main()
