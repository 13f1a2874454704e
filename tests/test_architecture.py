"""What is declared is what is used, and packages do not import each other."""

import ast
import shutil
import sys
from functools import cache
from pathlib import Path

import pytest

from stages.pipeline.yaml_reader import load
from tools.docs import rerun

ROOT = Path(__file__).parents[1]
LIBRARIES = {
    "nn": {"numpy"},
    "dataset": {"numpy"},
    "learning": {"numpy", "pydantic", "typing_extensions"},
    "photos": {"numpy", "PIL", "pillow_heif", "scipy"},
    "download": {"requests", "urllib3", "tqdm", "pip"},
    "report": {"numpy", "matplotlib"},
    "pipeline": {"numpy", "psutil", "pydantic", "pydantic_core", "typing_extensions", "yaml", "zc"},
}
READ = {"stages/report/web"}  # read, not imported: tests/slow/test_observed.py compares


@cache
def stages():
    return load(ROOT / "dvc.yaml")[0]["stages"]


@cache
def imported(path):
    """The dotted names that a source file imports."""
    names = []
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "relative import"
            names += [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
    return names


def closure(root, script):
    """The files of `stages` that a script needs: itself and all that it imports, directly or not."""
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


def code(stage):
    """The modules, and directories of modules, that a stage declares."""
    return [dep for dep in stage["deps"] if dep.split("/")[0] == "stages" and dep not in READ]


def difference(root, name, declared):
    """The modules that a stage imports and does not declare, and what it declares and imports nothing of."""
    needed = closure(root, f"stages/{name}.py")
    undeclared = {path for path in needed if not rerun.depends(declared, [path])}
    return undeclared | {dep for dep in declared if not rerun.depends([dep], needed)}


def test_the_files_in_stages_are_the_stages_of_dvc_yaml():
    assert {path.stem for path in (ROOT / "stages").glob("[!_]*.py")} == set(stages())
    for name, stage in stages().items():
        assert stage["cmd"] == f"python -m stages.{name}"
        assert stage["desc"]


@pytest.mark.parametrize("name", stages())
def test_declared_modules_are_the_imported_ones(name):
    assert difference(ROOT, name, code(stages()[name])) == set()


def test_an_undeclared_import_and_a_dep_that_is_not_needed_are_noticed(tmp_path):
    shutil.copytree(ROOT / "stages", tmp_path / "stages", ignore=shutil.ignore_patterns("__pycache__"))
    schedules = tmp_path / "stages/nn/schedules.py"
    schedules.write_text(schedules.read_text() + "\nfrom stages.report import figures\n")
    assert difference(tmp_path, "train", code(stages()["train"])) >= {"stages/report/figures.py"}
    assert difference(tmp_path, "preprocess", [*code(stages()["preprocess"]), "stages/nn"]) == {"stages/nn"}


@pytest.mark.parametrize("name", stages())
def test_a_stage_has_its_own_section_of_params(name):
    declared = stages()[name].get("params")
    if name == "validate":
        assert declared is None
        assert "params.yaml" in stages()[name]["deps"]  # all of it
    else:
        assert declared == [name]
        assert name in load(ROOT / "params.yaml")[0]


def allowed(package, name):
    """Return True if a module of a package may import this. `learning` is where the network and the digits meet."""
    top, *rest = name.split(".")
    if top != "stages":
        return top in sys.stdlib_module_names | LIBRARIES[package]
    if package == "learning" and rest[:1] == ["pipeline"]:
        return {*rest[1:2]} <= {"files", "params", "paths"}
    return {*rest[:1]} <= ({"learning", "nn", "dataset"} if package == "learning" else {package})


def test_a_package_imports_only_itself_and_its_libraries():
    modules = {path: path.parent.name for path in (ROOT / "stages").glob("*/*.py")}
    assert set(modules.values()) == set(LIBRARIES)
    for path, package in modules.items():
        assert [name for name in imported(path) if not allowed(package, name)] == [], path
    for package in LIBRARIES:
        assert not any(allowed(package, name) for name in ("pandas", "stages.train", "tools.git"))


def test_no_stage_imports_a_stage_except_validate():
    names = {f"stages.{name}" for name in stages()}
    for name in stages():
        found = set(imported(ROOT / f"stages/{name}.py"))
        assert found & names == (names - {"stages.validate"} if name == "validate" else set())
        assert not {other.split(".")[0] for other in found} & {"tools", "experiments", "benchmarks", "tests"}


def test_every_module_is_used_by_a_stage():
    used = set().union(*(closure(ROOT, f"stages/{name}.py") for name in stages()))
    used.add("stages/download/get.py")  # a program that sources.py runs
    assert {path.relative_to(ROOT).as_posix() for path in (ROOT / "stages").rglob("*.py")} == used
