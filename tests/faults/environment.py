"""Run every stage in unusual environments: it writes the same bytes, or one line says what is wrong."""

import copy
import gzip
import hashlib
import io
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
from ruamel.yaml import YAML

from stages.dataset import idx
from stages.pipeline import stage
from tests.faults.kill import contents, environment
from tests.faults.ledger import STAGES
from tests.helpers import project

NOBODY = 65534
LIMIT = 2**30  # bytes


def run(root, name, *wrapper, **variables):
    command = [*wrapper, sys.executable, "-m", f"stages.{name}"]
    return subprocess.run(
        command, cwd=root, env=environment(root, **variables), capture_output=True, text=True, check=False
    )


def limited(bytes):
    """A wrapper that limits the address space of a process."""
    code = """
import os, resource, sys
resource.setrlimit(resource.RLIMIT_AS, (int(sys.argv[1]),) * 2)
os.execv(sys.argv[2], sys.argv[2:])
"""
    return [sys.executable, "-c", code, str(bytes)]


def unusual_environments(directory, ledger):
    """Run all six stages in each environment."""
    plain = directory / "plain"
    project.make(plain)
    for name in STAGES:
        assert run(plain, name).returncode == 0
    expected = contents(plain)
    strange = directory / "Größe & 数字 'of' it"
    closed = ["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"]
    rows = {
        "path with spaces, quotes and non-ASCII letters": (strange, [], {}),
        "umask 077": (directory / "umask", ["sh", "-c", 'umask 077; exec "$@"', "sh"], {}),
        "no terminal, streams closed": (directory / "closed", ["setsid", *closed], {}),
        "python -O": (directory / "optimized", [], {"PYTHONOPTIMIZE": "1"}),
        "python -OO": (directory / "optimized more", [], {"PYTHONOPTIMIZE": "2"}),
        "locale C, no UTF-8 mode": (
            directory / "locale",
            [],
            {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        ),
        "ASCII streams": (directory / "ascii Größe", [], {"PYTHONIOENCODING": "ascii"}),
        "another time zone": (directory / "zone", [], {"TZ": "Asia/Kathmandu"}),
        "another hash seed": (directory / "hashes", [], {"PYTHONHASHSEED": "123"}),
        "no home": (directory / "homeless", [], {"HOME": "/nonexistent", "MPLCONFIGDIR": str(directory / "mpl")}),
        "user settings of Matplotlib": (directory / "matplotlib", [], {"MPLBACKEND": "pdf"}),
        "1 GiB of memory": (directory / "memory", limited(LIMIT), {}),
    }
    for kind, (root, wrapper, variables) in rows.items():
        project.make(root)
        (root / "matplotlibrc").write_text("figure.dpi: 33\nlines.linewidth: 9\naxes.facecolor: red\n")
        for name in STAGES:
            result = run(root, name, *wrapper, **variables)
            problems = [] if result.returncode == 0 else [f"exit code {result.returncode}: {result.stderr}"]
            problems += [f"{out} differs" for out in project.outputs(name) if contents(root)[out] != expected[out]]
            if "Traceback" in result.stderr:
                problems.append(result.stderr)
            ledger.record(kind, name, "", problems)
        shutil.rmtree(root)
    elsewhere(plain, ledger)
    if os.geteuid() == 0:
        without_rights(plain, expected, directory, ledger)
    shutil.rmtree(plain)


def elsewhere(root, ledger):
    """In another working directory a stage says so and touches nothing."""
    for name in STAGES:
        result = run(root / "data", name, PYTHONPATH=str(root))
        refused = re.fullmatch(rf"{name}: .*/data: no dvc.yaml here; [^\n]*\n", result.stderr)
        problems = [] if result.returncode == 1 and refused else [f"{result.returncode}: {result.stderr}"]
        if (root / "data/.dvc").exists():
            problems.append("it created .dvc")
        ledger.record("another working directory", name, "", problems)


def without_rights(plain, expected, directory, ledger):
    """Run the stages as a user who may only read files and replace outputs; then as one who may write nothing."""
    python = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    root = directory / "rights"
    shutil.copytree(plain, root)
    for path in (directory, root):
        path.chmod(0o755)
    for place, _, names in os.walk(root):
        os.chown(place, NOBODY, NOBODY)
        for name in names:
            os.chown(Path(place) / name, NOBODY, NOBODY)
            if ".dvc" not in Path(place).parts and name != stage.LOCK.name:
                (Path(place) / name).chmod(0o444)
    (directory / "mpl").mkdir(exist_ok=True)
    os.chown(directory / "mpl", NOBODY, NOBODY)
    for name in STAGES:
        result = run(root, name, *python, HOME="/nonexistent", MPLCONFIGDIR=str(directory / "mpl"))
        problems = [] if result.returncode == 0 else [f"exit code {result.returncode}: {result.stderr}"]
        problems += [f"{out} differs" for out in project.outputs(name) if contents(root)[out] != expected[out]]
        ledger.record("read-only files", name, "", problems)
    for place, _, _ in os.walk(root):
        Path(place).chmod(0o555)
    for name in STAGES:
        result = run(root, name, *python, HOME="/nonexistent", MPLCONFIGDIR=str(directory / "mpl"))
        refused = re.fullmatch(rf"{name}: [^\n]*(cannot be written, )?Permission denied[^\n]*\n", result.stderr)
        problems = [] if result.returncode == 1 and refused else [f"{result.returncode}: {result.stderr}"]
        problems += [f"{out} differs" for out in project.outputs(name) if contents(root)[out] != expected[out]]
        ledger.record("read-only directories", name, "", problems)
    shutil.rmtree(root)


def full_size(directory, ledger):
    """Run a data set as large as MNIST with the default parameters, except two epochs, in 1 GiB; note peak memory."""
    root = directory / "full"
    project.make(root)
    shutil.copy(project.ROOT / "params.yaml", root / "params.yaml")
    drawn = root / "large"
    drawn.mkdir()
    rng = np.random.default_rng(0)
    small = {}
    for role, file in project.ROLES.items():
        small[role] = idx_array(root / "tests/fixture" / f"{file}.gz")
    entry_files = {}
    for split, n in (("train", 60_000), ("test", 10_000)):
        rows = rng.integers(0, len(small[f"{split}_images"]), n)
        for what in ("images", "labels"):
            array = small[f"{split}_{what}"][rows]
            data = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, ">u4").tobytes() + array.tobytes()
            file = project.ROLES[f"{split}_{what}"]
            (drawn / file).write_bytes(data)
            entry_files[f"{split}_{what}"] = {
                "name": file,
                "bytes": len(data),
                "sha256": hashlib.sha256(data).hexdigest(),
            }
    yaml = YAML()
    catalog = yaml.load(root / "data/catalog.yaml")
    catalog["large"] = {**copy.deepcopy(catalog["drawn"]), "files": entry_files, "sources": [{"directory": "large"}]}
    yaml.dump(catalog, root / "data/catalog.yaml")
    project.set_params(root, {"fetch": {"dataset": "large"}, "train": {"epochs": 2}})
    peaks = {}
    measured = """
import resource, subprocess, sys
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
    for name in STAGES:
        result = run(root, name, sys.executable, "-c", measured, *limited(LIMIT))
        problems = [] if result.returncode == 0 else [f"exit code {result.returncode}: {result.stderr}"]
        peaks[name] = int(result.stdout.split()[-1]) / 1024
        ledger.record("70,000 images in 1 GiB of memory", name, "", problems)
    shown = ", ".join(f"{name} {peak:.0f}" for name, peak in peaks.items())
    ledger.notes.append(f"Peak memory of each stage in MiB, with 70,000 images of 28 x 28: {shown}.")
    shutil.rmtree(root)


def idx_array(path):
    data = gzip.decompress(path.read_bytes())
    return idx.parse(io.BytesIO(data), len(data))[0]
