"""The pipeline where Linux is not: without fork, process groups, SIGKILL, flock and /proc, and with Windows' files.

tests/helpers/elsewhere takes all that from a stage, or from pytest.
"""

import sys

import pytest
from ruamel.yaml import YAML

from tests.helpers import project

ELSEWHERE = {"PYTHONPATH": str(project.ROOT / "tests/helpers/elsewhere")}


@pytest.mark.parametrize(
    ("code", "error"),
    [
        ("os.fork()", AttributeError),
        ("import fcntl", ModuleNotFoundError),
        ("exec(compile('open(\"/proc/self/status\")', '/project/stages/train.py', 'exec'))", FileNotFoundError),
        ("with open('a') as file: os.replace('b', 'a')", PermissionError),
        ("f = open('a'); pages = mmap.mmap(f.fileno(), 0, access=1); f.close(); os.remove('a')", PermissionError),
    ],
)
def test_what_is_missing_elsewhere_is_missing(tmp_path, code, error):
    """Or else the next test would show nothing."""
    command = [
        sys.executable,
        "-c",
        f"import mmap, os\nfor name in 'ab': open(name, 'w').write(name)\n{code}",
        "stages.",
    ]
    assert project.run(tmp_path, *command, PYTHONPATH="").returncode == 0
    assert error.__name__ in project.run(tmp_path, *command, **ELSEWHERE).stderr


def test_the_pipeline_gives_the_same_bytes(finished, copy):
    """As it does for someone who installs with pip and runs `dvc repro`."""
    before = project.snapshot(copy)
    assert project.repro(copy, "--force", **ELSEWHERE) == project.STAGES
    assert project.snapshot(copy) == before
    assert (copy / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()


def test_the_tests_can_be_collected():
    """On another system those of what only Unix has are skipped, and all others run."""
    command = ["python", "-m", "pytest", "--collect-only", "-m", "slow or not slow", "-p", "no:cacheprovider"]
    done = [project.run(project.ROOT, *command, **variables).stdout.splitlines() for variables in (ELSEWHERE, {})]
    assert done[0][:-1] == done[1][:-1]
    assert len(done[0]) > 500


def test_the_workflow_names_all_systems_and_versions():
    workflow = YAML(typ="safe").load(project.ROOT / ".github/workflows/ci.yml")
    matrix = workflow["jobs"]["systems"]["strategy"]["matrix"]
    assert matrix["system"] == [f"{name}-latest" for name in ("ubuntu", "macos", "windows")]
    assert matrix["python"] == ["3.11", "3.12", "3.13", "3.14"]
