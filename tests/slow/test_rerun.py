"""docs/rerun.md is right: a change makes the stages run that it marks ●, and those with ○ if what they read changed."""

import hashlib
import json
import sys

import pytest

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tools.docs import rerun

DVC = load(project.ROOT / "dvc.yaml")[0]["stages"]
MODULE, NEW_MODULE, CSS = "stages/dataset/split.py", "stages/nn/more.py", "stages/report/web/page.css"


def outputs(*names):
    """The files and directories that stages make."""
    return set().union(*(rerun.names([*DVC[name]["outs"], *DVC[name].get("metrics", [])]) for name in names))


def comment(root, name):
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("/* a comment */\n" if name.endswith(".css") else "# a comment\n")


def replace(path, data):
    """Write a file anew; the old one may be a link to DVC's cache."""
    path.unlink()
    path.write_bytes(data)


def stale(root):
    """What DVC says about the stages that are not up to date, in the order of the pipeline."""
    said = json.loads(project.must(root, "dvc", "status", "--json"))
    return {name: said[name] for name in project.STAGES if name in said}


@pytest.mark.parametrize(
    ("params", "changed", "expected"),
    [
        ({"preprocess": {"seed": 1}}, {"params.yaml", "preprocess"}, None),  # something of every stage that follows
        ({"evaluate": {"calibration_bins": 1000}}, {"params.yaml", "evaluate"}, {"reports/metrics.json"}),
        ({}, {MODULE}, set()),  # the stage that imports it runs, and writes the same
    ],
    ids=["all that follow", "one file", "nothing"],
)
def test_what_follows_depends_on_the_bytes_that_came_out(copy, params, changed, expected):
    runs, may_run = rerun.effects(DVC, changed)
    before = project.snapshot(copy)
    project.set_params(copy, params)
    for name in changed & {MODULE}:
        comment(copy, name)
    ran = project.repro(copy)
    names = {name for name, data in project.snapshot(copy).items() if data != before[name]}
    different = {out for out in outputs(*DVC) if rerun.depends([out], names)}
    follow = [name for name in may_run if rerun.depends(DVC[name]["deps"], different)]
    assert ran == [name for name in project.STAGES if name in runs + follow]
    if expected is None:
        assert all(different & outputs(name) for name in {*runs, *may_run} - {"validate"})
    else:
        assert different == expected


def test_each_file_is_named_by_the_stages_that_read_it(copy):
    """Modules, one that is new in a package that dvc.yaml lists as a directory, and all data."""
    data = rerun.data_files(DVC)
    for name in (MODULE, NEW_MODULE, CSS):
        comment(copy, name)
    for path in (copy / name for name in data):
        if path.is_dir():
            project.add_photo(path / "another.png", 2)
        else:
            replace(path, path.read_bytes() + b"\n")
    found = {
        stage: [path for what in seen for path in what.get("changed deps", {})] for stage, seen in stale(copy).items()
    }
    for name in (MODULE, NEW_MODULE, CSS, *data):
        named = [stage for stage, deps in found.items() if rerun.depends(deps, [name])]
        assert named == rerun.effects(DVC, {name})[0] != [], name


def test_what_tools_leave_beside_the_code_reruns_nothing(copy):
    project.must(copy, sys.executable, "-c", "import stages.validate", PYTHONDONTWRITEBYTECODE="")
    assert list((copy / "stages/nn/__pycache__").glob("layers.*.pyc"))
    for directory in ("stages", "stages/nn", "reports/figures"):
        for name in (".mypy_cache/a.json", ".ipynb_checkpoints/a.py", ".DS_Store", ".layers.py.swp", "layers.py~"):
            if directory != "reports/figures" or "/" not in name:
                (copy / directory / name).parent.mkdir(exist_ok=True)
                (copy / directory / name).write_text("left by a tool")
    assert stale(copy) == {}


def test_what_stages_made_is_restored_or_made_again(copy):
    """From DVC's cache, and where Git has it, by its stage alone; the downloads are no input."""
    before = project.snapshot(copy)
    for name in outputs("validate", "fetch", "preprocess"):
        replace(copy / name, (copy / name).read_bytes()[:-1])
    for path in (copy / "data/downloads").iterdir():
        path.write_bytes(b"")
    assert project.repro(copy) == []
    replace(copy / "models/network.npz", b"")
    (copy / "reports/metrics.json").unlink()
    (copy / "reports/figures/mistakes.png").unlink()
    assert project.repro(copy) == ["train", "evaluate", "plot"]
    assert project.snapshot(copy) == before
    project.set_params(copy, {"fetch": {"directory": "tests/fixture"}})
    assert project.repro(copy) == ["validate", "fetch"]  # which downloads them again
    for path in (copy / "data/downloads").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name
