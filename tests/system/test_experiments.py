"""docs/experiments.md is true: every command on it is run, in order, on a clone with the fixture's digits."""

import json
import os
import re
import sys
from pathlib import Path

import page
import project
import pytest

PAGE = (project.ROOT / "docs/experiments.md").read_text(encoding="utf-8")
COMMANDS = page.commands(PAGE)
IDS = [f"{number}: {command.line.strip()}" for number, command in enumerate(COMMANDS)]
HOME = "/home/you/digits"


@pytest.fixture(scope="module")
def walk(finished, tmp_path_factory):
    """The directory of the clone, after all commands of the page were run in it."""
    origin, root = tmp_path_factory.mktemp("origin"), tmp_path_factory.mktemp("walk") / "digits"
    identity = {f"GIT_{who}_{what}": "you@example.org" for who in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
    for command in (
        ("cp", "-r", f"{finished}/.", "."),
        ("git", "add", "."),
        ("git", "commit", "--quiet", "--message", "All"),
        ("git", "clone", "--quiet", ".", str(root)),
    ):
        result = project.run(origin, *command, **identity)
        assert result.returncode == 0, result.stderr
    (root / ".venv").mkdir()
    for path in Path(sys.prefix).iterdir():
        (root / ".venv" / path.name).symlink_to(path)
    (root / ".venv/installed").unlink(missing_ok=True)
    (root / ".venv/installed").touch()  # later than what should be installed: `make` finds nothing to do
    ours = {key: value for key, value in os.environ.items() if not key.startswith(("GIT_", "DVC_"))}
    site = {"DVC_SITE_CACHE_DIR": str(root.parent / "site"), "DVC_NO_ANALYTICS": "1"}
    page.run(COMMANDS, root, {**ours, **identity, **site})
    return root


def printed(start):
    """What the one command of the page that starts so printed."""
    (command,) = [command for command in COMMANDS if command.line.startswith(start)]
    return command.output


@pytest.mark.parametrize("command", COMMANDS, ids=IDS)
def test_a_command_does_what_the_page_shows(walk, command):
    """It fails if an ERROR is shown, and only then; each line shown is printed, but for the numbers in it."""
    assert command.code is not None, "not reached"
    output = command.output.replace(str(walk), HOME).replace(sys.prefix, f"{HOME}/.venv")
    assert (command.code != 0) == ("ERROR" in command.shown), output
    lines = {page.same_but_for_numbers(line) for line in output.splitlines()}
    for line in command.shown.splitlines():
        assert line == "..." or page.same_but_for_numbers(line) in lines, f"not printed: {line}\n{output}"


def test_the_table_of_experiments_fits_the_page_and_shows_what_differs(walk):
    lines = [line.rstrip() for line in printed("dvc exp show").splitlines()]
    assert max(map(len, lines)) <= 120
    assert lines[1].split()[3:] == ["train.seed", "train.hidden", "train.epochs"]
    assert sum("[" in line for line in lines) == 6


def test_two_experiments_are_side_by_side_in_the_plots(walk):
    html = (walk / "dvc_plots/index.html").read_text(encoding="utf-8")
    plots = [json.loads(text) for text in re.findall(r"var spec = ({.*});", html)]
    assert len(plots) == 4
    for plot in plots:
        assert {row["rev"] for row in plot["data"]["values"]} == {"HEAD", "longer"}
    (confusion,) = [plot for plot in plots if plot["title"]["text"] == "Confusion on the test images"]
    assert confusion["facet"]["column"]["field"] == "rev"
    assert "percent_of_y" in json.dumps(confusion)  # normalized
    images = {path.name for path in (walk / "dvc_plots/static").iterdir()}
    figures = [path.name for path in (walk / "reports/figures").iterdir()]
    assert len(figures) == 6
    assert images >= {f"{name}_reports_figures_{figure}" for name in ("HEAD", "longer") for figure in figures}
    assert all(f"static/{name}" in html for name in images if not name.startswith("workspace"))


def test_a_clone_that_pulls_runs_nothing(walk):
    pull = next(n for n, command in enumerate(COMMANDS) if command.line == "dvc pull\n")
    assert COMMANDS[pull + 1].line == "dvc repro\n"
    assert "Running stage" not in COMMANDS[pull + 1].output
    assert (walk.parent / "colleague/models/network.npz").read_bytes() == (walk / "models/network.npz").read_bytes()


def test_after_all_that_went_wrong_nothing_is_lost(walk):
    status = project.run(walk, "git", "status", "--short", "--branch")
    assert status.stdout.splitlines() == ["## main...origin/main [ahead 2]"]
    assert project.repro(walk) == []


def test_no_line_of_the_page_is_longer_than_it_should_be():
    for line in PAGE.splitlines():
        assert len(line) <= 120 or line.startswith("ERROR"), line
