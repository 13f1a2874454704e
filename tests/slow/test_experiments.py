"""The commands of docs/experiments.md, run in order on a clone with the fixture's digits, print what the page shows."""

import json
import re
import sys

import pytest

from tests.helpers import page, project
from tests.helpers.unix import unix
from tools import verify

PAGE = (project.ROOT / "docs/experiments.md").read_text(encoding="utf-8")
COMMANDS = page.commands(PAGE)
IDS = [f"{number}: {command.line.strip()}" for number, command in enumerate(COMMANDS)]
TAG = "digit-classifier@v1.0.0"
pytestmark = [pytest.mark.xdist_group("the page is run once"), unix]


@pytest.fixture(scope="module")
def walk(finished, tmp_path_factory):
    """The directory of the clone, after all commands of the page have run in it."""
    root = page.clone(finished, tmp_path_factory.mktemp("walk") / "digits")
    page.run(COMMANDS, root)
    return root


def printed(start):
    """The output of the only command of the page that starts with `start`."""
    (command,) = [command for command in COMMANDS if command.line.startswith(start)]
    return command.output


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_a_command_prints_what_the_page_shows(walk, command):
    page.check(command, walk)


def test_the_table_of_experiments_fits_the_page_and_shows_what_differs(walk):
    lines = [line.rstrip() for line in printed("make compare").splitlines()]
    assert max(map(len, lines)) <= 120
    assert lines[1].split()[4:] == ["train.seed", "train.hidden", "train.epochs"]
    assert sum("[" in line for line in lines) == 6


def test_the_plots_show_two_experiments_side_by_side(walk):
    html = (walk / "dvc_plots/index.html").read_text(encoding="utf-8")
    plots = [json.loads(text) for text in re.findall(r"var spec = ({.*});", html)]
    revisions = {plot["title"]["text"]: {row["rev"] for row in plot["data"]["values"]} for plot in plots}
    assert len(plots) == len(revisions) == 5
    assert revisions.pop("Mistakes on the test images") >= {"HEAD"}  # the other may have none
    assert all(found == {"HEAD", "longer"} for found in revisions.values())
    figures = {path.name for path in (walk / "reports/figures").iterdir()}
    images = {f"{name}_reports_figures_{figure}" for name in ("HEAD", "longer") for figure in figures}
    assert len(images) == 12
    assert images <= {path.name for path in (walk / "dvc_plots/static").iterdir()}
    assert all(f"static/{name}" in html for name in images)


def test_the_model_is_read_from_another_directory_in_python(walk):
    code = re.search(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[1]
    result = project.run(walk.parent / "app", sys.executable, "-W", "error", "-c", code)
    assert result.returncode == 0, result.stderr
    metrics = json.loads(project.must(walk, "git", "show", f"{TAG}:reports/metrics.json"))
    assert result.stdout.splitlines() == [
        "10 classes, weights of the first layer: (784, 256)",
        "hidden layers: [256]",
        f"accuracy: {metrics['accuracy']}",
    ]
    lock = project.must(walk, "git", "show", f"{TAG}:dvc.lock")
    assert [verify.digest(path) in lock for path in (walk.parent / "app").glob("*.npz")] == [True, True]


def test_after_the_page_the_workspace_is_clean_and_up_to_date(walk):
    status = project.run(walk, "git", "status", "--short", "--branch")
    assert status.stdout.splitlines() == ["## main...origin/main [ahead 4]"]
    assert project.repro(walk) == []
