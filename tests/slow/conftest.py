"""One browser for all tests of what it shows."""

import contextlib
import shutil

import pytest

from stages.page import page as make_page
from tests.helpers import browser, project


@pytest.fixture(scope="session")
def driver():
    with browser.started() as driver:
        yield driver


@pytest.fixture(scope="session")
def mnist(tmp_path_factory):
    """A directory like the project's, with the results of `make repro` and the page that these sources make of them."""
    needed = "data/raw/t10k-images-idx3-ubyte", "models/network.npz", "reports/predictions.csv"
    if not all((project.ROOT / name).exists() for name in needed):
        pytest.skip("needs the results of `make repro`")
    root = tmp_path_factory.mktemp("mnist")
    for name in ("data", "models"):
        (root / name).symlink_to(project.ROOT / name)
    (root / "reports").mkdir()
    for name in ("history.csv", "predictions.csv"):
        shutil.copy(project.ROOT / "reports" / name, root / "reports")
    with contextlib.chdir(root):
        make_page(test_images=2000, train_images=20000, validation_images=5000, seed=0)
    return root


@pytest.fixture
def page(driver, finished):
    """The page of the fixture's digits, newly opened, without the test image that it opens with."""
    opened = browser.opened(driver, finished / "reports/index.html")
    opened.execute_script("pad.clear();")
    return opened
