"""Run a recipe with a seed: the stages themselves, in a working directory of their own.

    python -m benchmarks.recipe recipes default 3
    python -m benchmarks.recipe ablations no-shift 3
    python -m benchmarks.recipe code

The last writes benchmarks/code.txt, the digest of each file of ours that a recipe uses. Otherwise the first word names
the file with the recipe. What is scored goes to benchmarks/results/FILE/NAME/SEED.json, the model to
benchmarks/models/NAME/SEED.npz. An ablation is scored on the validation images alone.
"""

import os
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from ruamel.yaml import YAML
from threadpoolctl import threadpool_limits

from stages import evaluate as evaluation
from stages import train as training
from stages.dataset.augment import Augmentation, warp
from stages.dataset.batches import Batches
from stages.dataset.records import TrainingInputs
from stages.evaluate import evaluate, load_network
from stages.fetch import fetch
from stages.nn.initializers import INITIALIZERS
from stages.nn.losses import softmax
from stages.nn.network import multilayer_perceptron
from stages.nn.schedules import SCHEDULES
from stages.nn.training import fit, predict
from stages.pipeline import files, params
from stages.preprocess import preprocess
from stages.train import make_optimizer, read_split, score, stream, train

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent
SHIFT = 0.5  # pixels


@dataclass(frozen=True)
class Teacher:
    """Whose outputs are to be learned."""

    recipe: str
    seed: int
    temperature: float
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


@dataclass(frozen=True)
class Recipe:
    """An entry of recipes.yaml."""

    about: str
    change: dict[str, dict[str, Any]] = field(default_factory=dict)
    goal: float | None = None
    teacher: Teacher | None = None
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


def main() -> None:
    """Do what the command line says."""
    if sys.argv[1:] == ["code"]:
        write_code()
    else:
        run(sys.argv[1], sys.argv[2], int(sys.argv[3]))


def run(kind: str, name: str, seed: int) -> None:
    """Run a recipe, or an ablation, with a seed, and write what it came to."""
    recipe = params.read_as(dict[str, Recipe], HERE / f"{kind}.yaml")[name]
    with working_directory() as folder:
        write_params(recipe, seed)
        scores = fitted(recipe.teacher)
        if kind == "recipes":
            scores |= tested()
            with files.replacing(HERE / "models" / name / f"{seed}.npz") as temporary:
                shutil.copy(folder / "models/network.npz", temporary)
        files.write_json(HERE / "results" / kind / name / f"{seed}.json", scores)
    print(f"{name}, seed {seed}: {scores}")


def write_code() -> None:
    """Write the SHA-256 of this file and of all that it imports from stages/, a line each."""
    loaded = [Path(module.__file__) for module in sys.modules.values() if getattr(module, "__file__", None)]
    used = {path for path in loaded if path.is_relative_to(ROOT / "stages")} | {Path(__file__)}
    lines = (f"{files.digest(path)}  {path.relative_to(ROOT).as_posix()}\n" for path in sorted(used))
    files.write_text(HERE / "code.txt", "".join(lines))


@contextmanager
def working_directory() -> Iterator[Path]:
    """Work in an empty copy of the project's folders, which shares the catalog and the downloads with it."""
    with tempfile.TemporaryDirectory(dir=HERE) as name:
        folder = Path(name)
        (folder / "data").mkdir()
        (ROOT / "data/downloads").mkdir(exist_ok=True)
        for shared in ("catalog.yaml", "downloads"):
            (folder / "data" / shared).symlink_to(ROOT / "data" / shared)
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(ROOT)


def write_params(recipe: Recipe, seed: int) -> None:
    """Write the recipe's params.yaml into the working directory."""
    content, _ = params.load(ROOT / "params.yaml")
    content["train"]["seed"] = seed
    for section, values in recipe.change.items():
        content[section].update(values)
    YAML().dump(content, Path("params.yaml"))


def fitted(teacher: Teacher | None) -> dict[str, Any]:
    """Run the stages as far as `train`; return the accuracy on the validation images and the seconds of training."""
    for function in (fetch, preprocess):
        function(**params.read(function))
    clock = Clock()
    training.fit = clock.around  # type: ignore[assignment]
    if teacher is None:
        train(**params.read(train))
    else:
        distill(teacher, clock, **params.read(train))
    measured = files.read_json("reports/validation.json")
    return {"validation_accuracy": measured.get("validation_accuracy"), "seconds": round(clock.seconds, 2)}


def tested() -> dict[str, Any]:
    """Run the stage `evaluate`; return the accuracy on the test images, and on test images seen a little shifted."""
    evaluate(**params.read(evaluate))
    accuracy = files.read_json("reports/metrics.json")["accuracy"]
    return {"accuracy": accuracy, "shifted_accuracy": shifted_accuracy()}


class Clock:
    """Counts the seconds that are spent inside `fit`, and not in what is done between its epochs."""

    seconds = 0.0

    def around(self, *args: Any, **kwargs: Any) -> Iterator[Any]:
        """Do what `fit` does, on the clock."""
        epochs = fit(*args, **kwargs)
        while True:
            start = time.perf_counter()
            epoch = next(epochs, None)
            self.seconds += time.perf_counter() - start
            if epoch is None:
                return
            yield epoch


def distill(teacher: Teacher, clock: Clock, **p: Any) -> None:
    """Train as the stage does, with a teacher's softened outputs as targets (Hinton, Vinyals and Dean, 2015).

    The teacher sees every image as the student does, warped alike. The student's loss is its cross-entropy with the
    teacher's probabilities at that temperature; it answers at temperature 1.
    """
    inputs: TrainingInputs = files.read_json(training.INPUTS, TrainingInputs)
    images, targets = read_split("train", inputs)
    validation = read_split("validation", inputs)
    master = load_network(files.read_arrays(HERE / "models" / teacher.recipe / f"{teacher.seed}.npz"))
    weights, order, silence, warps = (partial(stream, p["seed"], use) for use in (1, 2, 3, 4))
    sizes = [images.shape[1], *p["hidden"], len(inputs.classes)]
    network = multilayer_perceptron(sizes, p["activation"], p["dropout"], p["input_dropout"])
    network.initialize(INITIALIZERS[p["initializer"]], weights())
    augmentation = Augmentation(
        inputs.image_shape, *(p[key] for key in ("rotation", "scaling", "shear", "shift", "elastic"))
    )

    def prepare(images: np.ndarray, targets: np.ndarray, epoch: int, block: int) -> None:
        augmentation(images, warps(epoch, block))
        targets[:] = softmax(predict(master, images) / teacher.temperature)

    with threadpool_limits(p["blas_threads"], user_api="blas"):
        for epoch in clock.around(
            network,
            Batches(images, targets, p["batch_size"], order, prepare),
            make_optimizer(p["optimizer"], p["momentum"]),
            SCHEDULES[p["schedule"]],
            epochs=p["epochs"],
            learning_rate=p["learning_rate"],
            weight_decay=p["weight_decay"],
            clip_norm=p["clip_norm"],
            averaging=p["averaging"],
            noise=silence,
        ):
            row = {"epoch": epoch.number, **score(network, *validation, "validation")}
            print(row, flush=True)
    files.write_json("reports/validation.json", {k: v for k, v in row.items() if v is not None})
    model = {**network.parameters(), "activation": p["activation"], **asdict(inputs)}
    del model["sha256"]
    files.write_arrays("models/network.npz", model)


def shifted_accuracy() -> float:
    """Return the accuracy of the mean of the probabilities for a test image as it is and moved a little each way."""
    model = files.read_arrays(evaluation.MODEL)
    network = load_network(model)
    images, targets = np.load(evaluation.TEST_IMAGES), np.load(evaluation.TEST_TARGETS)
    total = sum(softmax(predict(network, moved)) for moved in shifted(images, tuple(model["image_shape"])))
    return round(float((total.argmax(axis=1) == targets.argmax(axis=1)).mean()), 6)


def shifted(images: np.ndarray, shape: tuple[int, int]) -> Iterator[np.ndarray]:
    """Yield flat images (N, D) as they are, and moved up, down, left and right by SHIFT."""
    rows, columns = shape
    still = np.mgrid[:rows, :columns] - np.array([(rows - 1) / 2, (columns - 1) / 2]).reshape(2, 1, 1)
    for move in ((0, 0), (SHIFT, 0), (-SHIFT, 0), (0, SHIFT), (0, -SHIFT)):
        yield np.ascontiguousarray(warp(images, still + np.array(move).reshape(2, 1, 1)))


if __name__ == "__main__":
    main()
