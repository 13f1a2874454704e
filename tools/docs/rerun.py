"""The table of docs/rerun.md, which follows from dvc.yaml: what reruns after a change."""

from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.pipeline.yaml_reader import load
from tools.docs import fill

CONSTANT = "data/validated"  # it has the same content after every run of validate
SOURCES = {".py", ".js", ".css", ".html"}


def rerun_page(text: str, root: Path) -> str:
    """Return the text of docs/rerun.md with its table as it is now."""
    stages = load(root / "dvc.yaml")[0]["stages"]
    changes = {f"section `{name}`": {"params.yaml", name} for name in load(root / "params.yaml")[0]}
    changes |= {f"`{name}`": changed for name, changed in modules(root, stages).items()}
    changes |= {f"`{path}`": {path} for path in data_files(stages) if path != CONSTANT}
    return fill(text, "table", table(stages, changes))


def table(stages: dict[str, Any], changes: dict[str, set[str]]) -> str:
    """Return a table with a column per stage, and a row for all of `changes` that make the same stages run."""
    rows: dict[str, list[str]] = {}
    for name, changed in changes.items():
        runs, may_run = effects(stages, changed)
        marks = ["●" if stage in runs else "○" if stage in may_run else " " for stage in stages]
        rows.setdefault(" | ".join(marks), []).append(name)
    lines = [f"| {', '.join(names)} | {marks} |" for marks, names in rows.items()]
    return "\n".join(["| change | " + " | ".join(stages) + " |", "|---|" + ":-:|" * len(stages), *lines])


def effects(stages: dict[str, Any], changed: set[str]) -> tuple[list[str], list[str]]:
    """Return the stages that run when something changes, and those that run only if a file that they read does, too.

    `stages` is in the order of the pipeline; `changed` has files and sections of params.yaml.
    """
    runs = [name for name, stage in stages.items() if depends([*stage["deps"], *stage.get("params", [])], changed)]
    may_run: list[str] = []
    different: set[str] = set()
    for name, stage in stages.items():
        if name not in runs and (depends(stage["deps"], different) or depends(different, stage["deps"])):
            may_run.append(name)
        if name in runs + may_run:
            different |= outputs(stage) - {CONSTANT}
    return runs, may_run


def depends(entries: Iterable[Any], changed: Iterable[str]) -> bool:
    """Whether a list of dvc.yaml has one of the files or sections, or a directory with one of the files."""
    return any(name == entry or name.startswith(f"{entry}/") for entry in names(entries) for name in changed)


def outputs(stage: dict[str, Any]) -> set[str]:
    """Return what a stage writes."""
    return names([out for kind in ("outs", "metrics", "plots") for out in stage.get(kind, [])])


def names(entries: Iterable[Any]) -> set[str]:
    """Return the names in a list of dvc.yaml, where an entry with options is a mapping from its name to them."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def modules(root: Path, stages: dict[str, Any]) -> dict[str, set[str]]:
    """Return the modules of each row: all of a package of which dvc.yaml lists no module by name, or else one."""
    listed = names([dep for stage in stages.values() for dep in stage["deps"]])
    rows: dict[str, set[str]] = {}
    for path in sorted(path for path in (root / "stages").rglob("*") if path.suffix in SOURCES):
        name, package = (p.relative_to(root).as_posix() for p in (path, path.parent))
        alone = any(dep.startswith(f"{package}/") and dep.endswith(".py") for dep in listed)
        rows.setdefault(name if alone else f"{package}/*", set()).add(name)
    return rows


def data_files(stages: dict[str, Any]) -> list[str]:
    """Return every file of data/ that a stage depends on, in the order of the stages."""
    return list(dict.fromkeys(dep for stage in stages.values() for dep in stage["deps"] if dep.startswith("data/")))
