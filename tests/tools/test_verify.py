"""The committed dvc.lock, reports and figures belong to the committed code and parameters."""

import copy as copies
import json
import shutil

import pytest
from ruamel.yaml import YAML

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tools import verify


def there(change):
    """What DVC says about a change, without the files that are not there: a clone has no data."""
    if isinstance(change, dict):
        return {key: left for key, value in change.items() if (left := there(value))}
    return None if change in ("deleted", "not in cache") else change


def test_the_committed_results_are_those_of_the_committed_code_and_parameters(tmp_path):
    """After a change to a stage or a parameter: `make repro`, and commit what it made."""
    said = project.run(project.ROOT, "dvc", "status", "--json", DVC_SITE_CACHE_DIR=str(tmp_path)).stdout
    assert [(stage, left) for stage, changes in json.loads(said).items() for left in map(there, changes) if left] == []


def test_what_one_stage_read_is_what_another_made():
    """Without data, `dvc status` does not tell."""
    locked = load(project.ROOT / "dvc.lock")[0]["stages"]
    made = {out["path"]: out["md5"] for stage in locked.values() for out in stage["outs"]}
    read = [dep for stage in locked.values() for dep in stage["deps"] if dep["path"] in made]
    assert len(read) > 20
    assert [dep["path"] for dep in read if dep["md5"] != made[dep["path"]]] == []


@pytest.mark.parametrize(
    ("name", "old", "new", "stages"),
    [
        ("params.yaml", "dpi: 50", "dpi: 60", ["plot", "validate"]),
        ("stages/plot.py", "\n\n", "\n# a comment\n\n", ["plot", "validate"]),
        ("data/catalog.yaml", "MIT", "None", ["fetch", "validate"]),
        ("reports/metrics.json", "0.9", "1.0", ["evaluate"]),
        ("dvc.yaml", "-m stages.plot", "stages/plot.py", ["plot"]),
    ],
)
def test_without_data_a_change_is_noticed_and_nothing_else(copy, name, old, new, stages):
    for made in ("data/raw", "data/processed", "data/validated", "models/network.npz", "reports/predictions.csv"):
        shutil.rmtree(copy / made) if (copy / made).is_dir() else (copy / made).unlink()
    text = (copy / name).read_text()
    assert old in text
    (copy / name).write_text(text.replace(old, new))
    said = json.loads(project.run(copy, "dvc", "status", "--json").stdout)
    assert sorted(stage for stage, changes in said.items() if any(map(there, changes))) == stages


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


@pytest.mark.slow
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
