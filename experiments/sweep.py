"""Run a sweep: the trials of experiments/sweeps/NAME.yaml that have not been run yet.

    python -m experiments.sweep NAME

Writes a row per trial to experiments/sweeps/NAME.csv, at once, and at the end a page with a figure, NAME.md and
NAME.png. One worker per processor core, or with the address of a Dask scheduler in the environment variable SCHEDULER,
its workers. An interrupted sweep loses the trials that were running, and the same command does the rest.
"""

import statistics
import sys
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from typing import Any

from distributed import Client
from tqdm import tqdm

from experiments import engine, remote, results, sweep_report
from experiments.command import command
from experiments.engine import Failure
from experiments.plan import Combination, Plan, Rung, load, names
from experiments.recipes import Trial
from experiments.remote import Done
from experiments.results import LOST, Row
from experiments.run import report
from experiments.work import Work
from stages.pipeline import files


def main() -> None:
    """Run the sweep that the command line names."""
    with command():
        if len(sys.argv) != 2:
            raise ValueError(f"name one sweep: make sweep SWEEP=NAME; there are {', '.join(names()) or 'none'}")
        run(load(sys.argv[1]))


def run(plan: Plan) -> None:
    """Run the trials of a plan that have no row yet; write the table, then the page, and show the best combinations.

    Raises ChildProcessError when trials were lost, for then nobody knows which combination is best.
    """
    table, combinations = Table(plan), plan.combinations
    print(announcement(plan, table.known), flush=True)
    with ExitStack() as stack:
        bar = stack.enter_context(tqdm(total=sum(plan.counts()) * plan.sweep.seeds, unit="trial", disable=None))
        client = None
        for epochs in plan.rungs:
            rung = table.begin(combinations, epochs)
            bar.update(len(rung.rows))
            missing = rung.missing()
            if missing:
                client = client or stack.enter_context(engine.cluster())
                run_trials(client, missing, table, bar)
            table.write()
            if lost := len(rung.missing()):
                raise ChildProcessError(
                    f"{lost} of {len(rung.trials)} trials were lost, so nobody knows the best combination; the same "
                    "command runs them again"
                )
            combinations = [combinations[i] for i in rung.ranked()[: plan.kept(len(combinations))]]
    print(sweep_report.write(plan, table.rungs))


def run_trials(client: Client, trials: list[Trial], table: "Table", bar: "tqdm[Any]") -> None:
    """Run trials on a cluster; write their rows as they come."""
    tqdm.write(engine.describe(client))
    rung, failed = table.rungs[-1], 0
    work = Work(client, trials, keep_models=False)
    for outcomes in work:
        for trial, outcome in outcomes:
            rung.add(row_of(trial, outcome))
        table.write()
        failures = [(trial, outcome.problem) for trial, outcome in outcomes if isinstance(outcome, Failure)]
        report(failures)
        failed += len(failures)
        bar.update(len(outcomes))
        bar.set_postfix(
            running=min(len(work.engine.jobs), engine.threads(client)), failed=failed, best=rung.best_so_far()
        )


def row_of(trial: Trial, outcome: Done | Failure) -> Row:
    """Return the row of a trial, whatever became of it."""
    code = remote.IDENTITY.code
    if isinstance(outcome, Done):
        return results.row_of(trial, outcome.result, code, outcome.sha256, outcome.worker)
    problem = LOST + outcome.problem if outcome.lost else outcome.problem
    return Row(trial.recipe, trial.seed, *[None] * len(results.SCORES), code, "", trial.key, problem=problem)


def announcement(plan: Plan, known: Mapping[str, Row]) -> str:
    """Return how many trials there are, how many are finished, and about how long the others take."""
    counts, seeds, base = plan.counts(), plan.sweep.seeds, plan.sweep.base
    combinations = f"{counts[0]} combinations"
    if plan.sweep.halving:
        each = ", ".join(f"{count} with {epochs} epochs" for count, epochs in zip(counts, plan.rungs, strict=True))
        combinations = f"combinations: {each};"
    finished, epochs, chosen = 0, 0, plan.combinations
    for count, rung_epochs in zip(counts, plan.rungs, strict=True):
        rung = Rung(plan, chosen[:count], rung_epochs, known)  # which ones does not matter for the time
        finished += len(rung.rows)
        epochs += sum(trial.settings["train"]["epochs"] for trial in rung.missing())
        if not rung.missing():
            chosen = [rung.combinations[i] for i in rung.ranked()]
    total = f"{sum(counts) * seeds} trials ({combinations} x {seeds} seed{'s' * (seeds != 1)})"
    line = f"sweep {plan.name}: {total}, {finished} finished before"
    seconds = [row.seconds for row in results.read() if row.recipe == base and row.seconds]
    if not epochs:
        return line
    if not seconds:
        return f"{line}; how long the others take is not known, because recipe {base} has not been run"
    estimate = statistics.median(seconds) * epochs / plan.base.settings["train"]["epochs"]
    return f"{line}; the others take one core about {duration(estimate)}, if an epoch takes as long as one of {base}"


def duration(seconds: float) -> str:
    """Return a time as a person says it."""
    if seconds < 90:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"


class Table:
    """The file of a sweep: a row per trial, with a column per axis, in the order of the sweep."""

    def __init__(self, plan: Plan) -> None:
        self.plan, self.path, self.known = plan, results.SWEEPS / f"{plan.name}.csv", results.finished()
        self.before = files.read_rows(self.path) if results.read(self.path) else []
        self.rungs: list[Rung] = []

    def begin(self, combinations: Sequence[Combination], epochs: int | None) -> Rung:
        """Start the next rung, with the rows that are known."""
        self.rungs.append(Rung(self.plan, combinations, epochs, self.known))
        return self.rungs[-1]

    def write(self) -> None:
        """Write the rows of all rungs; then those that the file had, and that are not of this plan or not yet."""
        lines = [line for rung in self.rungs for line in rung.lines()]
        written = {line["key"] for line in lines}
        others = [line for line in self.before if line["key"] not in written]
        if lines or others:
            columns = dict.fromkeys([*self.plan.columns, *(name for line in others for name in line)])
            files.write_rows(self.path, ({name: line.get(name, "") for name in columns} for line in [*lines, *others]))


if __name__ == "__main__":
    main()
