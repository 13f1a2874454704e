"""Run the trials that experiments/results.csv lacks, one per processor core, or on a cluster.

    python -m experiments.run                 those of all recipes and ablations
    python -m experiments.run quick default   those of these

Each finished trial is written at once: an interrupted run loses the trials that were running, and the next one does the
rest. A student waits for its teacher, which is trained again where its model file is missing. With the address of a
Dask scheduler in the environment variable SCHEDULER, the trials run on its workers.
"""

import sys
from collections import Counter
from dataclasses import replace

from tqdm import tqdm

from experiments import engine, recipes, remote, results
from experiments.command import NAME, command
from experiments.engine import Failure
from experiments.recipes import Trial
from experiments.remote import Done
from experiments.results import Row
from experiments.work import Work
from stages.pipeline import files


def main() -> None:
    """Run what the command line asks for."""
    with command():
        known, trials = recipes.load()
        names = recipes.select(sys.argv[1:], known)
        missing = results.missing(trials, results.read())
        run(trials, [trial for trial in missing if trial.recipe in names])


def run(trials: list[Trial], wanted: list[Trial]) -> None:
    """Run the `wanted` ones of all trials, and the teachers whose models they lack, and write results.csv.

    An ablation that a sweep has run is not run again. Raises ChildProcessError at the end if some of the trials failed;
    the others are finished then.
    """
    table = Table(trials)
    needed = required(trials, wanted)
    known = results.finished()
    for key, trial in list(needed.items()):
        row = known.get(key)
        if row and row.answers(trial) and not row.problem and not trial.tested:
            table.add([replace(row, recipe=trial.recipe, seed=trial.seed)])
            del needed[key]
    counts = Counter(trial.recipe for trial in needed.values())
    print(f"trials to run: {', '.join(f'{name} {n}' for name, n in counts.items()) or 'none'}", flush=True)
    if not needed:
        return
    failed = 0
    with tqdm(total=len(needed), unit="trial", disable=None) as bar, engine.cluster() as client:
        for outcomes in Work(client, needed.values(), keep_models=True):
            table.add([finish(trial, outcome) for trial, outcome in outcomes if isinstance(outcome, Done)])
            failures = [(trial, outcome.problem) for trial, outcome in outcomes if isinstance(outcome, Failure)]
            report(failures)
            failed += len(failures)
            bar.update(len(outcomes))
    if failed:
        raise ChildProcessError(f"{failed} of {len(needed)} trials failed; the same command runs them again")


def required(trials: list[Trial], wanted: list[Trial]) -> dict[str, Trial]:
    """Return the trials to run, by key: the wanted ones, and the teachers whose models are missing."""
    keys = {trial.key for trial in wanted}
    keys |= {t.teacher.key for t in wanted if t.teacher and not results.model_path(t.teacher).exists()}
    needed: dict[str, Trial] = {}
    for trial in trials:
        if trial.key in keys and (trial.tested or trial.key not in needed):  # one that is tested answers for both
            needed[trial.key] = trial
    return needed


def report(failures: list[tuple[Trial, str]]) -> None:
    """Say on standard error why trials have failed, a line per reason."""
    for problem in dict.fromkeys(problem for _, problem in failures):
        trials = [trial for trial, why in failures if why == problem]
        which = trials[0] if len(trials) == 1 else ", ".join(dict.fromkeys(trial.recipe for trial in trials))
        tqdm.write(f"{NAME}: {which}: {problem}", file=sys.stderr)


def finish(trial: Trial, done: Done) -> Row:
    """Write the model file of a trial, show its result, return its row."""
    files.write_arrays(results.model_path(trial), done.result.model)
    row = results.row_of(trial, done.result, remote.IDENTITY.code, done.sha256)
    scores = {"validation": row.validation_accuracy, "test": row.test_accuracy}
    shown = [f"{name} {100 * accuracy:.2f} %" for name, accuracy in scores.items() if accuracy is not None]
    tqdm.write(f"{trial}: {', '.join(shown)}, {row.seconds:.1f} s")
    return row


class Table:
    """results.csv, in the order of the trials."""

    def __init__(self, trials: list[Trial]) -> None:
        self.trials, self.rows = trials, results.read()

    def add(self, rows: list[Row]) -> None:
        """Write these rows in the place of older ones, if there are any that say something else."""
        before = self.rows
        for row in rows:
            old = next((old for old in self.rows if (old.recipe, old.seed) == (row.recipe, row.seed)), None)
            if old is None or old != replace(row, seconds=old.seconds):  # else it was trained again for its model alone
                self.rows = [*(other for other in self.rows if other is not old), row]
        if self.rows is not before:
            self.rows = results.arrange(self.rows, self.trials)
            results.write(self.rows)


if __name__ == "__main__":
    main()
