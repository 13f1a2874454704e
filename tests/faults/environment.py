"""Run every stage in unusual environments: it writes the same bytes, or one line says what is wrong."""

import gzip
import os
import re
import shutil
import sys
from pathlib import Path

import numpy as np

from stages.dataset import idx
from stages.pipeline import stage
from tests.faults.kill import contents, run_stages
from tests.helpers import project
from tests.helpers.project import STAGES

NOBODY = 65534
LIMITED = """
import os, resource, subprocess, sys
resource.setrlimit(resource.RLIMIT_AS, (2**30, 2**30))
code = subprocess.call(sys.argv[1:])
print(resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
sys.exit(code)
"""
IN_1_GIB = [sys.executable, "-c", LIMITED]  # of address space; the peak in KiB is the last that it prints


def try_all(kind, root, ledger, expected, *wrapper, refused=None, **variables):
    """Run all stages in an environment: each must succeed, or end with the line `refused`, and its outputs be right."""
    for name in STAGES:
        result = project.run(root, *wrapper, sys.executable, "-m", f"stages.{name}", **variables)
        fine = re.fullmatch(f"{name}: {refused}\n", result.stderr) if refused else "Traceback" not in result.stderr
        problems = [] if fine and result.returncode == bool(refused) else [f"{result.returncode}: {result.stderr}"]
        problems += [f"{out} differs" for out in project.outputs(name) if contents(root)[out] != expected[out]]
        ledger.record(kind, name, "", problems)


def unusual_environments(directory, ledger):
    """Run all stages in each environment."""
    plain = directory / "plain"
    project.make(plain)
    run_stages(plain, STAGES)
    expected = contents(plain)
    mpl = {"HOME": "/nonexistent", "MPLCONFIGDIR": str(directory / "mpl")}
    rows = {
        "no terminal, streams closed": ("closed", ["setsid", "sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh"], {}),
        "python -OO": ("optimized", [], {"PYTHONOPTIMIZE": "2"}),
        "locale C, no UTF-8 mode": ("locale", [], {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
        "ASCII streams": ("ascii Größe", [], {"PYTHONIOENCODING": "ascii"}),
        "no home": ("homeless", [], mpl),
        "1 GiB of memory": ("memory", IN_1_GIB, {}),
    }
    for kind, (name, wrapper, variables) in rows.items():
        root = directory / name
        project.make(root)
        try_all(kind, root, ledger, expected, *wrapper, **variables)
        shutil.rmtree(root)
    nothing = dict.fromkeys(expected)
    refused = r".*/data: no dvc\.yaml here; [^\n]*"
    try_all("another working directory", plain / "data", ledger, nothing, refused=refused, PYTHONPATH=str(plain))
    if os.geteuid() == 0:
        without_rights(plain, ledger, expected, directory, mpl)
    shutil.rmtree(plain)


def without_rights(root, ledger, expected, directory, variables):
    """Run the stages as a user who may only read files and replace outputs; then as one who may write nothing."""
    nobody = ["setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups"]
    directory.chmod(0o755)
    (directory / "mpl").mkdir(exist_ok=True)
    for top in (root, directory / "mpl"):
        for place, _, names in os.walk(top):
            for path in (Path(place), *(Path(place) / name for name in names)):
                os.chown(path, NOBODY, NOBODY)
                if path.is_file() and ".dvc" not in path.parts and path.name != stage.LOCK.name:
                    path.chmod(0o444)
    try_all("read-only files", root, ledger, expected, *nobody, **variables)
    for place, _, _ in os.walk(root):
        Path(place).chmod(0o555)
    refused = r"[^\n]*Permission denied[^\n]*"
    try_all("read-only directories", root, ledger, expected, *nobody, refused=refused, **variables)


def full_size(directory, ledger):
    """Run a dataset as large as MNIST with the default parameters, except two epochs, in 1 GiB; note peak memory."""
    root = directory / "full"
    project.make(root)
    (root / "large").mkdir()
    run_stages(root, ["validate", "fetch"])
    for role, name in project.ROLES.items():
        array = idx.read(root / "data/raw" / name)
        large = np.resize(array, (60_000 if "train" in role else 10_000, *array.shape[1:]))
        (root / f"large/{name}.gz").write_bytes(gzip.compress(project.idx_file(large), 1))
    project.add_dataset(root, "large", "large")
    shutil.copy(project.ROOT / "params.yaml", root)
    project.set_params(root, {"fetch": {"dataset": "large"}, "train": {"epochs": 2}})
    peaks = []
    for name in STAGES:
        result = project.run(root, *IN_1_GIB, sys.executable, "-m", f"stages.{name}")
        problems = [] if result.returncode == 0 else [f"exit code {result.returncode}: {result.stderr}"]
        peaks.append(f"{name} {int(result.stdout.split()[-1]) / 1024:.0f}")
        ledger.record("70,000 images in 1 GiB of memory", name, "", problems)
    ledger.notes.append(f"Peak memory of each stage in MiB, with 70,000 images of 28 x 28: {', '.join(peaks)}.")
    shutil.rmtree(root)
