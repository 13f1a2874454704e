"""Run a sweep: the trials of experiments/sweeps/NAME.yaml that have not been run yet.

    python -m experiments.sweeps.sweep NAME

Appends a row per trial to experiments/sweeps/NAME.csv, and at the end sorts it and writes a page with a figure, NAME.md
and NAME.png. An interrupted sweep loses the trials that were running, and the same command does the rest.
"""

import json
import math
import statistics
import sys
from collections.abc import Sequence
from dataclasses import asdict, replace
from itertools import chain, pairwise
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator, NullLocator
from scipy import stats

from experiments.command import command
from experiments.pages import table as markdown
from experiments.recipes.tables import gap_to
from experiments.sweeps.plan import Candidate, Plan, load, names, ranked
from experiments.table import SWEEPS, Table
from stages.pipeline import files
from stages.report import style

BEST = 10  # combinations in the table
ACROSS = 4  # panels in a row of the figure
MANY = 1000  # combinations; above, the figure shows their density
METRICS = {"validation_error": "validation error, %", "validation_loss": "validation loss, nats"}
PAGE = """# Sweep: {name}

Made by `make sweep SWEEP={name}`; do not edit. {about}. The recipe is *{base}*, as in [{name}.json]({name}.json).
Combinations: {counts}; {seeds} each. Mean ± standard deviation over the seeds. The test images were not used.
All trials: [{name}.csv]({name}.csv), drawn by `dvc plots show {csv} -x {axis} -y validation_accuracy`.

{results}
"""


def main() -> None:
    """Run the sweep that the command line names."""
    with command():
        if len(sys.argv) != 2:
            raise ValueError(f"name one sweep: make sweep SWEEP=NAME; there are {', '.join(names()) or 'none'}")
        run(load(sys.argv[1]))


def run(plan: Plan) -> None:
    """Run the trials of a plan that have no row yet; write the table, then the page, and show the best combinations.

    Raises ChildProcessError when trials were lost, so the best combination is unknown, and when all failed.
    """
    if plan.is_old:
        name = plan.base.name
        print(f"{name} as it was when the sweep began, in {plan.record}; today's {name} is different")
    files.write_json(plan.record, asdict(plan.base))
    table, rungs = Table(SWEEPS / f"{plan.name}.csv", plan.axes), list[list[Candidate]]()
    trials, seeds = plan.trials, plan.sweep.seeds
    (base,) = plan.rung([replace(plan.base, name=plan.name, tested=False)], plan.rungs[-1])
    for epochs in plan.rungs:
        rung = plan.rung(trials, epochs)
        of_rung = f" for {epochs} epochs" if epochs else ""
        print(f"sweep {plan.name}{of_rung}: {len(rung)} combinations x {seeds} seed{'s' * (seeds != 1)}")
        wanted = [trial for candidate in rung for trial in candidate.trials]
        table.listed += wanted
        table.run([*wanted, *base.trials])
        for candidate in [*rung, base]:
            candidate.rows = [table.known[trial.key] for trial in candidate.trials]
        rungs.append(rung)
        trials = [candidate.trials[0] for candidate in plan.best(rung)]
    print(write_page(plan, rungs, base))
    if not math.isfinite(ranked(rung)[0].mean):
        raise ChildProcessError("every combination failed")


def write_page(plan: Plan, rungs: Sequence[Sequence[Candidate]], base: Candidate) -> str:
    """Write page and figure of a complete sweep; return what a terminal should show of it."""
    name, seeds, best = plan.name, plan.sweep.seeds, ranked(rungs[-1])
    lines = []
    for candidate in best[:BEST]:
        lines.append([*candidate.trials[0].cells.values(), candidate, f"{candidate.values['seconds']:.1f}"])
    written = markdown([*plan.axes, METRICS[plan.sweep.minimize], "seconds"], lines)
    its, base_scores = (dict(enumerate(each.scores)) for each in (best[0], base))
    gap = gap_to(base_scores, its, 1) if math.isfinite(base.mean + best[0].mean) else ""
    compared = f"The base, {plan.base.name}: {base}." + f" The best minus the base, seed by seed: {gap}." * bool(gap)
    result = f"{written}\n{compared}\n\n{experiment(best[0].trials[0].settings)}\n"
    parts = [result, *(correlation(lower, upper) for lower, upper in pairwise(rungs))]
    parts.append(f"With seed 0, the SHA-256 of its weights and biases starts with `{best[0].rows[0].model}`.")
    if failed := sum(bool(row.problem) for rung in rungs for candidate in rung for row in candidate.rows):
        parts.append(f"{failed} trials failed; the column `problem` of the table says why.")
    if len(rungs[0]) > 1:
        style.save(picture(plan, rungs), SWEEPS / f"{name}.png", 110)
        parts.append(f"![Sweep {name}]({name}.png)")
    counts = zip(rungs, plan.rungs, strict=True)
    page = PAGE.format(
        name=name,
        about=plan.sweep.about[:1].upper() + plan.sweep.about[1:].rstrip("."),
        base=plan.base.name,
        counts=", ".join(f"{len(rung)}" + f" for {epochs} epochs" * bool(epochs) for rung, epochs in counts),
        seeds=f"{seeds} seed{'s' * (seeds != 1)}",
        csv=SWEEPS / f"{name}.csv",
        axis=plan.axes[0],
        results="\n\n".join(parts),
    )
    files.write_text(SWEEPS / f"{name}.md", page)
    return f"\n{result}\nPage: {SWEEPS / name}.md"


def correlation(lower: Sequence[Candidate], upper: Sequence[Candidate]) -> str:
    """Return a sentence on how well a rung predicts the next one, for the combinations that both have."""
    means = zip(ranked(lower), upper, strict=False)  # the next rung has the best ones, in this order
    pairs = np.array([pair for a, b in means if np.isfinite(pair := (a.mean, b.mean)).all()])
    known = len(pairs) > 2 and np.ptp(pairs, axis=0).all()
    rho = f"{stats.spearmanr(*pairs.T).statistic:.2f}" if known else "unknown"
    epochs = " with ".join(str(rung[0].trials[0].settings["train"]["epochs"]) for rung in (lower, upper))
    return f"Rank correlation (Spearman, 1904) of {epochs} epochs: {rho}, from {len(pairs)} combinations."


def experiment(settings: dict[str, Any]) -> str:
    """Return the command that runs a trial as an experiment of DVC, whatever params.yaml says by then."""
    sections = (f"-S '{name}={override(values)}'" for name, values in settings.items())
    return f"As an experiment of DVC:\n\n```\ndvc exp run {' '.join(sections)}\n```"


def override(value: Any) -> str:
    """Return a value as `dvc exp run -S` takes it."""
    if isinstance(value, dict):
        return "{" + ",".join(f"{key}:{override(each)}" for key, each in value.items()) + "}"
    return value if isinstance(value, str) else json.dumps(value).replace(" ", "")


@style.styled
def picture(plan: Plan, rungs: Sequence[Sequence[Candidate]]) -> Figure:
    """What is minimized, over each axis that has several values, and against seconds; failed ones are not drawn."""
    names = [name for name in rungs[0][0].values if len({str(each.values[name]) for each in rungs[0]}) > 1]
    rungs = [[candidate for candidate in rung if math.isfinite(candidate.mean)] for rung in rungs]
    colors = [(style.GRAY, "Greys")] * (len(rungs) - 1) + [(style.BLUE, "Blues")]
    down, across = -(-len(names) // ACROSS), min(ACROSS, len(names))
    figure = Figure(figsize=(3.2 * across, 2.9 * down))
    panels = [*figure.subplots(down, across, sharey=True, squeeze=False).flat]
    for panel, name in zip(panels, names, strict=False):
        scale = "log" if "log_uniform" in plan.sweep.axes.get(name, ()) else "linear"
        values = [[candidate.values[name] for candidate in rung] for rung in rungs]
        if any(type(value) not in (int, float) for value in chain(*values)):
            labels = list(dict.fromkeys(map(str, chain(*values))))
            values = [[labels.index(str(value)) for value in of_rung] for of_rung in values]
            panel.set_xticks(range(len(labels)), labels, rotation=90 * (len("".join(labels)) > 28))  # do not fit else
        for x, rung, (color, shades) in zip(values, rungs, colors, strict=True):
            y = [candidate.mean for candidate in rung]
            if len(rung) > MANY:
                panel.hexbin(x, y, gridsize=40, xscale=scale, cmap=shades, bins="log", mincnt=1)
            else:
                spread = [statistics.stdev(candidate.scores) for candidate in rung] if plan.sweep.seeds > 1 else None
                panel.errorbar(x, y, spread, fmt="o", color=color, markersize=4, elinewidth=0.8, alpha=0.75)
        if y:
            panel.plot(x[y.index(min(y))], min(y), "o", color=style.RED, markersize=6, zorder=5)
        panel.set(xlabel=name, xscale=scale)
        if scale == "log":
            panel.xaxis.set(major_locator=LogLocator(subs=(1, 3)), major_formatter="{x:g}", minor_locator=NullLocator())
        panel.grid(axis="y", color=style.GRAY, alpha=0.25, linewidth=0.6)
    for panel in panels[len(names) :]:
        panel.remove()
    title = f"{plan.name}: {METRICS[plan.sweep.minimize]}, mean ± sd; the best in orange, earlier rungs in gray"
    figure.suptitle(title, x=0.01, ha="left")
    return figure


if __name__ == "__main__":
    main()
