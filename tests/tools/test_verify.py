"""The committed dvc.lock, reports and figures belong to the committed code and parameters."""

import json
import shutil

import pytest
from ruamel.yaml import YAML

from stages.pipeline.yaml_reader import load
from tests.helpers import project


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


def test_without_data_a_change_is_noticed_and_nothing_else(copy):
    for made in ("data/raw", "data/processed", "data/validated", "models/network.npz", "reports/predictions.csv"):
        shutil.rmtree(copy / made) if (copy / made).is_dir() else (copy / made).unlink()
    project.set_params(copy, {"plot": {"dpi": 60}})
    (copy / "reports/metrics.json").write_text("{}")
    said = json.loads(project.run(copy, "dvc", "status", "--json").stdout)
    assert sorted(stage for stage, changes in said.items() if any(map(there, changes))) == [
        "evaluate",
        "plot",
        "validate",
    ]


@pytest.fixture
def committed(copy):
    """A copy whose dvc.lock is in Git."""
    project.must(copy, "git", "add", "dvc.lock")
    identity = ["-c", "user.name=A", "-c", "user.email=a@example.org"]
    project.must(copy, "git", *identity, "commit", "--quiet", "--message=Lock")
    return copy


def verify(root):
    done = project.run(root, "python", "-m", "tools.verify")
    return done.returncode, done.stdout.splitlines(), done.stderr


def test_any_difference_is_an_error_that_names_the_first_stage(committed):
    assert verify(committed) == (0, ["Every output is the recorded one, bit for bit."], "")
    lock, _ = load(committed / "dvc.lock")
    outs = [(stage, lock["stages"][stage]["outs"][0]) for stage in ("evaluate", "preprocess")]
    for _, out in outs:
        out["md5"] = "0" * 32
    with (committed / "dvc.lock").open("w") as file:
        YAML().dump(lock, file)
    lines = [f"{stage}: {out['path']} differs from the one recorded in Git" for stage, out in outs]
    first = "preprocess is the first stage whose outputs differ."
    assert verify(committed) == (1, lines, f"{first} They are the same on every machine: this is a bug.\n")


@pytest.mark.slow
def test_a_difference_in_the_inputs_is_named_and_is_no_bug(committed):
    project.set_params(committed, {"train": {"seed": 1}})
    project.repro(committed)
    assert verify(committed)[2] == "train is the first stage whose outputs differ. So do its inputs.\n"
    (committed / "models/network.npz").unlink()
    assert verify(committed) == (1, [], "verify: models/network.npz is missing; run `make repro` first\n")
