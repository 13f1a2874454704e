"""A few seeded faults of each kind; `make faults` injects one at every point."""

import subprocess
import sys

from tests.helpers import project
from tests.helpers.unix import unix

pytestmark = unix

# A bug that the tests must notice: a file is renamed into place although it could not be written completely. The first
# three stages are enough.
CARELESS = """
from contextlib import contextmanager
from pathlib import Path

from tests.faults import ledger
del ledger.STAGES[3:]
from tests.faults import run
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


def test_the_fault_tests_notice_a_truncated_output():
    command = [sys.executable, "-c", CARELESS, "--quick", "--only", "bytes"]
    done = subprocess.run(command, cwd=project.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED write error at a byte, preprocess" in done.stdout
    assert "has neither its old nor its new content" in done.stdout


def test_the_pipeline_survives_a_few_faults_of_each_kind():
    command = [sys.executable, "-m", "tests.faults.run", "--quick"]
    done = subprocess.run(command, cwd=project.ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    survived, _, injected, *_ = done.stdout.splitlines()[-1].split()
    assert survived == injected
    assert int(injected) >= 4 * 6 + 2 * 6 + 6 + 3  # events, bytes, moments, training
