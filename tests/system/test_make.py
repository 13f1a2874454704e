"""What `make` does before it does anything: the environment is there, and belongs to the directory."""

import os
import shutil
import subprocess
import sys

import project
import pytest
from unix import unix

pytestmark = unix  # the paths of an environment are other ones on Windows
ANEW = " -m venv --clear .venv\n"


def dry_run(root):
    """The commands that `make doctor` would run."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}  # of `make test`
    command = ["make", "-n", "doctor"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def made(tmp_path):
    """A directory with an environment, as `make` leaves it, but empty."""
    root = tmp_path / "a directory"
    root.mkdir()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(project.ROOT / name, root)
    assert " -m venv --clear .venv\n" in dry_run(root)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", ".venv"], cwd=root, check=True)
    (root / ".venv/installed").touch()
    assert dry_run(root) == "python -m tools.doctor\n"
    return root


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_an_environment_that_was_moved_or_copied_is_made_anew(made, tmp_path, move):
    root = tmp_path / "elsewhere/another directory"
    root.parent.mkdir()
    move(made, root)
    assert ANEW in dry_run(root)
    subprocess.run([sys.executable, "-m", "venv", "--clear", "--without-pip", ".venv"], cwd=root, check=True)
    (root / ".venv/installed").touch()
    assert dry_run(root) == "python -m tools.doctor\n"


def test_an_environment_without_its_python_is_made_anew(made):
    (made / ".venv/bin/python").unlink()
    (made / ".venv/bin/python").symlink_to("/no/python")
    assert ANEW in dry_run(made)


def test_a_link_to_an_environment_elsewhere_is_used(made, tmp_path):
    root = tmp_path / "worktree"
    root.mkdir()
    shutil.copy(made / "Makefile", root)
    shutil.copy2(made / "requirements.txt", root)
    (root / ".venv").symlink_to(made / ".venv")
    assert dry_run(root) == "python -m tools.doctor\n"


def test_when_the_pinned_dependencies_change_they_are_installed_again(made):
    (made / "requirements.txt").touch()
    said = dry_run(made)
    assert "pip install" in said
    assert "--clear" not in said
