"""A short, seeded part of the fault sweeps; `make faults` breaks the pipeline at every point."""

import subprocess
import sys
from pathlib import Path

HARNESS = Path(__file__).parents[1] / "faults"

# What a stage would be that renames a file into its place even when it could not be written to its end.
HASTY = """
import sys
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, sys.argv.pop(1))
import run
from stages.pipeline import files

@contextmanager
def replacing(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{files.UNFINISHED}")
    try:
        yield temporary
    finally:
        temporary.replace(path)

files.replacing = replacing
run.main()
"""


def test_the_sweep_notices_a_torn_file():
    command = [sys.executable, "-c", HASTY, HARNESS, "--quick", "--only", "bytes"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "LOST write error at a byte, preprocess" in done.stdout
    assert "is torn" in done.stdout


def test_a_few_faults_of_each_kind_are_survived():
    command = [sys.executable, HARNESS / "run.py", "--quick"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    survived, _, injected, *_ = done.stdout.splitlines()[-1].split()
    assert survived == injected
    assert int(injected) >= 4 * 6 + 2 * 6 + 6 + 3  # events, bytes, moments, training
