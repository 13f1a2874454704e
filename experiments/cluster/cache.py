"""Prepared arrays, once per variant of the sections `fetch` and `preprocess`: experiments/cache/DIGEST/*.npy.

Each machine prepares its own. The cache may be deleted at any time.
"""

import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable
from contextlib import suppress
from math import prod
from pathlib import Path

import numpy as np

from experiments.trial import Trial, digest
from stages.dataset.records import TestInputs, TrainingInputs
from stages.pipeline import files

CACHE = Path("experiments/cache")
CODE = ("stages/dataset", "stages/preprocess.py")
MADE = {"data", "raw", "processed", "params.yaml"}  # what is written here, and its parent

Arrays = tuple[TrainingInputs, dict[str, tuple[np.ndarray, np.ndarray]]]  # images (N, D), targets (N, K) by split


def prepare(trial: Trial) -> Arrays:
    """Return the arrays of a trial, memory-mapped. They are made if they are missing, made again if damaged."""
    import fcntl  # not on Windows, where this module is imported, but no cluster is started

    directory = CACHE / digest([trial.data, trial.settings["preprocess"], code_digest(CODE)])
    with suppress(FileNotFoundError, ValueError):
        return read(directory, trial.tested)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process at a time; the others find what it has made
        with suppress(FileNotFoundError, ValueError):
            return read(directory, trial.tested)
        make(directory, trial)
    return read(directory, trial.tested)


def read(directory: Path, tested: bool) -> Arrays:
    """Return the arrays in a directory, the test images only if asked; ValueError when a digest differs."""
    inputs: TrainingInputs = files.read_json(directory / "inputs.json", TrainingInputs)
    sha256 = inputs.sha256
    if tested:
        sha256 = sha256 | files.read_json(directory / "test.json", TestInputs).sha256
    widths = {"images": prod(inputs.image_shape), "targets": len(inputs.classes)}

    def array(name: str, part: str) -> np.ndarray:
        file = f"{name}_{part}.npy"
        return files.read_array(directory / file, (None, widths[part]), sha256[file])

    names = ("train", "validation", "test")[: 2 + tested]
    return inputs, {name: (array(name, "images"), array(name, "targets")) for name in names}


def make(directory: Path, trial: Trial) -> None:
    """Run the stages that prepare the arrays in a temporary copy of the project; rename what they made at the end.

    Raises OSError when the data cannot be had, ValueError when it cannot be prepared.
    """
    for path in [directory, *CACHE.glob("tmp*")]:  # damaged; left by a run that was killed
        shutil.rmtree(path, ignore_errors=True)
    Path("data/downloads").mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(dir=CACHE) as name:
        copy = Path(name)
        (copy / "data").mkdir()
        for path in [*Path().iterdir(), *Path("data").iterdir()]:  # a source may be any directory of the project
            if path.name not in MADE:
                (copy / path).symlink_to(path.absolute())
        (copy / "params.yaml").write_text(json.dumps(trial.settings))
        for stage, error in {"fetch": OSError, "preprocess": ValueError}.items():
            command = [sys.executable, "-m", f"stages.{stage}"]
            done = subprocess.run(command, cwd=copy, capture_output=True, text=True, check=False)
            if done.returncode:
                raise error(done.stderr.strip())
        (copy / "data/processed").rename(directory)


def code_digest(places: Iterable[str]) -> str:
    """Return a digest of the source files in these places, each a file or a directory."""
    paths = [path for place in map(Path, places) for path in ([place] if place.suffix else place.rglob("*.py"))]
    return digest([[path.as_posix(), files.digest(path)] for path in sorted(paths)])[:8]
