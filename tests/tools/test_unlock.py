"""A lock that a killed DVC left is removed, one that is held is not."""

import subprocess
import sys

import pytest

from tests.helpers import project
from tests.helpers.project import must


@pytest.mark.slow
def test_a_torn_lock_stops_dvc_until_it_is_removed(copy):
    lock = copy / ".dvc/tmp/rwlock"
    lock.write_text("")
    assert project.run(copy, "dvc", "repro").returncode != 0
    (copy / "dvc").write_text("input()")
    with subprocess.Popen([sys.executable, "dvc"], cwd=copy, stdin=subprocess.PIPE) as holder:
        must(copy, "python", "-m", "tools.unlock")
        assert lock.exists()
        holder.communicate(b"\n")
    assert must(copy, "python", "-m", "tools.unlock") == "removed .dvc/tmp/rwlock: no dvc is running here\n"
    assert project.repro(copy) == []
