"""The results of the trials: a row per trial in results.csv, a model file per trial in models/.

A trial is finished when results.csv has a row with its key; delete the row to run the trial again.
"""

from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from experiments.recipes import Trial, digest
from experiments.trial import Result
from stages.pipeline import files

RESULTS = Path("experiments/results.csv")
MODELS = Path("experiments/models")
CODE = (  # all that can change a result
    "stages/nn",
    "stages/dataset",
    "stages/report/metrics.py",
    "stages/preprocess.py",
    "stages/train.py",
    "experiments/trial.py",
)
ACCURACIES = ("validation_accuracy", "test_accuracy", "tta_accuracy")


@dataclass(frozen=True)
class Row:
    """A line of results.csv."""

    recipe: str
    seed: int
    validation_accuracy: float | None  # None without validation images
    test_accuracy: float | None  # None for an ablation
    tta_accuracy: float | None
    seconds: float
    code: str  # digest of the code that gave the result
    model: str  # the first digits of the SHA-256 of the model file; empty where it is unknown
    key: str  # of the trial

    def answers(self, trial: Trial) -> bool:
        """Say whether this is the result of the trial, whatever its recipe was called."""
        return self.key == trial.key and (self.test_accuracy is not None or not trial.tested)


def read() -> list[Row]:
    """Return the rows of results.csv; none if there is no such file."""
    if not RESULTS.exists():
        return []
    with files.explained(RESULTS):
        columns = [field.name for field in fields(Row)]
        return [parse(row) for row in files.read_rows(RESULTS, columns, ("seed", "seconds", *ACCURACIES))]


def parse(row: dict[str, str]) -> Row:
    """Return a row of results.csv with its numbers."""
    validation, test, tta = (float(row[name]) if row[name] else None for name in ACCURACIES)
    name, seed, seconds = row["recipe"], int(row["seed"]), float(row["seconds"])
    return Row(name, seed, validation, test, tta, seconds, row["code"], row["model"], row["key"])


def write(rows: Iterable[Row]) -> None:
    """Write results.csv."""
    files.write_rows(RESULTS, map(asdict, rows))


def arrange(rows: list[Row], trials: list[Trial]) -> list[Row]:
    """Return the rows in the order of the trials: that of each trial, else one of older settings; the rest last.

    A trial whose recipe has another name by now takes its row along.
    """
    by_key = {row.key: row for row in sorted(rows, key=lambda row: row.test_accuracy is not None)}
    by_name = {(row.recipe, row.seed): row for row in rows}
    arranged = []
    for trial in trials:
        row = by_key.get(trial.key)
        if row and row.answers(trial):
            arranged.append(replace(row, recipe=trial.recipe, seed=trial.seed))
        elif older := by_name.get((trial.recipe, trial.seed)):
            arranged.append(older)
    placed = {row.key for row in arranged}
    return arranged + [row for row in rows if row.key not in placed]


def missing(trials: list[Trial], rows: list[Row]) -> list[Trial]:
    """Return the trials that have no row."""
    by_name = {(row.recipe, row.seed): row for row in arrange(rows, trials)}
    found = ((trial, by_name.get((trial.recipe, trial.seed))) for trial in trials)
    return [trial for trial, row in found if row is None or not row.answers(trial)]


def save(trial: Trial, result: Result, code: str) -> Row:
    """Write the trial's model file; return its row."""
    path = model_path(trial)
    files.write_arrays(path, result.model)
    accuracies = result.validation_accuracy, result.test_accuracy, result.tta_accuracy
    model = files.digest(path)[:16]
    return Row(trial.recipe, trial.seed, *accuracies, round(result.seconds, 2), code, model, trial.key)


def model_path(trial: Trial) -> Path:
    """Return the place of the trial's model file."""
    return MODELS / f"{trial.key}.npz"


def code_files(places: Iterable[str] = CODE) -> list[Path]:
    """Return the source files in these places, each a file or a directory."""
    found = [path for place in map(Path, places) for path in ([place] if place.suffix else place.rglob("*.py"))]
    return sorted(found)


def code_digest(places: Iterable[str] = CODE) -> str:
    """Return a digest of the source files in these places."""
    return digest([[path.as_posix(), files.digest(path)] for path in code_files(places)])[:8]
