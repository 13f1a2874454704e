"""One finished run of the pipeline on the fixture's digits, and copies of it to change."""

import signal

import pytest

from tests.helpers import project

# A job in the background ignores Ctrl-C, and so would the processes that it starts.
signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(items):
    """Mark what takes long, and run it first, so that the workers of pytest-xdist end at about the same time."""
    for item in items:
        if item.path.parent.name in ("slow", "exact"):
            item.add_marker("slow")
    items.sort(key=lambda item: item.get_closest_marker("slow") is None)


@pytest.fixture(scope="session")
def finished(tmp_path_factory):
    """A copy of the project, in a Git repository, after its first `dvc repro`; tests only read it."""
    root = tmp_path_factory.mktemp("pipeline") / "copy of it"
    project.make(root)
    project.run(root, "git", "init", "--quiet", "--initial-branch", "main")
    assert project.repro(root, **project.observer(root)) == project.STAGES
    return root


@pytest.fixture
def copy(finished, tmp_path):
    """A copy of the finished run for a test to change."""
    return project.copy(finished, tmp_path / "copy")
