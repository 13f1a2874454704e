"""Train and score a network: a function of a trial and its arrays alone, on any core of any machine.

The arrays are prepared once per variant of the sections `fetch` and `preprocess`: experiments/cache/DIGEST/*.npy. Each
machine prepares its own. The cache may be deleted at any time.
"""

import hashlib
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from math import prod
from pathlib import Path
from typing import Any

import numpy as np
from distributed import get_worker
from threadpoolctl import threadpool_limits

from experiments.trial import Row, Trial, code_digest, digest
from stages.dataset.augment import warp
from stages.dataset.records import TestInputs, TrainingInputs
from stages.learning.learn import Data, learn
from stages.learning.model import new_model
from stages.nn.losses import softmax
from stages.nn.network import Network
from stages.pipeline import files, stage
from stages.pipeline.checkpoint import Checkpoint
from stages.report import metrics

# A worker serves only programs with the same identity: all of our code and NumPy, as they were imported.
IDENTITY = f"code-{code_digest(('stages', 'experiments'))}-numpy-{np.__version__}"
CACHE = Path("experiments/cache")
CHECKPOINTS = CACHE / "checkpoints"
CODE = ("stages/dataset", "stages/preprocess.py")  # what the arrays depend on
MADE = {"data", "raw", "processed", "params.yaml"}  # what preparing them writes, and its parent
SHIFT = 0.5  # pixels, of test-time augmentation

Model = Mapping[str, Any]  # the arrays of a model file, by name
Arrays = tuple[TrainingInputs, dict[str, tuple[np.ndarray, np.ndarray]]]  # images (N, D), targets (N, K) by split


def execute(trial: Trial, keep_model: bool, identity: str) -> tuple[Row, Model]:
    """Run a trial on a worker; return its row and, if asked, the model. A killed run resumes from its checkpoint.

    A problem that any worker would have becomes a row; other errors are raised, and the trial can be retried.
    """
    if identity != IDENTITY:
        raise RuntimeError(f"worker {get_worker().address} has new code; restart it")
    checkpoint = Checkpoint(CHECKPOINTS / f"{trial.key}.npz", f"{trial.key} {IDENTITY}")
    try:
        row, model = train_and_score(trial, prepare(trial), keep_model, checkpoint)
    except (ValueError, FloatingPointError, MemoryError) as error:
        checkpoint.remove()
        return Row(trial.name, trial.seed, trial.key, problem=" ".join(stage.describe(error).splitlines())), {}
    return replace(row, worker=str(get_worker().name)), model


def prepare(trial: Trial) -> Arrays:
    """Return the arrays of a trial, memory-mapped. They are made if they are missing, made again if damaged."""
    import fcntl  # not on Windows, where this module is imported, but no cluster is started

    directory = CACHE / digest([trial.data, trial.settings["preprocess"], code_digest(CODE)])
    with suppress(FileNotFoundError, ValueError):
        return read_arrays(directory, trial.tested)
    CACHE.mkdir(parents=True, exist_ok=True)
    with (CACHE / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one process at a time; the others find what it has made
        with suppress(FileNotFoundError, ValueError):
            return read_arrays(directory, trial.tested)
        make_arrays(directory, trial)
    return read_arrays(directory, trial.tested)


def read_arrays(directory: Path, tested: bool) -> Arrays:
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


def make_arrays(directory: Path, trial: Trial) -> None:
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


def train_and_score(
    trial: Trial, arrays: Arrays, keep_model: bool = True, checkpoint: Checkpoint | None = None
) -> tuple[Row, Model]:
    """Return the row and, if asked, the model of a trial. With a checkpoint, training resumes to the same bytes.

    Test images are scored only if the trial is `tested`.
    """
    inputs, splits = arrays
    settings: Any = trial.settings["train"]
    data = Data(splits["train"], splits["validation"], inputs.image_shape)
    state = checkpoint.load() if checkpoint else None
    start = time.perf_counter() - (float(state["seconds"]) if state else 0.0)
    with threadpool_limits(settings["blas_threads"], user_api="blas"):
        for trained in learn(data, settings, state=state):
            seconds = time.perf_counter() - start
            if checkpoint and trained.row["epoch"] < settings["epochs"]:
                checkpoint.save({**trained.state, "seconds": seconds})
        network = trained.on_pixels(settings)
        test = test_accuracies(network, *splits["test"], inputs.image_shape) if trial.tested else (None, None)
    if checkpoint:
        checkpoint.remove()
    scores = {name: trained.row[name] for name in ("validation_accuracy", "validation_loss")}
    scores |= {"test_accuracy": test[0], "tta_accuracy": test[1], "seconds": round(seconds, 2)}
    row = Row(trial.name, trial.seed, trial.key, **scores, model=theta_digest(network))
    model = new_model(network, settings["activation"], inputs, data.train, data.validation) if keep_model else None
    return row, model.arrays() if model else {}


def theta_digest(network: Network) -> str:
    """Return the first 16 digits of the SHA-256 of all weights and biases, as little-endian float32."""
    return hashlib.sha256(network.theta.astype("<f4").tobytes()).hexdigest()[:16]


def test_accuracies(
    network: Network, images: np.ndarray, targets: np.ndarray, shape: tuple[int, int]
) -> tuple[float, float]:
    """Return the accuracy on images (N, D) with targets (N, K), and that with test-time augmentation."""
    labels = targets.argmax(axis=1)
    mean = np.sum([softmax(network.predict(view)) for view in views(images, shape)], axis=0)
    return round(metrics.accuracy(network.predict(images), labels), 6), round(metrics.accuracy(mean, labels), 6)


def views(images: np.ndarray, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield flat images (N, D) unchanged, and shifted up, down, left and right by SHIFT."""
    rows, columns = shape
    still = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
    for move in ((0, 0), (SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)):
        yield warp(images, (still + np.array(move).reshape(2, 1, 1))[None], shape)
