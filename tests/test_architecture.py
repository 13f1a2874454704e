"""The laws of the house: what is declared is what is used, and packages do not know each other."""

import ast
import shutil
import sys
from pathlib import Path

import pytest
from ruamel.yaml import YAML

ROOT = Path(__file__).parents[1]
PACKAGES = ["nn", "dataset", "download", "report", "pipeline"]
MADE_FOR_THE_TRADE = {
    "nn": {"numpy"},
    "dataset": {"numpy"},
    "download": {"requests", "urllib3", "pypi_simple"},
    "report": {"numpy", "matplotlib"},
    "pipeline": {"numpy", "pydantic", "pydantic_core", "ruamel", "zc"},
}


def stages(root=ROOT):
    return YAML(typ="safe").load(root / "dvc.yaml")["stages"]


def imported(path):
    """The dotted names that a source file imports."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def closure(root, script):
    """The files of ours that a script needs: itself and all that it imports, directly or not."""
    found, waiting = set(), [script]
    while waiting:
        path = waiting.pop()
        if path in found or not (root / path).is_file():
            continue
        found.add(path)
        for name in imported(root / path):
            parts = name.split(".")
            if parts[0] == "stages":
                waiting.append("/".join(parts) + ".py")
                waiting += ["/".join(parts[:n]) + "/__init__.py" for n in range(1, len(parts) + 1)]
    return found


def difference(root, name):
    """The source files that are either imported or declared by a stage, but not both."""
    declared = {dep for dep in stages(root)[name]["deps"] if dep.endswith(".py")}
    return declared ^ closure(root, f"stages/{name}.py")


def test_a_file_directly_in_stages_is_a_stage_and_nothing_else_is():
    assert {path.stem for path in (ROOT / "stages").glob("*.py")} == set(stages())
    for name, stage in stages().items():
        assert stage["cmd"] == f"python -m stages.{name}"
        assert stage["desc"]


@pytest.mark.parametrize("name", stages())
def test_declared_modules_are_the_imported_ones(name):
    assert difference(ROOT, name) == set()


def test_an_undeclared_import_is_noticed(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    shutil.copy(ROOT / "dvc.yaml", tmp_path)
    schedules = tmp_path / "stages/nn/schedules.py"
    schedules.write_text(schedules.read_text() + "\nfrom stages.report import figures\n")
    assert difference(tmp_path, "train") == {"stages/report/figures.py"}


def test_a_dep_that_is_not_listed_is_noticed(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "stages")
    text = (ROOT / "dvc.yaml").read_text()
    for dep in {dep for stage in stages().values() for dep in stage["deps"] if dep.endswith(".py")}:
        (tmp_path / "dvc.yaml").write_text(text.replace(f"      - {dep}\n", ""))
        for name, stage in stages().items():
            assert difference(tmp_path, name) == {dep} & set(stage["deps"])


@pytest.mark.parametrize("name", stages())
def test_a_stage_has_its_own_section_of_params(name):
    params = YAML(typ="safe").load(ROOT / "params.yaml")
    declared = stages()[name].get("params")
    if name == "validate":
        assert declared == [{"params.yaml": None}]  # all of it
    else:
        assert declared == [name]
        assert name in params


@pytest.mark.parametrize("name", stages())
def test_deps_and_outs_are_sorted_and_made_by_another_stage_or_kept_in_git(name):
    made = {out if isinstance(out, str) else next(iter(out)) for s in stages().values() for out in outputs(s)}
    deps = stages()[name]["deps"]
    assert deps == sorted(deps)
    for dep in deps:
        assert dep in made or (ROOT / dep).is_file()


def outputs(stage):
    return [*stage.get("outs", []), *stage.get("metrics", [])]


@pytest.mark.parametrize("package", PACKAGES)
def test_a_room_imports_only_itself_and_the_libraries_of_its_trade(package):
    for path in (ROOT / "stages" / package).glob("*.py"):
        for name in imported(path):
            top = name.split(".")[0]
            if top == "stages":
                assert name == "stages" or name.split(".")[1] == package, f"{path.name} imports {name}"
            else:
                assert top in sys.stdlib_module_names | MADE_FOR_THE_TRADE[package], f"{path.name} imports {name}"


def test_no_stage_imports_a_stage_except_validate():
    names = {f"stages.{name}" for name in stages()}
    for name in stages():
        others = names & set(imported(ROOT / f"stages/{name}.py"))
        assert others == (names - {"stages.validate"} if name == "validate" else set())


def test_every_room_has_nothing_that_no_stage_uses():
    commands = [*(f"stages/{name}.py" for name in stages())]
    used = set().union(*(closure(ROOT, command) for command in commands))
    assert {str(path.relative_to(ROOT)) for path in (ROOT / "stages").rglob("*.py")} == used
