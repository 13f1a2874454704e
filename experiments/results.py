"""The results of the trials: of recipes, a row per trial in results.csv and a model file per trial in models/; of a
sweep, a row per trial in sweeps/NAME.csv.

A trial is finished when one of these files has a row with its key; delete the row to run the trial again.
"""

from collections.abc import Iterable
from dataclasses import dataclass, fields, replace
from pathlib import Path

from experiments.recipes import Trial, digest
from experiments.trial import Result
from stages.pipeline import files

RESULTS = Path("experiments/results.csv")
SWEEPS = Path("experiments/sweeps")
LOST = "lost: "  # before the problem of a trial that may go well the next time
MODELS = Path("experiments/models")
CODE = (  # all that can change a result
    "stages/nn",
    "stages/dataset",
    "stages/report/metrics.py",
    "stages/preprocess.py",
    "stages/train.py",
    "experiments/trial.py",
)
SCORES = ("validation_accuracy", "validation_loss", "test_accuracy", "tta_accuracy", "seconds")


@dataclass(frozen=True)
class Row:
    """A line of results.csv, or of the file of a sweep. Numbers are None where there are none."""

    recipe: str  # or sweep
    seed: int
    validation_accuracy: float | None  # None without validation images
    validation_loss: float | None
    test_accuracy: float | None  # None for an ablation and in a sweep
    tta_accuracy: float | None
    seconds: float | None
    code: str  # digest of the code that gave the result
    model: str  # the first digits of the SHA-256 of the model file; empty where it is unknown
    key: str  # of the trial
    worker: str = ""  # in a sweep: the name of the worker that ran it
    problem: str = ""  # in a sweep: why it has failed, in one line

    def answers(self, trial: Trial) -> bool:
        """Say whether this is the result of the trial, whatever its recipe was called."""
        return self.key == trial.key and (self.test_accuracy is not None or not trial.tested)


OF_SWEEPS, OF_RECIPES = ("worker", "problem"), ("recipe", "test_accuracy", "tta_accuracy")
COLUMNS, SWEEP_COLUMNS = (
    [field.name for field in fields(Row) if field.name not in others] for others in (OF_SWEEPS, OF_RECIPES)
)


def read(path: Path = RESULTS) -> list[Row]:
    """Return the rows of results.csv, or of the file of a sweep; none if there is no such file."""
    if not path.exists() or len(path.read_bytes().splitlines()) <= 1:  # its rows may have been deleted
        return []
    with files.explained(path):
        columns = COLUMNS if path == RESULTS else SWEEP_COLUMNS
        numbers = ["seed", *(name for name in SCORES if name in columns)]
        return [parse(row, path.stem) for row in files.read_rows(path, columns, numbers)]


def parse(row: dict[str, str], sweep: str) -> Row:
    """Return a row with its numbers."""
    scores = (float(row[name]) if row.get(name) else None for name in SCORES)
    texts = (row.get(name, "") for name in ("code", "model", "key", "worker", "problem"))
    return Row(row.get("recipe", sweep), int(row["seed"]), *scores, *texts)


def write(rows: Iterable[Row]) -> None:
    """Write results.csv."""
    files.write_rows(RESULTS, ({name: getattr(row, name) for name in COLUMNS} for row in rows))


def finished() -> dict[str, Row]:
    """Return the rows of all recipes and sweeps that say what a trial gives, by its key."""
    rows = [row for path in sorted(SWEEPS.glob("*.csv")) for row in read(path)]
    return {row.key: row for row in [*read(), *rows] if not row.problem.startswith(LOST)}


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


def row_of(trial: Trial, result: Result, code: str, model: str, worker: str = "") -> Row:
    """Return the row of a trial; `code` is the digest of the code that it ran, `model` the SHA-256 of its model."""
    scores = (getattr(result, name) for name in SCORES[:-1])
    return Row(trial.recipe, trial.seed, *scores, round(result.seconds, 2), code, model[:16], trial.key, worker)


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
