"""The committed dvc.lock, reports and figures belong to the committed code and parameters."""

import copy as copies
import subprocess

import pytest
from ruamel.yaml import YAML

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tools import verify
from tools.md5 import md5


def test_the_committed_results_are_fresh():
    """After a change to a stage or a parameter: `make repro`, and commit what it made."""
    assert verify.stale(project.ROOT) == []


def locked(root):
    """The stages of dvc.lock."""
    return load(root / "dvc.lock")[0]["stages"]


@pytest.fixture
def without_data(copy):
    for name in ("data/raw", "data/processed", "data/validated", "models/network.npz", "reports/predictions.csv"):
        subprocess.run(["rm", "-r", name], cwd=copy, check=True)
    return copy


def test_no_data_is_needed(without_data):
    assert verify.stale(without_data) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "lines"),
    [
        ("params.yaml", "dpi: 50", "dpi: 60", ["plot: section plot of", "validate: section plot of"]),
        ("params.yaml", "plot:\n", "  more: 1\nplot:\n", ["evaluate: section evaluate", "validate: section evaluate"]),
        ("stages/plot.py", "\n\n", "\n# a comment\n\n", ["plot: stages/plot.py has", "validate: stages has"]),
        ("data/catalog.yaml", "MIT", "None", ["fetch: data/catalog.yaml has", "validate: data/catalog.yaml has"]),
        ("reports/metrics.json", "0.9", "1.0", ["evaluate: reports/metrics.json is not the one that it made"]),
        ("reports/history.csv", "epoch", "Epoch", ["train: reports/history.csv is not the one that it made"]),
        ("dvc.yaml", "      - reports/history.csv\n", "", ["page: dvc.yaml lists other", "plot: dvc.yaml lists other"]),
        ("dvc.yaml", "-m stages.plot", "stages/plot.py", ["plot: dvc.yaml lists other files or another command"]),
        ("dvc.lock", "\n  plot:\n", "\n  draw:\n", ["draw: not in both dvc.yaml", "plot: not in both dvc.yaml"]),
    ],
)
def test_what_is_stale_is_reported(without_data, name, old, new, lines):
    path = without_data / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    found = verify.stale(without_data)
    assert len(found) == len(lines)
    assert all(line.startswith(start) for line, start in zip(found, lines, strict=True)), found


def test_a_figure_that_is_not_the_recorded_one_is_reported(without_data):
    figures = sorted((without_data / "reports/figures").iterdir())
    figures[0].write_bytes(figures[0].read_bytes()[:-1])
    assert verify.stale(without_data) == ["plot: reports/figures is not the one that it made"]


def test_modules_are_listed_as_dvc_lists_them(copy):
    """Added, renamed and nested ones count; what .dvcignore names does not."""
    for name in ("__pycache__/a.pyc", ".mypy_cache/b", ".DS_Store", ".layers.py.swp", "layers.py~"):
        path = copy / "stages/nn" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("cached")
    assert verify.stale(copy) == []
    for name in ("nn-more/a.py", "nn_more.py", "nn/deep/a.py"):
        path = copy / "stages" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text("")
    listed = project.run(copy, "dvc", "status", "--json").stdout
    assert "stages/nn" in listed
    assert project.run(copy, "dvc", "commit", "--force", "validate").returncode == 0
    (stages,) = [dep for dep in locked(copy)["validate"]["deps"] if dep["path"] == "stages"]
    assert md5(copy / "stages") == stages["md5"]


def test_what_one_stage_read_is_what_another_made(without_data):
    path = without_data / "dvc.lock"
    (model,) = [out for out in locked(without_data)["train"]["outs"] if out["path"] == "models/network.npz"]
    path.write_text(path.read_text().replace(model["md5"], "0" * 32, 1))
    assert verify.stale(without_data) != []


@pytest.mark.parametrize("changed_stages", [[], ["train"], ["evaluate", "preprocess"]], ids=str)
def test_any_difference_is_an_error_that_names_the_first_stage(copy, changed_stages):
    project.run(copy, "git", "add", "dvc.lock")
    commit = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=Lock"]
    assert project.run(copy, *commit).returncode == 0
    lock, _ = load(copy / "dvc.lock")
    changed = copies.deepcopy(lock)
    for stage in changed_stages:
        changed["stages"][stage]["outs"][0]["md5"] = "0" * 32
    assert len(verify.different(lock, changed)) == len(changed_stages)
    with (copy / "dvc.lock").open("w") as file:
        YAML().dump(changed, file)
    result = project.run(copy, "python", "-m", "tools.verify")
    assert result.returncode == bool(changed_stages), result.stderr
    for stage in changed_stages:
        path = lock["stages"][stage]["outs"][0]["path"]
        assert f"{stage}: {path} differs from the one recorded in Git" in result.stdout.splitlines()
    if changed_stages:
        first = f"{changed_stages[-1]} is the first stage whose outputs differ."
        assert result.stderr == f"{first} They are the same on every machine: this is a bug.\n"
    else:
        assert result.stdout == "Every output is the recorded one, bit for bit.\n"


def test_a_difference_in_the_inputs_is_named_and_is_no_bug(copy):
    project.run(copy, "git", "add", "dvc.lock")
    commit = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=Lock"]
    assert project.run(copy, *commit).returncode == 0
    project.set_params(copy, {"train": {"seed": 1}})
    project.repro(copy)
    result = project.run(copy, "python", "-m", "tools.verify")
    assert result.stderr == "train is the first stage whose outputs differ. So do its inputs.\n"
    (copy / "models/network.npz").unlink()
    result = project.run(copy, "python", "-m", "tools.verify")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "verify: models/network.npz is missing; run `make repro` first\n"
