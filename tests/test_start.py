"""Programs end with one line, whatever happens before they can handle it, and start in any environment."""

import sys

import pytest

from stages import reason
from tests.helpers import project

THREAD = "can't start new thread"


@pytest.mark.parametrize(
    ("error", "said"),
    [
        (RuntimeError(THREAD), f"{THREAD}: the limit on processes (`ulimit -u`) or on memory (`ulimit -v`) is too low"),
        (ImportError("libx.so: failed to map segment from shared object"), "not enough memory"),
        (
            ModuleNotFoundError("No module named 'x'", name="x"),
            "No module named 'x'; activate the environment: . .venv/bin/activate",
        ),
        (ModuleNotFoundError("No module named 'stages.x'", name="stages.x"), None),
        (ValueError("a bug"), None),
    ],
    ids=repr,
)
def test_a_known_error_gets_one_line_and_a_bug_its_traceback(error, said):
    assert reason(error) == said


@pytest.mark.parametrize(
    ("code", "variables", "said"),
    [
        ("import os; os.kill(os.getpid(), 2)", {}, "validate: interrupted\n"),
        ("raise MemoryError", {}, "validate: not enough memory\n"),
        ("raise MemoryError", {"TRACEBACK": "1"}, "Traceback"),
        ("raise TypeError", {}, "Traceback"),
    ],
)
def test_what_ends_a_stage_while_it_imports_numpy_is_one_line(tmp_path, code, variables, said):
    (tmp_path / "numpy.py").write_text(code)
    done = project.run(project.ROOT, "python", "-m", "stages.validate", PYTHONPATH=str(tmp_path), **variables)
    assert done.returncode != 0
    assert done.stderr == said if said.endswith("\n") else done.stderr.startswith(said)


@pytest.mark.parametrize("backend", ["module://matplotlib_inline.backend_inline", "none"])
def test_a_backend_of_matplotlib_that_is_not_installed_does_no_harm(backend):
    done = project.run(project.ROOT, "python", "-m", "tools.predict", MPLBACKEND=backend)
    assert done.stderr.startswith("predict: no picture named")


def test_a_program_that_imports_the_stages_keeps_its_own_ways():
    code = "import os, sys, stages; print(sys.excepthook is sys.__excepthook__, os.environ['MPLBACKEND'])"
    assert project.must(project.ROOT, sys.executable, "-c", code, MPLBACKEND="svg") == "True svg\n"
