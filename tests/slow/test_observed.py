"""What a stage really reads and writes is what dvc.yaml declares: Python reports it while `dvc` runs the stages."""

import json
from copy import deepcopy
from pathlib import Path

from stages.pipeline.yaml_reader import load
from tests.helpers import project
from tools.docs import rerun

# Neither inputs nor outputs, and why.
IGNORED = {
    "data/.stage.lock": "held while a stage runs; it only has the number of the process",
    "models/checkpoint.npz": "to resume a run that was killed; its key is the digest of all that the result depends on",
}
DOWNLOADS = ("tests/fixture/", "data/downloads/")  # a source of fetch and its cache; only the digest counts
CONSTANTS = {"data/validated"}  # a dep by its existence: no stage reads it
STAGES = load(project.ROOT / "dvc.yaml")[0]["stages"]


def observed(root):
    """The files that each stage read and wrote, and the sections of params.yaml that it read."""
    stages = {}
    for line in Path(project.observer(root)["OBSERVED"]).read_text().splitlines():
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
    return stages


def inside(root, path):
    """The path relative to the project, or None for one that is outside or ignored."""
    if not Path(path).is_relative_to(root):
        return None
    name = Path(path).relative_to(root).as_posix()
    return None if name in IGNORED or name.startswith(DOWNLOADS) else name


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


def test_what_is_read_and_written_is_what_is_declared(finished):
    seen = observed(finished)
    assert list(seen) == project.STAGES
    assert differences(STAGES, seen) == []


def test_what_is_undeclared_or_declared_in_vain_is_noticed(copy):
    more = """
    params.load(Path("params.yaml"))
    Path("data/extra").write_text(Path("README.md").read_text())
    stage.run(fetch)
"""
    script = copy / "stages/fetch.py"
    script.write_text(script.read_text().replace("\n    stage.run(fetch)\n", more))
    (copy / "README.md").write_text("Read me\n")
    project.repro(copy, "--force", "--single-item", "fetch", **project.observer(copy))
    declared = deepcopy(STAGES)
    declared["fetch"]["deps"].append("stages/page.py")
    declared["fetch"]["outs"].append("reports/more")
    declared["fetch"]["params"].append("evaluate")
    assert differences(declared, observed(copy)) == [
        "fetch reads README.md, undeclared",
        "fetch reads params.yaml, undeclared",
        "fetch declares and never reads stages/page.py",
        "fetch writes data/extra, undeclared",
        "fetch declares and never writes reports/more",
        "fetch declares and never reads section evaluate",
    ]
