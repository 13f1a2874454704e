"""Train and score a network: a function of a trial and its arrays alone, on any core of any machine."""

import hashlib
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from distributed import get_worker
from threadpoolctl import threadpool_limits

from experiments.cluster import cache
from experiments.cluster.cache import Arrays
from experiments.trial import Row, Trial
from stages.dataset.augment import warp
from stages.learning.learn import Data, learn
from stages.learning.model import new_model
from stages.nn.losses import softmax
from stages.nn.network import Network, from_arrays
from stages.pipeline import stage
from stages.pipeline.checkpoint import Checkpoint
from stages.report import metrics

# A worker serves only programs with the same identity: all of our code and NumPy, as they were imported.
IDENTITY = f"code-{cache.code_digest(('stages', 'experiments'))}-numpy-{np.__version__}"
CHECKPOINTS = cache.CACHE / "checkpoints"
SHIFT = 0.5  # pixels, of test-time augmentation

Model = Mapping[str, Any]  # the arrays of a model file, by name


def execute(trial: Trial, teachers: Sequence[Model], keep_model: bool, identity: str) -> tuple[Row, Model]:
    """Run a trial on a worker; return its row and, if asked, the model. A killed run resumes from its checkpoint.

    A problem that any worker would have becomes a row; other errors are raised, and the trial can be retried.
    """
    if identity != IDENTITY:
        raise RuntimeError(f"worker {get_worker().address} has new code; restart it")
    if len(teachers) < len(trial.teachers):
        raise RuntimeError("not run, because a teacher failed")
    checkpoint = Checkpoint(CHECKPOINTS / f"{trial.key}.npz", f"{trial.key} {IDENTITY}")
    try:
        row, model = train_and_score(trial, cache.prepare(trial), teachers, keep_model, checkpoint)
    except (ValueError, FloatingPointError, MemoryError) as error:
        checkpoint.remove()
        return Row(trial.name, trial.seed, trial.key, problem=" ".join(stage.describe(error).splitlines())), {}
    return replace(row, worker=str(get_worker().name)), model


def train_and_score(
    trial: Trial,
    arrays: Arrays,
    teachers: Sequence[Model] = (),
    keep_model: bool = True,
    checkpoint: Checkpoint | None = None,
) -> tuple[Row, Model]:
    """Return the row and, if asked, the model of a trial. With a checkpoint, training resumes to the same bytes.

    With teachers, the targets are the mean of their probabilities, softened by a temperature, for each image as the
    network sees it (Hinton, Vinyals and Dean, 2015). Test images are scored only if the trial is `tested`.
    """
    inputs, splits = arrays
    settings: Any = trial.settings["train"]
    data = Data(splits["train"], splits["validation"], inputs.image_shape)
    networks = [from_arrays(teacher) for teacher in teachers]

    def soften(images: np.ndarray) -> np.ndarray:
        answers = [softmax(each.predict(images, np.float32) / trial.temperature) for each in networks]
        return np.asarray(np.mean(answers, axis=0, dtype=np.float32))

    state = checkpoint.load() if checkpoint else None
    start = time.perf_counter() - (float(state["seconds"]) if state else 0.0)
    with threadpool_limits(settings["blas_threads"], user_api="blas"):
        for trained in learn(data, settings, teacher=soften if networks else None, state=state):
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
