"""Write the tables and the figure of the recipes and ablations from results.csv.

    python -m experiments.recipes.tables

Makes recipes.md and ablations.md, the figure of docs/recipes.md, and the table between the marks in README.md.
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
from stages.pipeline import files, stage
from stages.report import style

README, PAGES = Path("README.md"), Path("experiments/recipes")
START, END = "<!-- recipes: made by `python -m experiments.recipes.tables` -->\n", "<!-- end of recipes -->\n"
SHOWN = ("plain", "quick", "default", "fashion-default")  # in the README
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
    short = [line for line in lines if str(line[0]).strip("*") in SHOWN]
    files.write_text(README, between_marks(README, START, END, table(head, short)))

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

    with files.atomic_write("docs/figures/error_by_recipe.png") as temporary:
        drawn = {name: rows[name] for name in recipes if recipes[name].goal and rows[name]}
        style.save(error_by_recipe(drawn), temporary, 130)


def column(rows: list[Row], name: str) -> dict[int, float]:
    """Return the values of a column by seed, where there are any."""
    return {row.seed: getattr(row, name) for row in rows if getattr(row, name) is not None}


@style.styled
def error_by_recipe(rows: dict[str, list[Row]]) -> Figure:
    """The test error of each recipe on a logarithmic scale: a dot per seed, a line at the mean."""
    figure = Figure(figsize=(9, 4.4))
    axes = figure.subplots()
    for x, of_one in enumerate(rows.values()):
        errors = 100 * (1 - np.array([*column(of_one, "test_accuracy").values()]))
        axes.plot(np.linspace(x - 0.14, x + 0.14, len(errors)), errors, "o", color=style.BLUE, alpha=0.55, markersize=4)
        axes.hlines(errors.mean(), x - 0.3, x + 0.3, color=style.INK, linewidth=2)
        axes.annotate(f"{errors.mean():.2f}%", (x + 0.34, errors.mean()), va="center", fontsize=10, weight="bold")
    axes.set(yscale="log", yticks=[0.3, 0.5, 1, 2, 3], xlim=(-0.5, len(rows) - 0.1))
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(rows)), list(rows))
    axes.grid(axis="y", color=style.GRAY, alpha=0.25, linewidth=0.6)
    figure.suptitle("Test error of each recipe, %; one dot per seed, a line at the mean", x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    stage.run(tables)
