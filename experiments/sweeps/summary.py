"""The page of a sweep, experiments/sweeps/NAME.md, with its figure, NAME.png."""

import json
import statistics
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from experiments.pages import table
from experiments.sweeps.plan import Plan, Rung, cells
from experiments.table import SWEEPS
from stages.pipeline import files
from stages.report import style

BEST = 10  # combinations in the table
ACROSS = 4  # panels in a row of the figure
METRICS = {"validation_error": "validation error, %", "validation_loss": "validation loss, nats"}
PAGE = """# Sweep: {name}

Made by `make sweep SWEEP={name}`; do not edit. {about}. The recipe is *{base}*, as in [{name}.json]({name}.json).
Combinations: {counts}; {seeds} each. Mean ± standard deviation over the seeds. The test images were not used.
All trials: [{name}.csv]({name}.csv), drawn by `dvc plots show {csv} -x {axis} -y validation_accuracy`.

{results}
"""


def write(plan: Plan, rungs: Sequence[Rung]) -> str:
    """Write page and figure of a complete sweep; return what a terminal should show of it."""
    name, last, seeds = plan.name, rungs[-1], plan.sweep.seeds
    best = last.ranked()[0] * seeds
    result = f"{best_table(plan, last)}\n{experiment(plan, last.trials[best].settings)}\n"
    parts = [result, *(correlation(lower, upper) for lower, upper in pairwise(rungs))]
    parts.append(f"With seed 0, the SHA-256 of its weights and biases starts with `{last.rows[best].model}`.")
    if failed := sum(bool(row.problem) for rung in rungs for row in rung.rows):
        parts.append(f"{failed} trials failed; the column `problem` of the table says why.")
    if several := [rung for rung in rungs if len(rung.combinations) > 1]:
        style.save(picture(plan, several[-1]), SWEEPS / f"{name}.png", 110)
        parts.append(f"![Sweep {name}]({name}.png)")
    counts = [f"{len(rung.combinations)}" + f" for {rung.epochs} epochs" * bool(rung.epochs) for rung in rungs]
    page = PAGE.format(
        name=name,
        about=plan.sweep.about[:1].upper() + plan.sweep.about[1:].rstrip("."),
        base=plan.base.name,
        counts=", ".join(counts),
        seeds=f"{seeds} seed{'s' * (seeds != 1)}",
        csv=SWEEPS / f"{name}.csv",
        axis=plan.axes[0],
        results="\n\n".join(parts),
    )
    files.write_text(SWEEPS / f"{name}.md", page)
    return f"\n{result}\nPage: {SWEEPS / name}.md"


def best_table(plan: Plan, rung: Rung) -> str:
    """Return a table of the best combinations."""
    rows, lines = rung.by_combination(), []
    for i in rung.ranked()[:BEST]:
        seconds = [row.seconds for row in rows[i] if row.seconds is not None]
        score = plan.show([plan.objective(row) for row in rows[i]])
        lines.append([*cells(rung.combinations[i]).values(), score, f"{statistics.fmean(seconds or [0]):.1f}"])
    return table([*plan.axes, METRICS[plan.sweep.minimize], "seconds"], lines)


def correlation(lower: Rung, upper: Rung) -> str:
    """Return a sentence on how well a rung predicts the next one, for the combinations that both have."""
    means = lower.means()
    pairs = np.array(list(zip((means[i] for i in lower.ranked()), upper.means(), strict=False)))
    pairs = pairs[np.isfinite(pairs).all(axis=1)]
    rho = f"{rank_correlation(*pairs.T):.2f}" if len(pairs) > 2 else "unknown"
    return (
        f"Rank correlation (Spearman, 1904) of {lower.epochs} with {upper.epochs} epochs: {rho}, from {len(pairs)} "
        "combinations."
    )


def rank_correlation(a: np.ndarray, b: np.ndarray) -> float:
    """Return Spearman's rank correlation of two arrays; equal values share the mean of their ranks."""
    ranks: list[Any] = []
    for values in (a, b):
        _, place, counts = np.unique(values, return_inverse=True, return_counts=True)
        ranks.append((np.cumsum(counts) - (counts - 1) / 2)[place])
    return float("nan") if any(np.ptp(rank) == 0 for rank in ranks) else float(np.corrcoef(*ranks)[0, 1])


def experiment(plan: Plan, settings: dict[str, Any]) -> str:
    """Return the command that runs a trial as an experiment of DVC, whatever params.yaml says by then."""
    if plan.base.teachers:
        return f"The pipeline cannot run it: {plan.base.name} has teachers."
    sections = (f"-S '{name}={override(values)}'" for name, values in settings.items())
    return f"As an experiment of DVC:\n\n```\ndvc exp run {' '.join(sections)}\n```"


def override(value: Any) -> str:
    """Return a value as `dvc exp run -S` takes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{override(each)}" for key, each in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value).replace(" ", "")


@style.styled
def picture(plan: Plan, rung: Rung) -> Figure:
    """What is minimized, over each axis that has several values, and against seconds."""
    columns = {axis: [each[axis] for each in rung.combinations] for axis in plan.sweep.axes}
    columns = {axis: values for axis, values in columns.items() if len(set(map(str, values))) > 1}
    rows, percent = rung.by_combination(), 100 if plan.sweep.minimize == "validation_error" else 1
    columns["seconds"] = [statistics.fmean(row.seconds or 0 for row in of_one) for of_one in rows]
    scores = percent * np.array([[plan.objective(row) for row in of_one] for of_one in rows])
    scores[~np.isfinite(scores)] = np.nan  # failed: not drawn
    means, best = scores.mean(axis=1), rung.ranked()[0]
    spread = scores.std(axis=1, ddof=1) if plan.sweep.seeds > 1 else None
    down = -(-len(columns) // ACROSS)
    figure = Figure(figsize=(3.2 * min(ACROSS, len(columns)), 2.9 * down))
    panels = figure.subplots(down, min(ACROSS, len(columns)), sharey=True, squeeze=False).flat
    for panel, (name, values) in zip(panels, columns.items(), strict=False):
        numbers = all(type(value) in (int, float) for value in values)
        x = values if numbers else list(map(str, values))
        panel.errorbar(x, means, spread, fmt="o", color=style.BLUE, markersize=4, elinewidth=0.8, alpha=0.75)
        panel.plot(x[best], means[best], "o", color=style.RED, markersize=6)
        panel.set(xlabel=name, xscale="log" if "log_uniform" in plan.sweep.axes.get(name, ()) else panel.get_xscale())
        panel.grid(axis="y", color=style.GRAY, alpha=0.25, linewidth=0.6)
    for panel in list(panels)[len(columns) :]:
        panel.remove()
    figure.suptitle(f"{plan.name}: {METRICS[plan.sweep.minimize]}, mean ± sd; the best in orange", x=0.01, ha="left")
    return figure
