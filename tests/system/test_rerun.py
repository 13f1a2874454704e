"""docs/rerun.md is right: each change that it lists is made, by itself, and real `dvc repro` runs just those stages."""

import hashlib
import json
from functools import partial

import numpy as np
import project
import pytest
from ruamel.yaml import YAML

from tools import docs

DVC = YAML(typ="safe").load(project.ROOT / "dvc.yaml")["stages"]
# Another value for every key, one that tells.
OTHER = {
    "fetch": {"dataset": "traced", "directory": "tests/fixture"},
    "preprocess": {"seed": 1, "validation_size": 80, "deskew": False},
    "train": {
        "seed": 1,
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
        "rotation": 5.0,
        "scaling": 0.1,
        "shear": 0.1,
        "shift": 1.0,
        "elastic": 0.5,
        "blas_threads": 2,
    },
    "evaluate": {"calibration_bins": 1, "blas_threads": 2},
    "plot": {"seed": 1, "examples": 30, "mistakes": 3, "units": 8, "calibration_bins": 5, "dpi": 60},
}
KEYS = [(section, key) for section, values in OTHER.items() for key in values]
# What comes out different where that is less than something of every stage that follows.
LESS = {
    ("fetch", "dataset"): {"data/raw/dataset.json", "data/processed/inputs.json", "models/network.npz"},  # the title
    ("fetch", "directory"): set(),  # the same digits from elsewhere
    ("evaluate", "calibration_bins"): {"reports/metrics.json"},
}


def outputs(*names):
    """What stages make."""
    return set().union(*(docs.names([*DVC[name]["outs"], *DVC[name].get("metrics", [])]) for name in names))


def contents(root):
    return {name: (root / name).read_bytes() for name in outputs(*DVC)}


@pytest.fixture
def repro(copy, warm_path):
    """Runs the pipeline in the copy; returns the stages that ran."""
    return partial(project.repro, copy, PATH=warm_path)


@pytest.fixture
def rerun(copy, repro):
    """Makes a change and runs the pipeline: the stages that run must be those of the table.

    One that the table marks with a ring must run if and only if a file that it reads came out different. Returns the
    files that did.
    """

    def rerun(changed, change, *arguments):
        runs, may_run = docs.effects(DVC, changed)
        before = contents(copy)
        change(copy, *arguments)
        ran = repro()
        after = contents(copy)
        different = {name for name in after if after[name] != before[name]}
        follow = [name for name in may_run if different & set(DVC[name]["deps"])]
        assert ran == [name for name in project.STAGES if name in runs + follow]
        return different

    return rerun


def test_the_page_and_the_schema_are_fresh():
    for path, text in docs.DERIVED.items():
        assert (project.ROOT / path).read_text(encoding="utf-8") == text(), f"run `make docs`, which writes {path}"


def test_every_key_has_another_value():
    params = YAML(typ="safe").load(project.ROOT / "params.yaml")
    assert [(section, key) for section, values in params.items() for key in values] == KEYS


@pytest.mark.parametrize(("section", "key"), KEYS, ids=[f"{section}.{key}" for section, key in KEYS])
def test_a_key(rerun, section, key):
    changed = {"params.yaml", section}
    different = rerun(changed, project.set_params, {section: {key: OTHER[section][key]}})
    if (section, key) in LESS:
        assert different == LESS[section, key]
    elif key != "blas_threads":  # that may change the last bits, or not
        runs, may_run = docs.effects(DVC, changed)
        for name in {*runs, *may_run} - {"validate"}:
            assert different & outputs(name), f"{name} gives what it gave before: choose another value"


@pytest.mark.parametrize("module", docs.modules(project.ROOT))
def test_a_comment_in_a_module_reruns_its_stages_and_stops_there(rerun, module):
    assert rerun({module}, comment, module) == set()


@pytest.mark.parametrize("name", docs.data_files(DVC))
def test_a_file_of_data(rerun, warm_path, name):
    assert rerun({name}, come_out_different, name, warm_path) >= ({name} & outputs("validate", "fetch", "preprocess"))


def test_a_comment_in_the_catalog_runs_its_stages_and_stops_there(rerun):
    assert rerun({"data/catalog.yaml"}, comment, "data/catalog.yaml") == set()


def test_files_of_data_are_put_right_and_nothing_runs(copy, repro):
    before = contents(copy)
    made = outputs("validate", "fetch", "preprocess")
    for name in made:
        replace(copy / name, before[name][:-1])
    assert repro() == []
    assert contents(copy) == before


def test_a_file_of_models_or_reports_is_made_again_by_its_stage_alone(copy, repro):
    before = contents(copy)
    replace(copy / "models/network.npz", b"")
    (copy / "reports/metrics.json").unlink()
    assert repro() == ["train", "evaluate"]
    assert contents(copy) == before


def test_the_downloads_are_no_input(copy, repro):
    for path in (copy / "data/downloads").iterdir():
        path.write_bytes(b"")
    assert repro() == []
    project.set_params(copy, {"fetch": {"directory": "tests/fixture"}})
    assert repro() == ["validate", "fetch"]  # it brings them anew
    for path in (copy / "data/downloads").iterdir():
        assert hashlib.sha256(path.read_bytes()).hexdigest() == path.name


def comment(root, name):
    with (root / name).open("a", encoding="utf-8") as file:
        file.write("# a thought\n")


def replace(path, data):
    """Write a file anew; the old one may be a link to DVC's cache."""
    path.unlink()
    path.write_bytes(data)


def note_digest(record, file):
    facts = json.loads(record.read_text())
    facts["sha256"][file.name] = hashlib.sha256(file.read_bytes()).hexdigest()
    replace(record, json.dumps(facts).encode())


def come_out_different(root, name, path):
    """Let DVC take another, valid content of a file for what its stage made."""
    file = root / name
    if name == docs.CONSTANT:
        replace(file, b"valid\n")
    elif name.endswith((".json", ".yaml")):
        replace(file, file.read_bytes().replace(b"Drawn", b"Sketched") + b"\n")  # another title, where there is one
    elif name.endswith(".npy"):
        array = np.load(file)
        array[-1] = np.roll(array[-1], 1)  # another digit, or a picture beside its place
        file.unlink()
        np.save(file, array)
        record = "data/processed/test.json" if file.name.startswith("test") else "data/processed/inputs.json"
        note_digest(root / record, file)
    else:
        data = file.read_bytes()
        replace(file, data[:-1] + bytes([data[-1] ^ 1]))  # another digit, or another shade
        note_digest(root / "data/raw/dataset.json", file)
    for stage in DVC:
        if name in outputs(stage):
            assert project.run(root, "dvc", "commit", "--force", stage, PATH=path).returncode == 0
