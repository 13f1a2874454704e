"""Write the tables and figures of the recipes and ablations from results.csv.

    python -m experiments.tables

Makes experiments/recipes.md, experiments/ablations.md, the figures of docs/recipes.md, and the table between the marks
in README.md.
"""

import json
import statistics
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, NullFormatter

from experiments import recipes, results
from experiments.recipes import Recipe, Trial
from experiments.results import Row
from stages.dataset import augment, idx
from stages.nn.exact import FAST
from stages.nn.frequencies import LowFrequencies, Pixels
from stages.pipeline import files, params, stage
from stages.pipeline.yaml_reader import load
from stages.report import figures

README = Path("README.md")
START, END = "<!-- recipes: made by `python -m experiments.tables` -->\n", "<!-- end of recipes -->\n"
DIGITS = Path("data/raw/t10k-images-idx3-ubyte")
OLDER = "Rows of older settings"
RECIPES_HEAD = """# Recipes

Made by `make recipes`; do not edit. What each step gains: [docs/recipes.md](../docs/recipes.md).

Accuracy on the 10,000 test images, mean ± standard deviation over the seeds. *TTA* is the accuracy with test-time
augmentation: of the mean of the probabilities over the image and four copies, each moved by half a pixel. Seconds: of
training, the median over the seeds.

"""
ABLATIONS_HEAD = """# Ablations

Made by `make recipes`; do not edit. One change of the recipe {base} at a time; the baseline is that recipe as it is.
Accuracy on the validation images, mean ± standard deviation over the seeds. The gap to the baseline is taken seed by
seed: mean ± standard error.

"""

Rows = dict[str, list[Row]]  # by recipe


def tables() -> None:
    """Write all of it."""
    known, trials = recipes.load()
    listed = {(trial.recipe, trial.seed) for trial in trials}
    arranged = [row for row in results.arrange(results.read(), trials) if (row.recipe, row.seed) in listed]
    rows = {name: [row for row in arranged if row.recipe == name] for name in known}
    ablations = [name for name, recipe in known.items() if recipe.base]
    table = recipe_table(known, rows, trials)
    origin = provenance([name for name in known if name not in ablations], rows, trials)
    files.write_text("experiments/recipes.md", f"{RECIPES_HEAD}{origin}\n\n{table}\n{settings_table(known)}")
    older = [f"\n{line}\n" for line in origin.splitlines() if line.startswith(OLDER)]
    files.write_text(README, between_marks(README, START, END, "".join([table, *older])))
    files.write_text("experiments/ablations.md", "\n".join(ablation_pages(known, rows, trials)))
    save("error_by_recipe", error_by_recipe({name: rows[name] for name in known if known[name].goal and rows[name]}))
    digits = idx.read(DIGITS)
    save("augmentations", augmentations(digits[0]))
    save("frequencies", frequencies(digits[[0, 1, 4]]))


def provenance(names: list[str], rows: Rows, trials: list[Trial]) -> str:
    """Return lines that say which code the rows of these recipes are of, and which rows are out of date or missing."""
    codes: dict[str, list[str]] = {}
    for name in names:
        for code in dict.fromkeys(row.code for row in rows[name]):
            codes.setdefault(code, []).append(name)
    if len(codes) == 1:
        lines = [f"All rows are of code {next(iter(codes))}."]
    else:
        lines = [f"Rows of code {code}: {', '.join(those)}." for code, those in codes.items()]
    lines.append("Code is the digest of the source files that a result depends on.")
    keys = {trial.key for trial in trials}
    missing = {name: sum(trial.recipe == name for trial in trials) - len(rows[name]) for name in names}
    for title, found in {
        "Seeds of different code": [name for name in names if len({row.code for row in rows[name]}) > 1],
        OLDER: [name for name in names if not keys.issuperset(row.key for row in rows[name])],
        "Missing rows": [f"{name} ({count})" for name, count in missing.items() if count],
    }.items():
        if found:
            lines.append(f"{title}: {', '.join(found)}.")
    return "\n".join(lines)


def spread(values: Iterable[float]) -> str:
    """Return mean and standard deviation in percent."""
    percent = [100 * value for value in values]
    deviation = f" ± {statistics.stdev(percent):.2f}" if len(percent) > 1 else ""
    return f"{statistics.mean(percent):.2f}{deviation}" if percent else ""


def column(rows: list[Row], name: str) -> dict[int, float]:
    """Return the values of a column by seed, where there are any."""
    return {row.seed: getattr(row, name) for row in rows if getattr(row, name) is not None}


def recipe_table(known: dict[str, Recipe], rows: Rows, trials: list[Trial]) -> str:
    """Return a table with a line for each recipe that has results."""
    hidden = {trial.recipe: trial.settings["train"]["hidden"] for trial in trials}
    lines = []
    for name, recipe in known.items():
        if rows[name] and not recipe.base:
            goal = "" if recipe.goal is None else f"{recipe.goal:.2f}"
            network = "-".join(map(str, [784, *hidden[name], 10]))
            accuracy, tta = (spread(column(rows[name], f"{kind}_accuracy").values()) for kind in ("test", "tta"))
            seconds = f"{statistics.median(row.seconds for row in rows[name]):.1f}"
            lines.append([f"**{name}**", recipe.about, network, accuracy, goal, tta, str(len(rows[name])), seconds])
    return table(["recipe", "what it is", "network", "test accuracy, %", "goal", "TTA", "seeds", "seconds"], lines)


def settings_table(known: dict[str, Recipe]) -> str:
    """Return a table of what each recipe changes in params.yaml."""
    lines = []
    for name, recipe in known.items():
        if not recipe.base:
            changes = [f"{path}: {value}" for path, value in flattened(recipe.change)]
            if recipe.teacher:
                changes.append(f"targets from {recipe.teacher.recipe}, temperature {recipe.teacher.temperature:g}")
            lines.append([f"**{name}**", ", ".join(changes) or "nothing"])
    return table(["recipe", "what differs from params.yaml"], lines)


def flattened(change: Any, path: str = "") -> Iterator[tuple[str, str]]:
    """Yield the values of nested mappings as YAML has them, with their paths, such as train.augmentation.shift."""
    for key, value in change.items():
        if isinstance(value, dict):
            yield from flattened(value, f"{path}{key}.")
        else:
            yield path + key, value if isinstance(value, str) else json.dumps(value)


def ablation_pages(known: dict[str, Recipe], rows: Rows, trials: list[Trial]) -> Iterator[str]:
    """Yield, for each recipe that has ablations, a table of them beside it on the validation images, seed by seed."""
    for base in dict.fromkeys(recipe.base for recipe in known.values() if recipe.base):
        ablations = [name for name, recipe in known.items() if recipe.base == base]
        baseline = column(rows[base], "validation_accuracy")
        lines = [["baseline", f"the recipe {base}", spread(baseline.values()), "", str(len(baseline))]]
        for name in ablations:
            values = column(rows[name], "validation_accuracy")
            gaps = [100 * (value - baseline[seed]) for seed, value in values.items() if seed in baseline]
            gap = f"{statistics.mean(gaps):+.2f} ± {statistics.stdev(gaps) / len(gaps) ** 0.5:.2f}" if gaps[1:] else ""
            lines.append([name, known[name].about, spread(values.values()), gap, str(len(values))])
        yield (
            f"{ABLATIONS_HEAD.format(base=base)}{provenance([base, *ablations], rows, trials)}\n\n"
            + table(["", "what is changed", "validation accuracy, %", "gap, points", "seeds"], lines)
        )


def table(head: list[str], rows: Iterable[Iterable[str]]) -> str:
    """Return a Markdown table."""
    return "".join("| " + " | ".join(line) + " |\n" for line in [head, ["---"] * len(head), *rows])


def between_marks(page: Path, first: str, last: str, content: str) -> str:
    """Return the text of a page with other content between the two marks; ValueError if they are not there."""
    before, start, rest = page.read_text(encoding="utf-8").partition(first)
    _, end, after = rest.partition(last)
    if not (start and end):
        raise ValueError(f"{page}: lacks the lines {first.strip()} and {last.strip()}")
    return f"{before}{start}\n{content}\n{end}{after}"


def save(name: str, figure: Figure) -> None:
    """Write a figure for the docs."""
    with files.replacing(f"docs/figures/{name}.png") as temporary:
        figures.save(figure, temporary, 130)


@figures.styled
def error_by_recipe(rows: Rows) -> Figure:
    """The test error of each recipe on a logarithmic scale: a dot per seed, a line at the mean."""
    figure = Figure(figsize=(9, 4.4))
    axes = figure.subplots()
    for x, runs in enumerate(rows.values()):
        errors = 100 * (1 - np.array(list(column(runs, "test_accuracy").values())))
        spots = x + np.linspace(-0.14, 0.14, len(errors)) if len(errors) > 1 else np.array([float(x)])
        axes.plot(spots, errors, "o", color=figures.BLUE, alpha=0.55, markersize=4, markeredgewidth=0)
        axes.hlines(errors.mean(), x - 0.3, x + 0.3, color=figures.INK, linewidth=2)
        axes.annotate(f"{errors.mean():.2f} %", (x + 0.34, errors.mean()), va="center", fontsize=10, weight="bold")
    axes.set_yscale("log")
    axes.set_yticks([0.3, 0.5, 1, 2, 3])
    axes.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axes.yaxis.set_minor_formatter(NullFormatter())
    axes.set_xticks(range(len(rows)), list(rows))
    axes.set_xlim(-0.5, len(rows) - 0.1)
    axes.tick_params(axis="x", length=0)
    axes.grid(axis="y", color=figures.GRAY, alpha=0.25, linewidth=0.6)
    axes.set_title("test error rate, %; one dot per seed, a line at the mean")
    figure.suptitle("Test error of each recipe", x=0.01, ha="left")
    return figure


@figures.styled
def augmentations(image: np.ndarray) -> Figure:
    """A digit under each augmentation, far stronger than in training, and as the default recipe warps it."""
    kinds = {
        "original": {},
        "shift": {"shift": 4.0},
        "rotation": {"rotation": 30.0},
        "scaling": {"scaling": 0.35},
        "shear": {"shear": 0.5},
        "elastic": {"elastic": 2.0},
        "as in training": load(params.PARAMS)[0]["train"]["augmentation"] or {},
    }
    figure = Figure(figsize=(9, 5.4))
    grid = figure.subplots(4, len(kinds))
    for column, (name, amounts) in enumerate(kinds.items()):
        warp = augment.Augmentation(image.shape, **amounts)
        rng = np.random.default_rng(column)
        for row in range(4):
            show(grid[row, column], warp(image.reshape(1, -1).astype(np.float32), rng).reshape(image.shape))
            if row == 0:
                grid[row, column].set_title(name, loc="center")
    figure.suptitle("A digit under each augmentation, exaggerated; last, as in training", x=0.01, ha="left")
    return figure


@figures.styled
def frequencies(images: np.ndarray) -> Figure:
    """What is left of digits (n, rows, columns) when only their low frequencies are."""
    counts = (4, 8, 12, 16, 28, None)
    figure = Figure(figsize=(9, 1.4 * len(images) + 0.9))
    grid = figure.subplots(len(images), len(counts))
    x = images.reshape(len(images), -1).astype(np.float64)
    for column, count in enumerate(counts):
        inputs = LowFrequencies(images.shape[1:], count, FAST) if count else Pixels(images.shape[1:])
        coarse = inputs.fold(inputs.transform(x).T).T
        for row, image in enumerate(coarse.reshape(images.shape)):
            show(grid[row, column], image)
        title = f"below {count}:\n{inputs.F} numbers" if count else f"all:\n{inputs.F} pixels"
        grid[0, column].set_title(title, loc="center")
    figure.suptitle("What is left of a digit when only its low frequencies are", x=0.01, ha="left")
    return figure


def show(axes: Axes, image: np.ndarray) -> None:
    """Draw an image of pixels from 0, paper, to 255, ink."""
    axes.imshow(255 - image, cmap="gray", vmin=0, vmax=255)
    axes.set_xticks([])
    axes.set_yticks([])
    axes.spines[:].set_visible(False)


if __name__ == "__main__":
    stage.run(tables)
