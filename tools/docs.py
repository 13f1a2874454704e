"""`make docs`: write the files that are derived from others, docs/rerun.md and params.schema.json.

The tables of docs/rerun.md follow from dvc.yaml. The schema, for editors that complete, check and explain params.yaml,
takes types, bounds and choices from the signatures of the stages, and descriptions from the comments in params.yaml.
"""

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.page import page
from stages.pipeline import files
from stages.pipeline.params import schema_of
from stages.pipeline.yaml_reader import Place, dotted, load
from stages.plot import plot
from stages.predict import predict
from stages.preprocess import preprocess
from stages.train import train

ROOT = Path(__file__).parents[1]
CONSTANT = "data/validated"  # it has the same content after every run of validate
DOWNLOADS = "data/downloads/*"  # the cache of fetch

PAGE = """\
# What reruns

Change one thing and run `dvc repro`, in a shell where `.venv` is active (`. .venv/bin/activate`). These tables show
which stages run.

- **●** runs.
- **○** runs only if a file that it reads came out different. Every stage gives the same bytes for the same inputs, so a
  change without consequences, such as a comment in a module, stops at the stages that read it.
- An empty cell does not run.

The tables follow from `dvc.yaml`; `make docs` writes them. Tests compare `dvc.yaml` with what each stage imports, reads
and writes (`tests/test_architecture.py`, `tests/system/test_observed.py`), then make each of these changes and compare
what `dvc status` finds changed with the ● of the table, and, for a change of each kind, what `dvc repro` runs with both
marks (`tests/system/test_rerun.py`).

## A key of params.yaml

{keys}

`validate` reads all of `params.yaml`, so it always runs. It takes a second or two and always writes the same file, so
no other stage runs because of it.

Some keys usually change nothing that later stages read: `fetch.directory` (the same files from elsewhere),
`evaluate.calibration_bins` (only in `reports/metrics.json`) and `blas_threads` (in exact arithmetic, nothing).

## A module

After a comment or a new name in a module, the stages marked ● run, and nothing else. `*` stands for every module of a
package: `dvc.yaml` lists it as a directory.

{modules}

## A file in data/

The stages that run when a file comes out of its stage with different bytes, or, for the catalog and the pictures
in `data/photos`, when you change one.

{files}

Do not edit what a stage made: the next `dvc repro` restores a file of this table from DVC's cache, and runs nothing. (A
file in `models/` or `reports/` is made again by its stage, because some outputs of `train`, `evaluate` and `plot` are
in Git and not in the cache.)

`data/downloads/` is the cache of `fetch`: each file under its digest, used only if `data/catalog.yaml` has that digest.
"""


def rerun_page(root: Path) -> str:
    """Return the text of docs/rerun.md."""
    stages = load(root / "dvc.yaml")[0]["stages"]
    params, _ = load(root / "params.yaml")
    keys = {dotted(place): {"params.yaml", str(place[0])} for place in leaves(params)}
    files = [*data_files(stages), DOWNLOADS]
    return PAGE.format(
        keys=table(stages, "key", keys),
        modules=table(stages, "module", modules(root, stages)),
        files=table(stages, "file", {path: {path} for path in files}),
    )


def table(stages: dict[str, Any], title: str, rows: dict[str, set[str]]) -> str:
    """Return a table with a column for each stage and a row for each name in `rows`, with what changes there."""
    lines = [f"| {title} | " + " | ".join(stages) + " |", "|---|" + ":-:|" * len(stages)]
    for name, changed in rows.items():
        runs, may_run = effects(stages, changed)
        marks = ["●" if stage in runs else "○" if stage in may_run else " " for stage in stages]
        lines.append(f"| `{name}` | " + " | ".join(marks) + " |")
    return "\n".join(lines)


def effects(stages: dict[str, Any], changed: set[str]) -> tuple[list[str], list[str]]:
    """Return the stages that run when something changes, and those that run only if a file that they read does, too.

    `stages` is in the order of the pipeline; `changed` has files and sections of params.yaml.
    """
    runs = [name for name, stage in stages.items() if depends([*stage["deps"], *stage["params"]], changed)]
    may_run: list[str] = []
    different: set[str] = set()
    for name, stage in stages.items():
        if name not in runs and depends(stage["deps"], different):
            may_run.append(name)
        if name in runs + may_run:
            different |= names([*stage["outs"], *stage.get("metrics", [])]) - {CONSTANT}
    return runs, may_run


def depends(entries: list[Any], changed: Iterable[str]) -> bool:
    """Whether a list of dvc.yaml has one of the files or sections, or a directory with one of the files."""
    return any(name == entry or name.startswith(f"{entry}/") for entry in names(entries) for name in changed)


def names(entries: list[Any]) -> set[str]:
    """Return the names in a list of dvc.yaml, where an entry with options is a mapping from its name to them."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def leaves(content: dict[str, Any], place: Place = ()) -> list[Place]:
    """Return the places of all values that are not mappings."""
    found: list[Place] = []
    for key, value in content.items():
        found += leaves(value, (*place, key)) if isinstance(value, dict) else [(*place, key)]
    return found


def modules(root: Path, stages: dict[str, Any]) -> dict[str, set[str]]:
    """Return the modules of each row: all of a package of which dvc.yaml lists no module by name, or else one."""
    listed = names([dep for stage in stages.values() for dep in stage["deps"]])
    rows: dict[str, set[str]] = {}
    for path in sorted((root / "stages").rglob("*.py")):
        name, package = (p.relative_to(root).as_posix() for p in (path, path.parent))
        alone = any(dep.startswith(f"{package}/") and dep.endswith(".py") for dep in listed)
        rows.setdefault(name if alone else f"{package}/*", set()).add(name)
    return rows


def data_files(stages: dict[str, Any]) -> list[str]:
    """Return every file of data/ that a stage depends on, in the order of the stages."""
    return list(dict.fromkeys(dep for stage in stages.values() for dep in stage["deps"] if dep.startswith("data/")))


def schema(root: Path) -> str:
    """Return the text of params.schema.json."""
    content = schema_of([fetch, preprocess, train, evaluate, plot, page, predict]).model_json_schema()
    content = {"$schema": "http://json-schema.org/draft-07/schema#", **resolve(content, content["$defs"])}
    describe(content, (), comments((root / "params.yaml").read_text(encoding="utf-8")))
    return json.dumps(content, indent=2) + "\n"


def resolve(schema: Any, definitions: dict[str, Any]) -> Any:
    """Return a schema with every reference replaced by its definition, and without titles, which only repeat keys."""
    if isinstance(schema, list):
        return [resolve(item, definitions) for item in schema]
    if not isinstance(schema, dict):
        return schema
    if "$ref" in schema:
        return resolve(definitions[schema["$ref"].rpartition("/")[2]], definitions)
    return {key: resolve(value, definitions) for key, value in schema.items() if key not in ("$defs", "title")}


def describe(schema: dict[str, Any], place: Place, words: dict[Place, str]) -> None:
    """Add a description to every key below `place`."""
    for option in (schema, *schema.get("anyOf", [])):
        option.pop("description", None)  # of a class
        for key, value in option.get("properties", {}).items():
            describe(value, (*place, key), words)
            value["description"] = words[*place, key]


def comments(text: str) -> dict[Place, str]:
    """Return the comment on each key of a YAML file: the one directly above it, or above the group that it is in."""
    found: dict[Place, str] = {}
    place: Place = ()
    for block, group in re.findall(r"^((?: *#.*\n)*)((?: *[\w-]+:.*\n)+)", text, re.MULTILINE):
        words = " ".join(line.strip(" #") for line in block.splitlines())
        for indent, key in re.findall(r"^( *)([\w-]+):", group, re.MULTILINE):
            place = (*place[: len(indent) // 2], key)
            found[place] = words
    return found


DERIVED = {"docs/rerun.md": rerun_page, "params.schema.json": schema}

if __name__ == "__main__":
    for path, text in DERIVED.items():
        files.write_text(ROOT / path, text(ROOT))
