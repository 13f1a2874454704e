"""Prepared arrays, once per variant of the sections `fetch` and `preprocess`: experiments/cache/DIGEST/*.npy.

The cache may be deleted at any time.
"""

import shutil
import tempfile
from contextlib import chdir
from pathlib import Path

from experiments.recipes import Trial, digest
from experiments.results import code_digest
from experiments.trial import Prepared
from stages.dataset.records import TrainingInputs
from stages.fetch import fetch
from stages.pipeline import files
from stages.preprocess import preprocess

CACHE = Path("experiments/cache")
CODE = ("stages/dataset", "stages/preprocess.py")
MADE = {"data", "raw", "processed"}  # what the stages write, and its parent


def directory_of(trial: Trial) -> Path:
    """Return the place of the arrays that the trial learns from and is scored on."""
    return CACHE / digest([trial.data, trial.settings["preprocess"], code_digest(CODE)])


def prepare(directory: Path, trial: Trial) -> Prepared:
    """Return the arrays of the trial, made now if they are not there."""
    if not directory.exists():
        make(directory, trial)
    return Prepared(directory, files.read_json(directory / "inputs.json", TrainingInputs))


def make(directory: Path, trial: Trial) -> None:
    """Run the stages that prepare the arrays in a temporary copy of the project; rename what they made at the end."""
    CACHE.mkdir(parents=True, exist_ok=True)
    Path("data/downloads").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        copy = Path(name)
        (copy / "data").mkdir()
        for path in [*Path().iterdir(), *Path("data").iterdir()]:  # a source may be any directory of the project
            if path.name not in MADE:
                (copy / path).symlink_to(path.absolute())
        with chdir(copy):
            fetch(**trial.settings["fetch"])
            preprocess(**trial.settings["preprocess"])
        (copy / "data/processed").rename(directory)


def remove_unfinished() -> None:
    """Remove what a run that was killed left in the cache; only when no other is at work."""
    for path in CACHE.glob("tmp*"):
        shutil.rmtree(path)
