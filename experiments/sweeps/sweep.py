"""Run a sweep: the trials of experiments/sweeps/NAME.yaml that have not been run yet.

    python -m experiments.sweeps.sweep NAME

Appends a row per trial to experiments/sweeps/NAME.csv, and at the end sorts it and writes a page with a figure, NAME.md
and NAME.png. An interrupted sweep loses the trials that were running, and the same command does the rest.
"""

import math
import sys
from dataclasses import asdict

from experiments.command import command
from experiments.sweeps import summary
from experiments.sweeps.plan import Candidate, Plan, load, names, ranked
from experiments.table import SWEEPS, Table
from stages.pipeline import files


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
        base = plan.base.name
        print(f"{base} as it was when the sweep began, in {plan.record}; today's {base} is different")
    files.write_json(plan.record, asdict(plan.base))
    table, rungs = Table(SWEEPS / f"{plan.name}.csv", plan.axes), list[list[Candidate]]()
    trials, seeds = plan.trials, plan.sweep.seeds
    for epochs in plan.rungs:
        rung = plan.rung(trials, epochs)
        of_rung = f" for {epochs} epochs" if epochs else ""
        print(f"sweep {plan.name}{of_rung}: {len(rung)} combinations x {seeds} seed{'s' * (seeds != 1)}")
        wanted = [trial for candidate in rung for trial in candidate.trials]
        table.listed += wanted
        table.run(wanted)
        for candidate in rung:
            candidate.rows = [table.known[trial.key] for trial in candidate.trials]
        rungs.append(rung)
        trials = [candidate.trials[0] for candidate in plan.best(rung)]
    print(summary.write(plan, rungs))
    if not math.isfinite(ranked(rung)[0].mean):
        raise ChildProcessError("every combination failed")


if __name__ == "__main__":
    main()
