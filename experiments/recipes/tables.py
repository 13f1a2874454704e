"""Write the tables and the figure of the recipes and ablations from results.csv.

    python -m experiments.recipes.tables

Fills the tables and makes the figure of docs/recipes.md, and fills the table in README.md.
"""

import statistics
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments.pages import fill, mean_and_sd, table
from experiments.recipes import resolve
from experiments.table import RESULTS, parse, read_lines
from experiments.trial import Row
from stages.pipeline import files, stage
from stages.report import style

PAGE = Path("docs/recipes.md")
SHOWN = ("plain", "quick", "default", "fashion-default")  # in the README


def tables() -> None:
    """Write all of it, from rows of today's settings and code alone."""
    recipes, trials = resolve.load()
    known = {(row.recipe, row.key): row for row in map(parse, read_lines(RESULTS))}
    rows: dict[str, list[Row]] = {name: [] for name in recipes}
    for trial in trials:
        if (row := known.get((trial.name, trial.key))) and row.answers(trial):
            rows[trial.name].append(row)

    results, ablations = list[list[Any]](), list[list[Any]]()
    hidden = {trial.name: trial.settings["train"]["hidden"] for trial in trials}
    for name, recipe in recipes.items():
        scores = column(rows[name], "validation_accuracy")
        if recipe.base:
            gap = gap_to(column(rows[recipe.base], "validation_accuracy"), scores)
            ablations.append([name, recipe.about, mean_and_sd([*scores.values()]), gap, len(scores)])
        elif any(other.base == name for other in recipes.values()):
            ablations.append(["baseline", f"the recipe {name}", mean_and_sd([*scores.values()]), "", len(scores)])
        if rows[name] and not recipe.base:
            network = "-".join(map(str, [784, *hidden[name], 10]))
            test, tta = (mean_and_sd([*column(rows[name], f"{kind}_accuracy").values()]) for kind in ("test", "tta"))
            seconds = statistics.median(column(rows[name], "seconds").values())
            results.append([f"**{name}**", recipe.about, network, test, tta, len(rows[name]), f"{seconds:.1f}"])

    def page(head: list[str], lines: list[list[Any]], names: list[str]) -> str:
        missing = {name: recipes[name].seeds - len(rows[name]) for name in names}
        lacking = ", ".join(f"{name} ({count})" for name, count in missing.items() if count)
        return table(head, lines) + (f"\nNot run yet: {lacking}.\n" if lacking else "")

    head = ["recipe", "what it is", "network", "test accuracy, %", "TTA", "seeds", "seconds"]
    fill(PAGE, "recipes", page(head, results, [name for name, recipe in recipes.items() if not recipe.base]))
    fill(Path("README.md"), "recipes", table(head, [line for line in results if line[0].strip("*") in SHOWN]))
    head = ["", "what is changed", "validation accuracy, %", "gap, points", "seeds"]
    fill(PAGE, "ablations", page(head, ablations, [name for name, recipe in recipes.items() if recipe.base]))
    with files.atomic_write("docs/figures/error_by_recipe.png") as temporary:
        drawn = {name: rows[name] for name in recipes if recipes[name].goal and rows[name]}
        style.save(error_by_recipe(drawn), temporary, 130)


def gap_to(baseline: dict[int, float], scores: dict[int, float], factor: float = 100) -> str:
    """Return the mean difference of the seeds that both have, and its standard error, in points by default."""
    gaps = [factor * (score - baseline[seed]) for seed, score in scores.items() if seed in baseline]
    error = statistics.stdev(gaps) / len(gaps) ** 0.5 if len(gaps) > 1 else 0.0
    return f"{statistics.fmean(gaps):+.2f} ± {error:.2f}" if len(gaps) > 1 else ""


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
