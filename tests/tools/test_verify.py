"""The committed dvc.lock, reports and figures belong to the committed code and parameters."""

import copy as copies
import subprocess

import project
import pytest

from tools import verify as lockfile


def test_the_committed_results_are_fresh():
    """After a change to a stage or a parameter: `make repro`, and commit what it made."""
    assert lockfile.stale(project.ROOT) == []


@pytest.fixture
def without_data(copy):
    for name in ("data/raw", "data/processed", "data/validated", "models/network.npz", "reports/predictions.csv"):
        subprocess.run(["rm", "-r", name], cwd=copy, check=True)
    return copy


def test_no_data_is_needed(without_data):
    assert lockfile.stale(without_data) == []


@pytest.mark.parametrize(
    ("name", "old", "new", "lines"),
    [
        ("params.yaml", "dpi: 50", "dpi: 60", ["plot: section plot of", "validate: section plot of"]),
        ("params.yaml", "plot:\n", "  more: 1\nplot:\n", ["evaluate: section evaluate", "validate: section evaluate"]),
        ("stages/plot.py", "\n\n", "\n# a thought\n\n", ["plot: stages/plot.py was", "validate: stages/plot.py was"]),
        ("data/catalog.yaml", "MIT", "None", ["fetch: data/catalog.yaml was", "validate: data/catalog.yaml was"]),
        ("reports/metrics.json", "0.9", "1.0", ["evaluate: reports/metrics.json is not the one that it made"]),
        ("reports/history.csv", "epoch", "Epoch", ["train: reports/history.csv is not the one that it made"]),
        ("dvc.yaml", "      - reports/history.csv\n", "", ["plot: dvc.yaml lists other files, or another command"]),
        ("dvc.yaml", "-m stages.plot", "stages/plot.py", ["plot: dvc.yaml lists other files, or another command"]),
        ("dvc.lock", "\n  plot:\n", "\n  draw:\n", ["draw: not both in dvc.yaml", "plot: not both in dvc.yaml"]),
    ],
)
def test_what_is_stale_is_told(without_data, name, old, new, lines):
    path = without_data / name
    text = path.read_text()
    assert old in text
    path.write_text(text.replace(old, new))
    told = lockfile.stale(without_data)
    assert len(told) == len(lines)
    assert all(line.startswith(start) for line, start in zip(told, lines, strict=True)), told


def test_what_one_stage_read_is_what_another_made(without_data):
    path = without_data / "dvc.lock"
    lock = lockfile.load(path)
    (model,) = [out for out in lock["stages"]["train"]["outs"] if out["path"] == "models/network.npz"]
    path.write_text(path.read_text().replace(model["md5"], "0" * 32, 1))
    assert lockfile.stale(without_data) != []


@pytest.mark.parametrize(
    ("stage", "code", "said"),
    [
        (None, 0, "Every output is the recorded one, bit for bit."),
        ("train", 0, "train: models/network.npz differs from the one recorded in Git"),
        ("preprocess", 1, "preprocess: data/processed/inputs.json differs from the one recorded in Git"),
    ],
)
def test_another_machine_may_differ_in_training_alone(copy, stage, code, said):
    project.run(copy, "git", "add", "dvc.lock")
    commit = ["git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=Lock"]
    assert project.run(copy, *commit).returncode == 0
    lock = lockfile.load(copy / "dvc.lock")
    if stage:
        changed = copies.deepcopy(lock)
        changed["stages"][stage]["outs"][0]["md5"] = "0" * 32
        assert len(lockfile.different(lock, changed)) == 1
        with (copy / "dvc.lock").open("w") as file:
            lockfile.YAML().dump(changed, file)
    result = project.run(copy, "python", str(project.ROOT / "tools/verify.py"))
    assert result.returncode == code, result.stderr
    assert said in result.stdout.splitlines()
