"""docs/rerun.md is right: a change makes the stages run that it marks ●, and those with ○ if what they read changed."""

import hashlib
import json
import shutil
import sys

import pytest

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tests.helpers.project import must
from tools.docs import rerun

DVC = load(project.ROOT / "dvc.yaml")[0]["stages"]
MODULE, NEW_MODULE, CSS = "stages/dataset/split.py", "stages/nn/more.py", "stages/report/web/page.css"
IDENTITY = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
# A key of each section.
KEYS = [
    {"fetch": {"dataset": "traced"}},
    {"preprocess": {"seed": 1}},
    {"train": {"augmentation": {"shift": 1.0}}},
    {"evaluate": {"calibration_bins": 1000}},
    {"plot": {"seed": 1}},
    {"page": {"test_images": 50}},
    {"predict": {"dpi": 60}},
]


def outputs(*names):
    """The files and directories that stages make."""
    return set().union(*(rerun.outputs(DVC[name]) for name in names))


def comment(root, name):
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("/* a comment */\n" if name.endswith(".css") else "# a comment\n")


def replace(path, data):
    """Write a file anew; the old one may be a link to DVC's cache."""
    path.unlink()
    path.write_bytes(data)


def stale(root):
    """What DVC says about the stages that are not up to date, in the order of the pipeline."""
    said = json.loads(must(root, "dvc", "status", "--json"))
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
    follow = [name for name in may_run if rerun.depends(DVC[name]["deps"], names)]
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
    must(copy, sys.executable, "-c", "import stages.validate", PYTHONDONTWRITEBYTECODE="")
    assert list((copy / "stages/nn/__pycache__").glob("layers.*.pyc"))
    for directory in ("stages", "stages/nn", "reports/figures"):
        for name in (".mypy_cache/a.json", ".ipynb_checkpoints/a.py", ".DS_Store", ".layers.py.swp", "layers.py~"):
            if directory != "reports/figures" or "/" not in name:
                (copy / directory / name).parent.mkdir(exist_ok=True)
                (copy / directory / name).write_text("left by a tool")
    assert stale(copy) == {}


def test_what_stages_made_is_restored(copy):
    """From DVC's cache; the downloads are no input."""
    before = project.snapshot(copy)
    for name in project.outputs("validate", "fetch", "preprocess"):
        replace(copy / name, (copy / name).read_bytes()[:-1])
    for path in (copy / "data/downloads").iterdir():
        path.write_bytes(b"")
    assert project.repro(copy) == []
    replace(copy / "models/network.npz", b"")
    (copy / "reports/metrics.json").unlink()
    (copy / "reports/figures/mistakes.png").unlink()
    assert project.repro(copy) == []
    assert project.snapshot(copy) == before
    project.set_params(copy, {"fetch": {"directory": "tests/fixture"}})
    assert project.repro(copy) == ["validate", "fetch"]  # which downloads them again
    for path in (copy / "data/downloads").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def test_values_that_were_tried_before_run_no_stage(copy, tmp_path):
    """The run cache restores every stage; in another clone, those with no result in Git: DVC does not push these."""
    first, clone = project.snapshot(copy), tmp_path / "clone"
    lock = (copy / "dvc.lock").read_bytes()
    must(copy, "dvc", "remote", "add", "--default", "team", str(tmp_path / "team"))
    must(copy, "git", "add", "--all")
    must(copy, "git", *IDENTITY, "commit", "--quiet", "--message", "All")
    must(copy, "dvc", "push", "--quiet")
    for key in KEYS:
        project.set_params(copy, key)
    assert project.repro(copy) == project.STAGES
    second = project.snapshot(copy)
    must(copy, "dvc", "push", "--quiet", "--run-cache")
    must(copy, "git", "restore", ".")
    assert project.repro(copy) == []
    assert project.snapshot(copy) == first
    assert (copy / "dvc.lock").read_bytes() == lock

    must(tmp_path, "git", "clone", "--quiet", str(copy), str(clone))
    must(clone, "dvc", "pull", "--quiet", "--run-cache")
    for key in KEYS:
        project.set_params(clone, key)
    assert project.repro(clone, "--pull") == ["train", "evaluate", "plot"]
    assert project.snapshot(clone) == second


def test_dvc_changes_only_the_lines_concerned(copy):
    """The files of the pipeline are written as DVC writes them."""
    shutil.copy(project.ROOT / "params.yaml", copy)
    must(copy, "git", "add", "--all")
    must(copy, "git", *IDENTITY, "commit", "--quiet", "--message", "All")
    for arguments, file, expected in (
        (("freeze", "fetch"), "dvc.yaml", ["+    frozen: true"]),
        (("unfreeze", "fetch"), "dvc.yaml", []),
        (("exp", "run", "-S", "train.epochs=5", "validate"), "params.yaml", ["-  epochs: 24", "+  epochs: 5"]),
    ):
        must(copy, "dvc", *arguments)
        diff = must(copy, "git", "diff", "--unified=0", "--", file).splitlines()
        assert [line for line in diff if line[0] in "+-" and line[:3] not in ("+++", "---")] == expected
