"""The page of a sweep, experiments/sweeps/NAME.md, with its figure, NAME.png."""

import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullFormatter

from experiments import results
from experiments.plan import Plan, Rung, cell
from experiments.recipes import Trial
from experiments.tables import table
from stages.pipeline import files, params
from stages.pipeline.yaml_reader import load as load_yaml
from stages.report import figures

BEST = 10  # combinations in the table
ACROSS = 3  # panels in a row of the figure
FEW = 6  # values of an axis that are labeled one by one

HEAD = """# Sweep: {name}

Made by `make sweep SWEEP={name}`; do not edit. {about}.

The recipe *{base}* with {combinations} combinations of {axes}, {seeds} each{halving}. {metric}, mean ± standard
deviation over the seeds. The test images were not looked at. Code {code}. All trials:
[{name}.csv]({name}.csv), or `dvc plots show experiments/sweeps/{name}.csv -x {axis} -y validation_accuracy`.
"""
NAMES = {"validation_error": "Validation error in percent", "validation_loss": "Validation loss in nats"}


def write(plan: Plan, rungs: Sequence[Rung]) -> str:
    """Write page and figure of a complete sweep; return what a terminal should show of it."""
    last, sweep = rungs[-1], plan.sweep
    ranked = last.ranked()
    halving = ""
    if sweep.halving:
        counts = ", ".join(f"{len(rung.combinations)} for {rung.epochs}" for rung in rungs)
        halving = f"; successive halving by epochs, each rung a whole training: {counts} epochs"
    head = HEAD.format(
        name=plan.name,
        about=sweep.about[:1].upper() + sweep.about[1:].rstrip("."),
        base=sweep.base,
        combinations=len(plan.combinations),
        axes=" and ".join(sweep.axes),
        seeds="one seed" if sweep.seeds == 1 else f"{sweep.seeds} seeds",
        halving=halving,
        metric=NAMES[sweep.minimize],
        code=", ".join(dict.fromkeys(row.code for rung in rungs for row in rung.rows.values())),
        axis=next(iter(sweep.axes)),
    )
    best = best_table(plan, last, ranked)
    parts = [head, "## The best combinations\n", best]
    for lower, upper in pairwise(rungs):
        parts.append(correlation(lower, upper))
    if command := experiment(plan, last, ranked[0]):
        parts += ["The best one as an experiment of DVC, with the first seed:\n", f"```\n{command}\n```\n"]
        row = last.by_combination()[ranked[0]][0]
        parts.append(f"The SHA-256 of its models/network.npz starts with {row.model}.\n")
    failed = [row for rung in rungs for row in rung.rows.values() if row.problem]
    if failed:
        reasons = dict.fromkeys(row.problem for row in failed)
        parts.append("\n".join([f"{len(failed)} trials failed:\n", *(f"- {reason}" for reason in reasons), ""]))
    page = results.SWEEPS / f"{plan.name}.md"
    if several := [rung for rung in rungs if len(rung.combinations) > 1]:
        figures.save(picture(plan, several[-1]), page.with_suffix(".png"), 110)
        parts.append(f"![Sweep {plan.name}]({plan.name}.png)\n")
    files.write_text(page, "\n".join(parts))
    return f"\n{best}\n{command or 'no trial went well'}\n\nPage: {page}"


def mean_and_sd(plan: Plan, values: Sequence[float]) -> str:
    """Return mean and standard deviation of what is minimized."""
    factor, form = (100, ".2f") if plan.sweep.minimize == "validation_error" else (1, ".4f")
    if not np.isfinite(values).all():
        return "failed"
    deviation = f" ± {factor * statistics.stdev(values):{form}}" if len(values) > 1 else ""
    return f"{factor * statistics.fmean(values):{form}}{deviation}"


def best_table(plan: Plan, rung: Rung, ranked: Sequence[int]) -> str:
    """Return a table of the best combinations."""
    rows, lines = rung.by_combination(), []
    for i in ranked[:BEST]:
        seconds = [row.seconds for row in rows[i] if row.seconds is not None]
        values = mean_and_sd(plan, [plan.objective(row) for row in rows[i]])
        axes = [str(cell(value)) for value in rung.combinations[i].values()]
        lines.append([*axes, values, f"{statistics.median(seconds):.1f}" if seconds else ""])
    return table([*plan.sweep.axes, NAMES[plan.sweep.minimize].lower(), "seconds"], lines)


def correlation(lower: Rung, upper: Rung) -> str:
    """Return a sentence on how well a rung predicts the next one, for the combinations that both have."""
    positions = [lower.combinations.index(each) for each in upper.combinations]
    means = lower.means()
    pairs = [
        (means[i], mean)
        for i, mean in zip(positions, upper.means(), strict=True)
        if np.isfinite([means[i], mean]).all()
    ]
    if len(pairs) < 3:
        return f"Too few combinations went from {lower.epochs} to {upper.epochs} epochs for a rank correlation.\n"
    rho = rank_correlation(*map(np.array, zip(*pairs, strict=True)))
    return (
        f"Rank correlation (Spearman, 1904) of {lower.epochs} with {upper.epochs} epochs: {rho:.2f}, of the "
        f"{len(pairs)} combinations that both have.\n"
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; equal values share the mean of their ranks."""
    ranks = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[place])
    if any(np.ptp(rank) == 0 for rank in ranks):
        return float("nan")
    return float(np.corrcoef(*ranks)[0, 1])


def experiment(plan: Plan, rung: Rung, i: int) -> str:
    """Return the command that runs a combination as an experiment of DVC; nothing if it has failed."""
    if any(row.problem for row in rung.by_combination()[i]):
        return ""
    if plan.base.teacher:
        return f"# {plan.sweep.base} has a teacher, which the pipeline does not know"
    trial: Trial = rung.trials[i * plan.sweep.seeds]
    now, _ = load_yaml(params.PARAMS)
    changes = {
        path: value
        for section in trial.settings
        for path, value in differences(section, now[section], trial.settings[section])
    }
    sets = " ".join(f"-S '{path}={override(value)}'" for path, value in changes.items())
    return f"dvc exp run {sets}".strip()


def differences(path: str, old: Any, new: Any) -> list[tuple[str, Any]]:
    """Return the values of `new`, by path, that `old` has otherwise."""
    if isinstance(old, dict) and isinstance(new, dict):
        return [pair for key in new for pair in differences(f"{path}.{key}", old.get(key), new[key])]
    return [] if old == new else [(path, new)]


def override(value: Any) -> str:
    """Return a value as `dvc exp run -S` takes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{override(each)}" for key, each in value.items()) + "}"
    return str(cell(value)).replace(" ", "")


@figures.styled
def picture(plan: Plan, rung: Rung) -> Figure:
    """What is minimized, over each axis and against seconds; with three axes or more, parallel coordinates, too."""
    axes = [axis for axis in plan.sweep.axes if len({repr(each[axis]) for each in rung.combinations}) > 1]
    several = len(axes) >= 3
    across = min(ACROSS, len(axes) + 1)
    rows = -(-(len(axes) + 1) // across)
    figure = Figure(figsize=(3.4 * across, 2.9 * (rows + several)))
    grid = figure.add_gridspec(rows + several, across)
    panels = [figure.add_subplot(grid[n // across, n % across]) for n in range(len(axes) + 1)]
    factor, unit = (100, "error, %") if plan.sweep.minimize == "validation_error" else (1, "loss, nats")
    values = [[factor * plan.objective(row) for row in each] for each in rung.by_combination()]
    shown = [i for i, each in enumerate(values) if np.isfinite(each).all()]
    means = {i: statistics.fmean(values[i]) for i in shown}
    best = min(shown, key=lambda i: means[i], default=None)
    colors = {i: figures.RED if i == best else figures.BLUE for i in shown}
    for panel, axis in zip(panels, axes, strict=False):
        settings, logarithmic = [each[axis] for each in rung.combinations], plan.is_logarithmic(axis)
        x, _ = scale(settings)
        for i in shown:
            spread = statistics.stdev(values[i]) if len(values[i]) > 1 else None
            panel.errorbar(x[i], means[i], spread, fmt="o", color=colors[i], markersize=4, elinewidth=0.8, alpha=0.75)
        panel.set_xlabel(axis)
        label(panel, settings, logarithmic)
    seconds = {i: statistics.median(row.seconds or 0 for row in rung.by_combination()[i]) for i in shown}
    for i in shown:
        panels[-1].plot(seconds[i], means[i], "o", color=colors[i], markersize=4, alpha=0.75)
    front = pareto(seconds, means)
    panels[-1].plot([seconds[i] for i in front], [means[i] for i in front], "-", color=figures.GRAY, linewidth=1)
    panels[-1].set_xlabel("seconds of training")
    panels[-1].set_title("on the line: none is faster and better", fontsize=9)
    panels[-1].set_xlim(0, 1.1 * max(seconds.values(), default=1))
    for n, panel in enumerate(panels):
        panel.grid(axis="y", color=figures.GRAY, alpha=0.25, linewidth=0.6)
        if n % across == 0:
            panel.set_ylabel(f"validation {unit}")
    if several:
        parallel(figure.add_subplot(grid[rows, :]), plan, axes, rung, means, colors)
    figure.suptitle(
        f"{plan.name}: validation {unit.split(',')[0]}, mean ± sd; the best combination in orange", x=0.01, ha="left"
    )
    return figure


def scale(values: Sequence[Any]) -> tuple[list[float], list[str]]:
    """Return the positions of values on an axis, and labels where they are no numbers."""
    if all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in values):
        return list(values), []
    names = list(dict.fromkeys(str(cell(value)) for value in values))
    return [float(names.index(str(cell(value)))) for value in values], names


def label(panel: Axes, values: Sequence[Any], logarithmic: bool) -> None:
    """Set the scale of an axis, and label few values, or values that are no numbers, one by one."""
    places, labels = scale(values)
    if logarithmic:
        panel.set_xscale("log")
        panel.xaxis.set_major_locator(LogLocator(subs=(1, 3)))
        panel.xaxis.set_major_formatter("{x:g}")
        panel.xaxis.set_minor_formatter(NullFormatter())
    distinct = sorted(set(places))
    if labels or len(distinct) <= FEW:
        panel.set_xticks(distinct, labels or [f"{place:g}" for place in distinct])
        panel.minorticks_off()
        panel.margins(x=0.15)


def pareto(seconds: dict[int, float], means: dict[int, float]) -> list[int]:
    """Return the combinations that no other one beats in both, the fastest first."""
    front: list[int] = []
    for i in sorted(means, key=lambda i: (seconds[i], means[i])):
        if not front or means[i] < means[front[-1]]:
            front.append(i)
    return front


def parallel(
    panel: Axes, plan: Plan, axes: Sequence[str], rung: Rung, means: dict[int, float], colors: dict[int, str]
) -> None:
    """Draw a line per combination through its values; the better it is, the darker."""
    places: list[np.ndarray] = []
    for n, axis in enumerate(axes):
        x, labels = scale([each[axis] for each in rung.combinations])
        numbers = np.log(x) if plan.is_logarithmic(axis) else np.array(x, dtype=float)
        low, span = numbers.min(), np.ptp(numbers) or 1.0
        places.append((numbers - low) / span)
        ends = (labels[0], labels[-1]) if labels else (f"{min(x):g}", f"{max(x):g}")
        for height, text in zip((-0.03, 1.03), ends, strict=True):
            panel.text(n, height, text, ha="center", va="top" if height < 0 else "bottom", fontsize=8)
    order = sorted(means, key=lambda i: -means[i])
    for rank, i in enumerate(order, 1):
        panel.plot(
            [place[i] for place in places], color=colors[i], alpha=0.1 + 0.9 * (rank / len(order)) ** 3, linewidth=1.2
        )
    panel.set_xticks(range(len(axes)), [axis.replace(".", ".\n") for axis in axes])
    panel.tick_params(axis="x", length=0, pad=14)
    panel.set_yticks([])
    panel.spines[:].set_visible(False)
    for n in range(len(axes)):
        panel.axvline(n, color=figures.GRAY, linewidth=0.8)
    panel.margins(x=0.08)
    panel.set_ylim(-0.12, 1.12)
    panel.set_title("Each line a combination; the better, the darker")
