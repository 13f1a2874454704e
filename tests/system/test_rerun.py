"""docs/rerun.md is right: each change that it lists is made, and runs just those stages.

`dvc status` names the stages that a change alone makes run, ●, in a tenth of the time. What follows from them, ○,
depends on the bytes that they write, whatever was changed: a real run per kind of change shows it.
"""

import hashlib
import json
import sys

import numpy as np
import pytest

from stages.pipeline.yaml_reader import dotted, load
from tests.helpers import project
from tools.docs import rerun as tables
from tools.docs import schema

DVC = load(project.ROOT / "dvc.yaml")[0]["stages"]
# Another value for every key, one that makes a difference.
OTHER = {
    "fetch": {"dataset": "traced", "directory": "tests/fixture"},
    "preprocess": {"seed": 1, "validation_size": 80, "deskew": False},
    "train": {
        "seed": 1,
        "frequencies": 8,
        "hidden": [12],
        "activation": "tanh",
        "initializer": "glorot_uniform",
        "epochs": 7,
        "batch_size": 30,
        "optimizer": "adam",
        "momentum": 0.8,
        "learning_rate": 0.002,
        "schedule": "cosine",
        "weight_decay": 0.01,
        "label_smoothing": 0.1,
        "dropout": 0.1,
        "input_dropout": 0.1,
        "clip_norm": 0.1,
        "averaging": 0.9,
        "augmentation": {"rotation": 5.0, "scaling": 0.1, "shear": 0.1, "shift": 1.0, "elastic": 0.5},
        "arithmetic": "fast",
        "blas_threads": 2,
    },
    "evaluate": {"calibration_bins": 1, "blas_threads": 2},
    "plot": {"seed": 1, "examples": 4, "mistakes": 1, "units": 8, "calibration_bins": 5, "dpi": 60},
    "page": {"withheld": 0.9, "max_bytes": 150_000},
    "predict": {"dpi": 60},
}
PLACES = tables.leaves(OTHER)
# What comes out different where that is less than an output of every stage that follows.
LESS = {
    ("fetch", "dataset"): {  # the title
        "data/raw/dataset.json",
        "data/processed/inputs.json",
        "models/network.npz",
        "reports/index.html",
    },
    ("fetch", "directory"): set(),  # the same digits from elsewhere
    ("train", "blas_threads"): set(),  # exact arithmetic does not depend on it
    ("evaluate", "calibration_bins"): {"reports/metrics.json"},
    ("evaluate", "blas_threads"): set(),
}
# A key of each other section, with consequences in every stage that follows.
FAR = [("preprocess", "seed"), ("train", "seed"), ("plot", "seed"), ("page", "withheld"), ("predict", "dpi")]


def outputs(*names):
    """The files and directories that stages make."""
    return set().union(*(tables.names([*DVC[name]["outs"], *DVC[name].get("metrics", [])]) for name in names))


def contents(root):
    """The bytes of every output; of a directory those of its files."""
    return {name: content(root / name) for name in outputs(*DVC)}


def content(path):
    return {file.name: file.read_bytes() for file in path.iterdir()} if path.is_dir() else path.read_bytes()


@pytest.fixture
def rerun(copy):
    """Makes a change and runs the pipeline: the stages that run must be those of the table.

    One that the table marks with ○ must run if and only if a file that it reads came out different. Returns the outputs
    that did.
    """

    def rerun(changed, change, *arguments):
        runs, may_run = tables.effects(DVC, changed)
        before = contents(copy)
        change(copy, *arguments)
        ran = project.repro(copy)
        after = contents(copy)
        different = {name for name in after if after[name] != before[name]}
        follow = [name for name in may_run if tables.depends(DVC[name]["deps"], different)]
        assert ran == [name for name in project.STAGES if name in runs + follow]
        return different

    return rerun


def status(root):
    """The stages that are not up to date, in the order of the pipeline, each with what DVC says about it."""
    result = project.run(root, "dvc", "status", "--json")
    assert result.returncode == 0, result.stderr
    said = json.loads(result.stdout)
    return [(name, said[name]) for name in project.STAGES if name in said]


def changed_stages(root):
    return [name for name, _ in status(root)]


def test_the_page_and_the_schema_are_fresh():
    page, described = (project.ROOT / name for name in ("docs/rerun.md", "params.schema.json"))
    text = page.read_text(encoding="utf-8")
    assert tables.rerun_page(text, project.ROOT) == text, "run `make docs`"
    assert schema.schema(project.ROOT) == described.read_text(encoding="utf-8"), "run `make docs`"


def test_every_key_has_another_value():
    assert tables.leaves(load(project.ROOT / "params.yaml")[0]) == PLACES


@pytest.mark.parametrize("place", PLACES, ids=dotted)
def test_a_key(copy, place):
    section = place[0]
    before = contents(copy)
    project.set_params(copy, other(place))
    assert changed_stages(copy) == tables.effects(DVC, {"params.yaml", section})[0]
    done = project.run(copy, "python", "-m", f"stages.{section}")
    assert done.returncode == 0, done.stderr
    different = {name for name, content in contents(copy).items() if content != before[name]}
    expected = LESS.get(place, different) & outputs(section)
    assert different == expected
    assert expected or place in LESS, f"{section} gives what it gave before: choose another value"


@pytest.mark.parametrize("place", [*FAR, *LESS], ids=dotted)
def test_what_follows_from_a_key(rerun, place):
    changed = {"params.yaml", place[0]}
    different = rerun(changed, project.set_params, other(place))
    if place in LESS:
        assert different == LESS[place]
    else:
        runs, may_run = tables.effects(DVC, changed)
        for name in {*runs, *may_run} - {"validate"}:
            assert different & outputs(name), f"{name} gives what it gave before: choose another value"


def other(place):
    """The other value of a key, in the sections that hold it."""
    value = OTHER
    for key in place:
        value = value[key]
    for key in reversed(place):
        value = {key: value}
    return value


MODULES = tables.modules(project.ROOT, DVC)


@pytest.mark.parametrize("row", MODULES)
def test_a_comment_in_a_module_reruns_its_stages(copy, row):
    for name in MODULES[row]:
        before = (copy / name).read_bytes()
        comment(copy, name)
        assert changed_stages(copy) == tables.effects(DVC, {name})[0]
        (copy / name).write_bytes(before)


@pytest.mark.parametrize("row", ["stages/pipeline/*", *(f"stages/{name}.py" for name in ("fetch", "preprocess"))])
def test_a_comment_in_a_module_changes_no_output_and_stops_there(rerun, row):
    """In the first row every stage runs again."""
    module = min(MODULES[row])
    assert rerun({module}, comment, module) == set()


def test_a_change_of_the_page_reruns_its_stage_alone(rerun):
    sheet = "stages/report/web/page.css"
    assert rerun({sheet}, comment, sheet) == {"reports/index.html"}


def test_a_new_module_in_a_directory_reruns_its_stages(copy):
    (copy / "stages/nn/more.py").touch()
    assert changed_stages(copy) == tables.effects(DVC, {"stages/nn/more.py"})[0]


def test_what_tools_leave_beside_the_code_reruns_nothing(copy):
    compiled = project.run(copy, sys.executable, "-c", "import stages.validate", PYTHONDONTWRITEBYTECODE="")
    assert compiled.returncode == 0, compiled.stderr
    assert list((copy / "stages/nn/__pycache__").glob("layers.*.pyc"))
    for name in (".mypy_cache/a.json", ".ruff_cache/a", ".pytest_cache/a", ".ipynb_checkpoints/a.py"):
        for directory in ("stages", "stages/nn"):
            path = copy / directory / name
            path.parent.mkdir(exist_ok=True)
            path.write_text("cached")
    for name in (".DS_Store", ".layers.py.swp", "layers.py~"):
        (copy / "stages/nn" / name).write_text("left by an editor")
        (copy / "reports/figures" / name).write_text("left by an editor")
    assert project.repro(copy) == []


def test_a_file_of_data(copy):
    """All at once: DVC names those that are not as a stage read them."""
    names = tables.data_files(DVC)
    for path in (copy / name for name in names):
        if path.is_dir():
            project.add_photo(path / "another.png", 2)
        else:
            replace(path, path.read_bytes() + b"\n")
    found = {stage: [path for what in seen for path in what.get("changed deps", {})] for stage, seen in status(copy)}
    assert {name: [stage for stage in found if name in found[stage]] for name in names} == {
        name: tables.effects(DVC, {name})[0] for name in names
    }


FILES = ["data/catalog.yaml", "data/raw/t10k-images-idx3-ubyte", "data/processed/train_images.npy"]


@pytest.mark.parametrize("name", FILES)
def test_what_follows_from_a_file_of_data(rerun, name):
    assert rerun({name}, come_out_different, name) >= ({name} & outputs("fetch", "preprocess"))


def test_a_comment_in_the_catalog_runs_its_stages_and_stops_there(rerun):
    assert rerun({"data/catalog.yaml"}, comment, "data/catalog.yaml") == set()


def test_files_of_data_are_restored_and_nothing_runs(copy):
    before = contents(copy)
    for name in outputs("validate", "fetch", "preprocess"):
        replace(copy / name, before[name][:-1])
    assert project.repro(copy) == []
    assert contents(copy) == before


def test_a_file_of_models_or_reports_is_made_again_by_its_stage_alone(copy):
    before = contents(copy)
    replace(copy / "models/network.npz", b"")
    (copy / "reports/metrics.json").unlink()
    (copy / "reports/figures/mistakes.png").unlink()
    assert project.repro(copy) == ["train", "evaluate", "plot"]
    assert contents(copy) == before


def test_the_downloads_are_not_an_input(copy):
    for path in (copy / "data/downloads").iterdir():
        path.write_bytes(b"")
    assert project.repro(copy) == []
    project.set_params(copy, {"fetch": {"directory": "tests/fixture"}})
    assert project.repro(copy) == ["validate", "fetch"]  # which downloads them again
    for path in (copy / "data/downloads").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def comment(root, name):
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# a comment\n")


def replace(path, data):
    """Write a file anew; the old one may be a link to DVC's cache."""
    path.unlink()
    path.write_bytes(data)


def record_digest(record, file):
    """Change the digest of a file in the record of its stage."""
    values = json.loads(record.read_text())
    values["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    replace(record, json.dumps(values).encode())


def come_out_different(root, name):
    """Let DVC take another, valid content of a file for what its stage made."""
    file = root / name
    if name.endswith((".json", ".yaml")):
        replace(file, file.read_bytes().replace(b"Drawn", b"Sketched"))  # another title
    elif name.endswith(".npy"):
        array = np.load(file)
        array[-1] = np.roll(array[-1], 1)  # a shifted image
        file.unlink()
        np.save(file, array)
        record_digest(root / "data/processed/inputs.json", file)
    else:
        data = file.read_bytes()
        replace(file, data[:-1] + bytes([data[-1] ^ 1]))  # another gray
        record_digest(root / "data/raw/dataset.json", file)
    for stage in DVC:
        if name in outputs(stage):
            assert project.run(root, "dvc", "commit", "--force", stage).returncode == 0
