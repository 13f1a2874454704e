"""Tables of finished trials: recipes/results.csv, and sweeps/NAME.csv with a column for each axis.

A trial is finished when a table has a row with its key. Delete the row to run the trial again.
"""

import csv
import sys
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any, TextIO

from tqdm import tqdm

from experiments.cluster import connect, dispatch
from experiments.trial import Row, Trial
from stages.pipeline import files

RESULTS = Path("experiments/recipes/results.csv")
SWEEPS = Path("experiments/sweeps")
COLUMNS = [field.name for field in fields(Row)]
SCORES = ("validation_accuracy", "validation_loss", "test_accuracy", "tta_accuracy")
NUMBERS = (*SCORES, "seconds")

Line = Mapping[str, Any]  # the cells of a row and of the axes


def read_lines(path: Path) -> list[dict[str, str]]:
    """Return the lines of a table; none if it does not exist. A half-written last line is removed first."""
    data = path.read_bytes() if path.exists() else b""
    if data and not data.endswith(b"\n"):
        data = data[: data.rfind(b"\n") + 1]
        path.write_bytes(data)
    return files.read_rows(path, COLUMNS, NUMBERS) if data.count(b"\n") > 1 else []


def parse(line: Line) -> Row:
    """Return the row of a line."""
    numbers = {name: float(line[name]) if line[name] else None for name in NUMBERS}
    return Row(**{name: line[name] for name in COLUMNS} | numbers | {"seed": int(line["seed"])})


def finished() -> dict[str, Row]:
    """Return the rows of all tables by key; those with test scores first. ValueError when two of one trial differ."""
    found: dict[str, Row] = {}
    for path in (RESULTS, *sorted(SWEEPS.glob("*.csv"))):
        for row in map(parse, read_lines(path)):
            if not row.is_stale:
                check_same(found.setdefault(row.key, row), row)
                found[row.key] = row if row.test_accuracy is not None else found[row.key]
    return found


def check_same(one: Row, other: Row) -> None:
    """Raise ValueError unless two rows of one trial agree in all that both have."""
    pairs = [(name, getattr(one, name), getattr(other, name)) for name in (*SCORES, "model")]
    if differ := [name for name, a, b in pairs if a != b and "" not in (a, b) and None not in (a, b)]:
        raise ValueError(
            f"two results of a trial differ in {', '.join(differ)}: {one.recipe} and {other.recipe}, seed {one.seed}, "
            f"key {one.key}; exact arithmetic gives one result, so delete both rows and run the trial again"
        )


class Table:
    """The table at `path`: rows are appended as they come, and sorted at the end."""

    def __init__(self, path: Path, axes: Iterable[str] = (), keep_models: bool = False) -> None:
        self.path, self.keep_models, self.known = path, keep_models, finished()
        lines = read_lines(path)
        self.others: list[Line] = [line for line in lines if not parse(line).is_stale]
        if stale := len(lines) - len(self.others):
            print(f"{path}: {stale} rows are stale: today's code computes something else", file=sys.stderr)
        had = (name for line in self.others for name in line if name not in COLUMNS)
        self.axes = list(dict.fromkeys([*axes, *had]))
        self.listed: list[Trial] = []  # in the order of the table

    def run(self, trials: Sequence[Trial], models: Sequence[Trial] = ()) -> list[Row]:
        """Run the trials that have no row, and the `models` whose files are missing; return the rows.

        Raises ChildProcessError when trials were lost; the others are finished then.
        """
        lacking = [trial for trial in trials if not self.has(trial)]
        lacking += [each for each in models if not dispatch.has_model(each, self.known.get(each.key))]
        needed: dict[str, Trial] = {}
        for trial in lacking:
            if trial.tested or trial.key not in needed:  # one that is tested answers for both
                needed[trial.key] = trial
        self.write()
        done = len({trial.key for trial in trials if self.has(trial)})
        print(f"{len(needed)} trials to run, {done} done before", flush=True)
        if needed:
            self.follow(list(needed.values()))
            self.write()
        if lost := sum(not self.has(trial) for trial in trials):
            raise ChildProcessError(f"{lost} of {len(trials)} trials were lost; run the same command to try them again")
        return [self.known[trial.key] for trial in trials]

    def has(self, trial: Trial) -> bool:
        """Return True if a trial is finished."""
        return trial.key in self.known and self.known[trial.key].answers(trial)

    def follow(self, trials: Sequence[Trial]) -> None:
        """Run trials; append their rows and write their models as they come."""
        failed = 0
        with connect.cluster() as client, tqdm(total=len(trials), unit="trial", disable=None) as bar:
            for trial, row, model in dispatch.run_trials(client, trials, self.keep_models):
                if row.problem:
                    failed += 1
                    tqdm.write(f"{trial}: {row.problem}", file=sys.stderr)
                elif model:
                    files.write_arrays(dispatch.model_path(trial), model)
                check_same(self.known.get(row.key, row), row)
                if not self.has(trial) and not row.is_lost:  # else it was trained again for its model
                    self.known[row.key] = row
                    self.others.append(self.line(trial))
                    with self.path.open("a", encoding="utf-8", newline="") as file:
                        self.writer(file).writerow(files.cells(self.others[-1]))
                bar.update()
                bar.set_postfix(failed=failed)

    def line(self, trial: Trial) -> Line:
        """Return the line of a finished trial."""
        return asdict(self.known[trial.key]) | {"recipe": trial.name, **trial.cells}

    def writer(self, file: TextIO) -> "csv.DictWriter[str]":
        """Return what writes lines to a file."""
        return csv.DictWriter(file, [*self.axes, *COLUMNS], restval="", lineterminator="\n")

    def write(self) -> None:
        """Write the lines of the listed trials in their order, then all others that are not stale."""
        lines = [self.line(trial) for trial in self.listed if self.has(trial)]
        keys = {line["key"] for line in lines}
        lines += [line for line in self.others if line["key"] not in keys]
        with files.atomic_write(self.path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
            self.writer(file).writeheader()
            self.writer(file).writerows(map(files.cells, lines))
