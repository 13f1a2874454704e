"""A few seeded faults of each kind; `make faults` injects one at every point."""

import random
import sys

import pytest

from tests.faults import fuzz
from tests.helpers import project
from tests.helpers.unix import unix

pytestmark = unix

# A bug that the tests must notice: a file is renamed into place although it could not be written completely.
CARELESS = """
from contextlib import contextmanager
from pathlib import Path

from stages.pipeline import files
from tests.faults import inject, run

@contextmanager
def atomic_write(path):
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}{files.UNFINISHED}")
    try:
        yield temporary
    finally:
        temporary.replace(path)

files.atomic_write = atomic_write
for name in [*inject.FUNCTIONS][3:]:  # the first three stages are enough
    del inject.FUNCTIONS[name]
run.main()
"""


def test_a_truncated_output_is_noticed():
    done = project.run(project.ROOT, sys.executable, "-c", CARELESS, "--quick", "--only", "stages")
    assert done.returncode == 1, done.stdout + done.stderr
    assert "FAILED write error at a byte, preprocess" in done.stdout
    assert "has neither its old nor its new content" in done.stdout


def test_the_pipeline_survives_a_few_faults_of_each_kind():
    done = project.run(project.ROOT, sys.executable, "-m", "tests.faults.run", "--quick")
    assert done.returncode == 0, done.stdout + done.stderr
    # Four kinds at a call and two at a byte, for each of 3 stages; and one run of training.
    assert done.stdout.endswith("\n19 of 19 faults survived.\n")


@pytest.mark.parametrize("name", fuzz.READERS)
def test_a_reader_survives_mutated_files(name):
    rng = random.Random(0)
    for seed in fuzz.seeds(name):
        fuzz.READERS[name](seed)
        for _ in range(40):
            data = bytearray(seed)
            for _ in range(rng.randint(1, 4)):
                data[rng.randrange(len(data))] = rng.randrange(256)
            fuzz.check(name, bytes(data[: rng.choice([len(data), rng.randrange(len(data))])]))
