"""The pipeline in another place, on an older processor, and where Linux is not.

There it has no fork, process groups, SIGKILL, flock and /proc, and files are those of Windows: tests/helpers/elsewhere
takes all that from a stage, or from pytest.
"""

import sys

import numpy as np
import pytest

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
    script = f"import mmap, os\nfor name in 'ab': open(name, 'w').write(name)\n{code}"
    command = [sys.executable, "-c", script, "stages."]
    assert project.run(tmp_path, *command, PYTHONPATH="").returncode == 0
    assert error.__name__ in project.run(tmp_path, *command, **ELSEWHERE).stderr


def test_the_pipeline_gives_the_same_bytes(finished, tmp_path):
    root = tmp_path / "Zweite 'Kopie' & \N{LATIN SMALL LETTER U WITH DIAERESIS}"
    project.make(root)
    project.must(root, "git", "init", "--quiet")
    environment = {"PYTHONHASHSEED": "7", "TZ": "Asia/Tokyo", "LC_ALL": "C"}
    features = np.show_config(mode="dicts")["SIMD Extensions"]["found"]
    processor = {"NPY_DISABLE_CPU_FEATURES": " ".join(features), "OPENBLAS_CORETYPE": "Prescott"}
    project.must(root, "sh", "-c", "umask 077; dvc repro", **environment, **processor, **ELSEWHERE)
    assert project.snapshot(root) == project.snapshot(finished)
    assert (root / "dvc.lock").read_bytes() == (finished / "dvc.lock").read_bytes()


def test_the_tests_can_be_collected():
    """On another system those of what only Unix has are skipped, and all others run."""
    command = ["python", "-m", "pytest", "--collect-only", "-m", "slow or not slow", "-p", "no:cacheprovider"]
    lines = project.must(project.ROOT, *command, **ELSEWHERE).splitlines()
    assert len(lines) > 500
