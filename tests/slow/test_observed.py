"""What a stage really reads and writes is what dvc.yaml declares: Python reports it while `dvc` runs the stages."""

import json
from copy import deepcopy
from pathlib import Path

import pytest

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tools.docs import rerun

# Neither inputs nor outputs, and why.
IGNORED = {
    "params.yaml": "a stage depends on its own section, which is compared separately",
    "data/.stage.lock": "held while a stage runs; it only has the number of the process",
    "models/checkpoint.npz": "to resume a run that was killed; its key is the digest of all that the result depends on",
}
DOWNLOADS = "data/downloads/"  # the cache of fetch; used only if the digest is that of the catalog
CONSTANTS = {"data/validated"}  # a dep by its existence: no stage reads it


def observe(root, *arguments):
    """Run stages again under DVC; return the files that each one read and wrote, and the sections that it read."""
    log = root.parent / "observed"
    variables = {"PYTHONPATH": str(project.ROOT / "tests/helpers/observer"), "PYTHONDONTWRITEBYTECODE": "1"}
    project.repro(root, "--force", *arguments, OBSERVED=str(log), **variables)
    stages = {}
    for line in log.read_text().splitlines():
        stage, what, path, *more = json.loads(line)
        read, written, sections = stages.setdefault(stage, (set(), set(), set()))
        name = inside(root, path)
        if name is None:
            continue
        if what == "read" and name == "params.yaml" and more[0]:
            sections.add(more[0])
        elif what == "read" and name not in written and (root / name).is_file():
            read.add(name)
        elif what == "write":
            written.add(name)
        elif what in ("rename", "remove"):
            written.discard(name)
            written |= {inside(root, path) for path in more}
    log.unlink()
    return stages


def inside(root, path):
    """The path relative to the project, or None for one that is outside or ignored."""
    if not Path(path).is_relative_to(root):
        return None
    name = Path(path).relative_to(root).as_posix()
    return None if name in IGNORED.keys() - {"params.yaml"} or name.startswith(DOWNLOADS) else name


def differences(declared, observed):
    """What stages did and dvc.yaml does not declare, or dvc.yaml declares and they did not do; a line each."""
    lines = []
    for name, (read, written, sections) in observed.items():
        stage = declared[name]
        for verb, seen, entries in (
            ("reads", read, rerun.names(stage["deps"]) - CONSTANTS),
            ("writes", written, rerun.outputs(stage)),
            ("reads section", sections, rerun.names(stage.get("params", []))),
        ):
            lines += [f"{name} {verb} {one}, undeclared" for one in sorted(seen) if not rerun.depends(entries, [one])]
            lines += [f"{name} declares and never {verb} {one}" for one in entries if not rerun.depends([one], seen)]
    return lines


@pytest.fixture(scope="module")
def observed(finished):
    """What every stage does in a full run; the lock file is the same, byte for byte, after it."""
    lock = (finished / "dvc.lock").read_bytes()
    seen = observe(finished)
    assert (finished / "dvc.lock").read_bytes() == lock
    return seen


@pytest.fixture
def declared():
    return deepcopy(load(project.ROOT / "dvc.yaml")[0]["stages"])


def test_what_is_read_and_written_is_what_is_declared(declared, observed):
    assert list(observed) == project.STAGES
    assert differences(declared, observed) == []


def test_what_is_declared_in_vain_is_noticed(declared, observed):
    declared["plot"]["deps"].append("data/raw/train-images-idx3-ubyte")
    declared["plot"]["plots"].append("reports/more")
    declared["plot"]["params"].append("evaluate")
    assert differences(declared, observed) == [
        "plot declares and never reads data/raw/train-images-idx3-ubyte",
        "plot declares and never writes reports/more",
        "plot declares and never reads section evaluate",
    ]


def test_a_stage_that_does_more_than_it_declares_is_noticed(copy, declared):
    more = """
    params.load(Path("params.yaml"))
    Path("data/extra").write_text(Path("README.md").read_text())
    stage.run(fetch)
"""
    script = copy / "stages/fetch.py"
    script.write_text(script.read_text().replace("\n    stage.run(fetch)\n", more))
    (copy / "README.md").write_text("Read me\n")
    assert differences(declared, observe(copy, "--single-item", "fetch")) == [
        "fetch reads README.md, undeclared",
        "fetch writes data/extra, undeclared",
        "fetch reads section params.yaml, undeclared",
    ]
