"""The committed dvc.lock, reports and figures belong to the committed code and parameters."""

import json
import shutil

import pytest

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tests.helpers.project import must

TWO = {"reports/metrics.json": "evaluate", "data/processed/test.json": "preprocess"}


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
    assert len(read) > 9
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
    must(copy, "git", "add", "dvc.lock")
    must(copy, "git", "-c", "user.name=A", "-c", "user.email=a@example.org", "commit", "--quiet", "--message=Lock")
    return copy


@pytest.mark.parametrize("changed", [{}, {"models/network.npz": "train"}, TWO], ids=str)
def test_any_difference_in_a_file_is_an_error_that_names_the_first_stage(committed, changed):
    """An empty model, and a byte more of a file in a directory, in whatever order they are found."""
    for path in changed:
        (committed / path).write_bytes(b"" if path.endswith(".npz") else (committed / path).read_bytes() + b"0")
    result = project.run(committed, "python", "-m", "tools.verify")
    assert result.returncode == bool(changed), result.stderr
    for path, stage in changed.items():
        out = "data/processed" if path.startswith("data/processed") else path
        assert f"{stage}: {out} differs from the one recorded in Git" in result.stdout.splitlines()
    if changed:
        assert len(result.stdout.splitlines()) == len(changed)
        first = f"{list(changed.values())[-1]} is the first stage whose outputs differ."
        assert result.stderr == f"{first} They are the same on every machine: one was changed here, or this is a bug.\n"
    else:
        assert result.stdout == "Every output is the recorded one, bit for bit.\n"


@pytest.mark.slow
def test_a_difference_in_the_inputs_is_named_and_is_no_bug(committed):
    project.set_params(committed, {"train": {"seed": 1}})
    project.repro(committed)
    result = project.run(committed, "python", "-m", "tools.verify")
    assert result.stderr == "train is the first stage whose outputs differ. So do its inputs.\n"
    (committed / "models/network.npz").unlink()
    result = project.run(committed, "python", "-m", "tools.verify")
    assert (result.returncode, result.stdout) == (1, "")
    assert result.stderr == "verify: models/network.npz is missing; run `make repro` first\n"
