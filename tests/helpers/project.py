"""A copy of the project, small enough for tests: 600 digits instead of MNIST, and a network that trains in a second."""

import gzip
import hashlib
import itertools
import os
import shutil
import subprocess
import sys
from dataclasses import asdict
from pathlib import Path

import numpy as np
from PIL import Image
from ruamel.yaml import YAML

from stages.dataset.records import TEST_ARRAYS, TRAINING_ARRAYS, TrainingInputs
from stages.learning.model import Model
from stages.nn.initializers import he_normal
from stages.nn.network import multilayer_perceptron
from stages.pipeline import files, paths
from tools.dataset import idx_file
from tools.docs import rerun

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests/fixture"
ROLES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
DIRECTORIES = {
    "data/raw": ["dataset.json", *ROLES.values()],
    "data/processed": ["inputs.json", "test.json", *TRAINING_ARRAYS, *TEST_ARRAYS],
    "reports/figures": sorted(path.name for path in (ROOT / "reports/figures").glob("*.png")),
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
LEFT_OUT = {"reports", "dvc.lock", "tests", "experiments", "benchmarks", "docs"}
STAGES = list(YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"])
SMALL = {
    "fetch": {"dataset": "drawn"},
    "preprocess": {"validation_size": 100},
    "train": {
        "hidden": [16],
        "epochs": 8,
        "batch_size": 20,
        "learning_rate": 0.001,  # leaves a few mistakes to draw
        "augmentation": dict.fromkeys(["rotation", "scaling", "shear", "shift", "elastic"], 0.0),
    },
    "plot": {"dpi": 50, "examples": 5, "units": 16},
    "page": {"train_images": 200, "validation_images": 60},
}


def make(root):
    """Copy the files in Git to `root`, with the fixture in the catalog, twice, and small parameters."""
    root.mkdir(parents=True, exist_ok=True)
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    )
    for name in filter(None, listed.stdout.split("\0")):
        if name.split("/")[0] not in LEFT_OUT and (ROOT / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(ROOT / name, root / name)
    shutil.copytree(FIXTURE, root / "tests/fixture")
    add_photo(root / "data/photos/a row.png")
    for name in ("drawn", "traced"):
        add_dataset(root, name, "tests/fixture")
    set_params(root, SMALL)


def copy(finished, root):
    """Copy a finished run, with DVC's cache and state, to `root`; return that."""
    return shutil.copytree(finished, root, symlinks=True, ignore=shutil.ignore_patterns("__pycache__"))


def add_photo(path, count=3):
    """Save a picture of gray paper with the first test images of the fixture in a row."""
    data = gzip.decompress((FIXTURE / "t10k-images-idx3-ubyte.gz").read_bytes())
    digits = np.frombuffer(data, np.uint8, offset=16).reshape(-1, 28, 28)[:count]
    row = np.pad(np.concatenate(digits, axis=1), 8).repeat(5, axis=0).repeat(5, axis=1)
    Image.fromarray(220 - row // 4 * 3).save(path)


def add_dataset(root, name, directory):
    """Add a data set to the catalog whose gzipped files are in `directory`, as a user would."""
    yaml = YAML()
    catalog = yaml.load(root / "data/catalog.yaml")
    entries = {}
    for role, file in ROLES.items():
        data = gzip.decompress((root / directory / f"{file}.gz").read_bytes())
        entries[role] = {"name": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    catalog[name] = {
        "title": f"{name.capitalize()} digits",
        "license": "MIT",
        "homepage": "",
        "classes": [str(digit) for digit in range(10)],
        "files": entries,
        "sources": [{"directory": directory}],
    }
    yaml.dump(catalog, root / "data/catalog.yaml")


def write_results(images, labels, predicted, classes, hidden=(), activation="relu", **keys):
    """Write what plot and page read, to the working directory: test images (N, rows, columns) and a random network."""
    name = ROLES["test_images"]
    paths.RAW.mkdir(parents=True, exist_ok=True)
    (paths.RAW / name).write_bytes(idx_file(images))
    sha256 = dict.fromkeys(ROLES.values(), files.digest(paths.RAW / name))
    files.write_json(paths.DATASET, {"title": "Own", "classes": classes, "sha256": sha256, **keys})
    shape = images.shape[1:][:: -1 if keys.get("transposed") else 1]
    network = multilayer_perceptron([shape[0] * shape[1], *hidden, len(classes)], activation)
    network.initialize(he_normal, np.random.default_rng(0))
    sizes = {"images": shape[0] * shape[1], "targets": len(classes)}
    for split, part in itertools.product(("train", "validation"), sizes):
        array = np.eye(12, sizes[part], dtype=np.float32)[np.arange(12) % len(classes)]
        files.write_array(paths.PROCESSED / f"{split}_{part}.npy", array.shape, [array])
    arrays = {path.name: files.digest(path) for path in paths.PROCESSED.glob("*.npy")}
    inputs = TrainingInputs("Own", classes, shape, False, 0.0, 1.0, arrays)
    files.write_json(paths.INPUTS, asdict(inputs))
    known = np.zeros((1, *shape), np.uint8) + np.uint8(255) * (np.arange(shape[1]) == 1)
    Model(network, activation, classes, shape, False, 0.0, 1.0, known).save(paths.MODEL)
    scores = {f"{split}_{score}": 0.5 for split in ("train", "validation") for score in ("loss", "accuracy")}
    files.write_rows(paths.HISTORY, [{"epoch": 1, **scores}])
    pairs = zip(labels, predicted, strict=True)
    answers = [{"actual": classes[a], "predicted": classes[p], "confidence": 0.9} for a, p in pairs]
    files.write_rows(paths.PREDICTIONS, answers)


def set_params(root, changes):
    """Change values of params.yaml, or add keys, as `dvc exp run -S` does."""
    yaml = YAML()
    content = yaml.load(root / "params.yaml")
    merge(content, changes)
    yaml.dump(content, root / "params.yaml")


def merge(content, changes):
    """Change values of nested mappings."""
    for key, value in changes.items():
        if isinstance(value, dict) and isinstance(content.get(key), dict):
            merge(content[key], value)
        else:
            content[key] = value


def environment(root, **variables):
    """This environment's programs first on PATH, and a DVC that shares nothing with the user's."""
    inherited = {
        key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_", "MAKE", "MFLAGS"))
    }
    own = {"PATH": PATH, "DVC_SITE_CACHE_DIR": str(root / ".dvc/site"), "DVC_NO_ANALYTICS": "1"}
    return {**inherited, **own, **variables}


def run(root, *command, **variables):
    """Run a command in the copy; return its exit code and what it printed."""
    settings = {"cwd": root, "env": environment(root, **variables), "timeout": 300}
    return subprocess.run(command, capture_output=True, text=True, check=False, **settings)


def must(root, *command, **variables):
    """Run a command, which must succeed; return what it printed."""
    result = run(root, *command, **variables)
    assert result.returncode == 0, f"{command}: {result.stdout}{result.stderr}"
    return result.stdout


def repro(root, *arguments, **variables):
    """Run `dvc repro`, which must succeed; return the stages that it ran."""
    printed = must(root, "dvc", "repro", *arguments, **variables)
    return [line.split("'")[1] for line in printed.splitlines() if line.startswith("Running stage '")]


def observer(root):
    """The variables with which Python logs, beside a copy, what stages do to files: see tests/helpers/observer."""
    place = {"PYTHONPATH": str(ROOT / "tests/helpers/observer"), "PYTHONDONTWRITEBYTECODE": "1"}
    return {"OBSERVED": str(root.parent / "observed"), **place}


def outputs(*stages):
    """The files that stages make."""
    declared = YAML(typ="safe").load(ROOT / "dvc.yaml")["stages"]
    for name in sorted(set().union(*(rerun.outputs(declared[stage]) for stage in stages))):
        yield from (f"{name}/{file}" for file in DIRECTORIES[name]) if name in DIRECTORIES else [name]


def snapshot(root):
    """The bytes of everything that the stages made."""
    places = (root / name for name in ("data/raw", "data/processed", "models", "reports"))
    made = [path for place in places for path in place.rglob("*") if path.is_file()]
    return {path.relative_to(root).as_posix(): path.read_bytes() for path in made}
