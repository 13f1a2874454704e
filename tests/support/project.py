"""A copy of the project, small enough for tests: the fixture's digits instead of MNIST, a network of a second."""

import gzip
import hashlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
FIXTURE = ROOT / "tests/fixture"
ROLES = {
    "train_images": "train-images-idx3-ubyte",
    "train_labels": "train-labels-idx1-ubyte",
    "test_images": "t10k-images-idx3-ubyte",
    "test_labels": "t10k-labels-idx1-ubyte",
}
PATH = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
LEFT_OUT = {"reports", "dvc.lock", "tests", "experiments", "benchmarks", "docs"}
STAGES = ["validate", "fetch", "preprocess", "train", "evaluate", "plot"]
SMALL = {
    "fetch": {"dataset": "drawn"},
    "preprocess": {"validation_size": 100},
    "train": {
        "hidden": [16],
        "epochs": 8,
        "batch_size": 20,
        "learning_rate": 0.001,  # a few mistakes are left to draw
        "augmentation": None,
    },
    "plot": {"dpi": 50, "units": 16},
}


def make(root):
    """Copy what Git knows of the project to `root`, with the fixture in the catalog, twice, and small parameters."""
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
    for name in ("drawn", "traced"):
        add_dataset(root, name, "tests/fixture")
    set_params(root, SMALL)


def add_dataset(root, name, directory):
    """Add a data set whose files lie gzipped in `directory` to the catalog, as a user would."""
    yaml = YAML()
    catalog = yaml.load(root / "data/catalog.yaml")
    files = {}
    for role, file in ROLES.items():
        data = gzip.decompress((root / directory / f"{file}.gz").read_bytes())
        files[role] = {"name": file, "bytes": len(data), "sha256": hashlib.sha256(data).hexdigest()}
    catalog[name] = {
        "title": f"{name.capitalize()} digits",
        "license": "MIT",
        "homepage": "",
        "classes": [str(digit) for digit in range(10)],
        "files": files,
        "sources": [{"directory": directory}],
    }
    yaml.dump(catalog, root / "data/catalog.yaml")


def set_params(root, changes):
    """Change values of params.yaml, or add keys, as with an editor: one line per key."""
    path = root / "params.yaml"
    lines = path.read_text(encoding="utf-8").splitlines()
    for section, values in changes.items():
        start = lines.index(f"{section}:")
        for key, value in values.items():
            line = f"  {key}: {json.dumps(value)}"
            old = next((i for i in range(start, len(lines)) if lines[i].startswith(f"  {key}: ")), None)
            if old is None:
                lines.insert(start + 1, line)
            else:
                end = next((i for i in range(old + 1, len(lines)) if not lines[i].startswith("    ")), len(lines))
                lines[old:end] = [line]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


def run(root, *command, **variables):
    """Run a command in the copy, with this environment's programs and a DVC that shares nothing with the user's."""
    environment = {
        **{key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))},
        "PATH": PATH,
        "DVC_SITE_CACHE_DIR": str(root / ".dvc/site"),
        "DVC_NO_ANALYTICS": "1",
        **variables,
    }
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, timeout=300, check=False)


def repro(root, *arguments, **variables):
    """Run `dvc repro`, which must succeed; return the stages that it ran."""
    result = run(root, "dvc", "repro", *arguments, **variables)
    assert result.returncode == 0, result.stdout + result.stderr
    return [line.split("'")[1] for line in result.stdout.splitlines() if line.startswith("Running stage '")]


def snapshot(root):
    """The bytes of all that the stages made."""
    made = [*root.glob("data/raw/*"), *root.glob("data/processed/*"), *root.glob("models/*"), *root.rglob("reports/*")]
    return {str(path.relative_to(root)): path.read_bytes() for path in made if path.is_file()}
