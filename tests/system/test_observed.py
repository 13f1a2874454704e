"""What a stage really reads and writes is what dvc.yaml declares; Python itself is asked, while real `dvc` runs it."""

import json
from pathlib import Path

import project
import pytest
from ruamel.yaml import YAML

# No input and no output by design, and why.
IGNORED = {
    "params.yaml": "a stage depends on its own section, which is compared for itself",
    ".dvc/tmp/stage.lock": "held while a stage runs; it holds no more than the number of the process",
    "models/checkpoint.npz": "a run that was killed is taken up; it bears the digest of all that the result depends on",
}
KEPT = "data/downloads/"  # what fetch brought once; used only if its digest is that of the catalog
TOKENS = {"data/validated"}  # a dep by its existence: nobody reads what stands in it


def observe(root, *arguments):
    """Run stages again under DVC; return what each did: the files read and written, and the sections read."""
    log = root.parent / "observed"
    variables = {"PYTHONPATH": str(project.ROOT / "tests/support/observer"), "PYTHONDONTWRITEBYTECODE": "1"}
    project.repro(root, "--force", *arguments, OBSERVED=str(log), **variables)
    stages = {}
    for line in log.read_text().splitlines():
        stage, what, path, *more = json.loads(line)
        read, written, sections = stages.setdefault(stage, (set(), set(), set()))
        name = inside(root, path)
        if name is None:
            continue
        if what == "read" and name == "params.yaml":
            sections.add(more[0] or "all of it")
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
    """The path relative to the project, or None for one that is outside or left out of the comparison."""
    if not Path(path).is_relative_to(root):
        return None
    name = str(Path(path).relative_to(root))
    return None if name in IGNORED.keys() - {"params.yaml"} or name.startswith(KEPT) else name


def undeclared(root, observed):
    """What was observed of stages and dvc.yaml does not say, or dvc.yaml says and was not observed; a line each."""
    declared = YAML(typ="safe").load(root / "dvc.yaml")["stages"]
    lines = []
    for name, (read, written, sections) in observed.items():
        stage = declared[name]
        deps, outs = set(stage["deps"]), {key(out) for part in ("outs", "metrics") for out in stage.get(part, [])}
        params = {"all of it" if isinstance(param, dict) else param for param in stage["params"]}
        for word, seen, said in (
            ("reads", read, deps - TOKENS),
            ("writes", written, outs),
            ("reads section", sections, params),
        ):
            lines += [f"{name} {word} {one}, undeclared" for one in sorted(seen - said)]
            lines += [f"{name} declares and never {word} {one}" for one in sorted(said - seen)]
    return lines


def key(entry):
    """The name of an entry of a list in dvc.yaml: the entry itself, or the key under which its options stand."""
    return entry if isinstance(entry, str) else next(iter(entry))


@pytest.fixture(scope="module")
def observed(finished):
    """What every stage does in a full run; the lock file is the same, byte for byte, after it."""
    lock = (finished / "dvc.lock").read_bytes()
    seen = observe(finished)
    assert (finished / "dvc.lock").read_bytes() == lock
    return seen


def test_what_is_read_and_written_is_what_is_declared(finished, observed):
    assert list(observed) == project.STAGES
    assert undeclared(finished, observed) == []


@pytest.mark.parametrize("part", ["deps", "outs", "metrics", "params"])
def test_whatever_is_not_declared_is_noticed(part, copy, observed):
    yaml = YAML()
    content = yaml.load(copy / "dvc.yaml")
    for name in observed:
        entries = content["stages"][name].get(part, [])
        for entry in list(entries):
            if key(entry) in TOKENS:
                continue
            entries.remove(entry)
            yaml.dump(content, copy / "dvc.yaml")
            (line,) = undeclared(copy, observed)
            assert line.startswith(f"{name} ")
            assert line.endswith(", undeclared")
            entries.append(entry)


def test_a_stage_that_does_what_it_does_not_say_is_noticed(copy):
    script = copy / "stages/fetch.py"
    script.write_text(
        script.read_text().replace(
            '\n\nif __name__ == "__main__":\n',
            "\n\ndef more() -> None:\n"
            '    params.load(Path("params.yaml"))\n'
            '    Path("data/extra").write_text(Path("README.md").read_text())\n'
            "\n\n"
            'if __name__ == "__main__":\n'
            "    more()\n",
        )
    )
    (copy / "README.md").write_text("Read me\n")
    assert undeclared(copy, observe(copy, "--single-item", "fetch")) == [
        "fetch reads README.md, undeclared",
        "fetch writes data/extra, undeclared",
        "fetch reads section all of it, undeclared",
    ]
