"""What `make` does before it does anything: the environment is there, and belongs to the directory."""

import os
import shutil
import subprocess
import sys

import pytest

from tests.helpers import project
from tests.helpers.unix import unix

pytestmark = unix  # the paths of an environment are other ones on Windows
AGAIN = " -m venv --clear .venv\n"


def dry_run(root):
    """The commands that `make verify` would run."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith("MAKE")}  # of `make test`
    command = ["make", "-n", "verify"]
    return subprocess.run(command, cwd=root, env=environment, capture_output=True, text=True, check=True).stdout


@pytest.fixture
def made(tmp_path):
    """A directory with an environment, as `make` leaves it, but empty."""
    root = tmp_path / "a directory"
    root.mkdir()
    for name in ("Makefile", "requirements.txt"):
        shutil.copy(project.ROOT / name, root)
    assert AGAIN in dry_run(root)
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", ".venv"], cwd=root, check=True)
    (root / ".venv/installed").write_text(f"{root / '.venv'}\n")
    assert dry_run(root) == "python -m tools.verify\n"
    return root


@pytest.mark.parametrize("move", [shutil.move, shutil.copytree])
def test_an_environment_that_was_moved_or_copied_is_made_again(made, tmp_path, move):
    move(made, tmp_path / "elsewhere")
    assert AGAIN in dry_run(tmp_path / "elsewhere")


def test_an_environment_without_its_python_is_made_again(made):
    (made / ".venv/bin/python").unlink()
    (made / ".venv/bin/python").symlink_to("/no/python")
    assert AGAIN in dry_run(made)


def test_a_link_to_an_environment_elsewhere_is_used(made, tmp_path):
    root = tmp_path / "worktree"
    root.mkdir()
    shutil.copy(made / "Makefile", root)
    shutil.copy2(made / "requirements.txt", root)
    (root / ".venv").symlink_to(made / ".venv")
    assert dry_run(root) == "python -m tools.verify\n"


def test_when_the_pinned_dependencies_change_it_is_made_again(made):
    os.utime(made / "requirements.txt", (2**32, 2**32))
    assert AGAIN in dry_run(made)


def test_a_repository_of_another_user_is_not_taken_for_none(made):
    """What Git prints then, and how to allow it."""
    said = "fatal: detected dubious ownership in repository at 'x'\nTo add an exception, call:\n\n\tgit config x\n"
    (made / ".venv/bin/git").write_text(f"#!/bin/sh\ncat >&2 <<'END'\n{said}END\nexit 128\n")
    (made / ".venv/bin/git").chmod(0o755)
    done = project.run(made, "make", "git")
    assert done.returncode != 0
    assert done.stderr.startswith(said)
    assert not (made / ".dvc").exists()


def test_pythons_safe_path_is_turned_off(made):
    (made / "Makefile").write_text((made / "Makefile").read_text() + "safe:\n\t@echo [$$PYTHONSAFEPATH]\n")
    assert project.must(made, "make", "safe", PYTHONSAFEPATH="1") == "[]\n"


def test_workers_start_again_until_they_are_refused(made):
    """Without a scheduler, or when it is lost, they end with 0 or 1; an address without TLS is refused with 2."""
    for name, script in {
        "python": 'echo "$@" >> log; exit $(($(wc -l < log) - 1))',
        "sleep": "echo $1 >> slept",
    }.items():
        path = made / ".venv/bin" / name
        path.unlink(missing_ok=True)
        path.write_text(f"#!/bin/sh\n{script}\n")
        path.chmod(0o755)
    (made / ".venv/dev").touch()
    command = ["make", "--old-file", ".venv/dev", "worker", "SCHEDULER=tls://first:8786"]
    done = subprocess.run(command, cwd=made, capture_output=True, text=True)
    assert (done.returncode, (made / "slept").read_text()) == (2, "10\n10\n"), done.stderr
