"""Write what is derived, never edited: docs/rerun.md from dvc.yaml, params.schema.json from the stages' signatures.

`make docs` calls it; a test compares what is committed with what it would write.
"""

import json
import sys
from pathlib import Path
from typing import Any

from pydantic.json_schema import GenerateJsonSchema

from stages.evaluate import evaluate
from stages.fetch import fetch
from stages.pipeline.params import load, schema_of
from stages.plot import plot
from stages.preprocess import preprocess
from stages.train import train

ROOT = Path(__file__).parents[1]
CONSTANT = "data/validated"  # it holds the same bytes whatever validate was run for
KEPT = "data/downloads/*"  # what fetch keeps for itself

PAGE = """\
# What reruns

Change one thing and run `dvc repro`, in a shell where `.venv` is active (`. .venv/bin/activate`). This page says what
runs.

- **●** runs.
- **○** runs only if what it reads came out different. Every stage gives the same bytes for the same inputs, so a change
  that changes nothing, such as a comment, stops where it was made.
- An empty cell does not run.

The tables follow from `dvc.yaml`; `make docs` writes them. Tests compare `dvc.yaml` with what each stage imports, reads
and writes, then make each change below, one at a time, and compare what `dvc repro` runs with its row
(`tests/test_observed.py`, `tests/test_rerun.py`).

## A key of params.yaml

{keys}

`validate` looks at all of `params.yaml`, so it always runs. It takes a second or two and always writes the same file,
so nothing follows from it alone.

Some keys usually change nothing that is read further on: `fetch.directory` (the same digits from elsewhere),
`evaluate.calibration_bins` (only `reports/metrics.json`) and `blas_threads` (it may change the last bits).

## A module

A comment or a new name runs the stages marked ●, and nothing else. (`doctor.py` is a command by itself, no part of a
stage.)

{modules}

## A file of data/

This is what runs when a file comes out of its stage with other bytes, or, for the catalog, when you edit it.

{files}

What a stage made is not yours to edit: the next `dvc repro` puts a file of this table right again, from DVC's cache,
and runs nothing. (A file of `models/` or `reports/` is made again by its stage alone, because some of what `train`,
`evaluate` and `plot` make is in Git and not in the cache.)

`data/downloads/` is no input: `fetch` keeps there what it brought, each file under its digest, and uses it only if the
digest is the one that `data/catalog.yaml` asks for.
"""


def rerun_page(root: Path) -> str:
    """Return the text of docs/rerun.md."""
    stages = load(root / "dvc.yaml")[0]["stages"]
    params, _ = load(root / "params.yaml")
    keys = {f"{section}.{key}": {"params.yaml", section} for section in params for key in params[section]}
    return PAGE.format(
        keys=table(stages, "key", keys),
        modules=table(stages, "module", {path: {path} for path in modules(root)}),
        files=table(stages, "file", {path: {path} for path in [*data_files(stages), KEPT]}),
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
    """Return the stages that run when something changes, and those that run only if what they read comes out different.

    `stages` is in the order of the pipeline; `changed` holds files and sections of params.yaml.
    """
    runs = [name for name, stage in stages.items() if changed & names([*stage["deps"], *stage["params"]])]
    may_run, different = [], set()
    for name, stage in stages.items():
        if name not in runs and different & set(stage["deps"]):
            may_run.append(name)
        if name in runs + may_run:
            different |= names([*stage["outs"], *stage.get("metrics", [])]) - {CONSTANT}
    return runs, may_run


def names(entries: list[Any]) -> set[str]:
    """Return the names in a list of dvc.yaml, where an entry with options is a mapping from its name to them."""
    return {entry if isinstance(entry, str) else next(iter(entry)) for entry in entries}


def modules(root: Path) -> list[str]:
    """Return every module of stages/, whether a stage depends on it or not."""
    return sorted(path.relative_to(root).as_posix() for path in (root / "stages").rglob("*.py"))


def data_files(stages: dict[str, Any]) -> list[str]:
    """Return every file of data/ that a stage depends on, in the order of the stages."""
    return list(dict.fromkeys(dep for stage in stages.values() for dep in stage["deps"] if dep.startswith("data/")))


class WithoutTitles(GenerateJsonSchema):
    """A title would only repeat the key."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False


def schema() -> str:
    """Return the text of params.schema.json, from which editors take completion, checks and the text shown on hover."""
    sections = {
        function.__name__: {
            "description": str(sys.modules[function.__module__].__doc__).splitlines()[0],
            **schema_of(function).model_json_schema(schema_generator=WithoutTitles),
        }
        for function in (fetch, preprocess, train, evaluate, plot)
    }
    whole = {
        "$schema": "http://json-schema.org/draft-07/schema#",
        "type": "object",
        "properties": sections,
        "required": list(sections),
        "additionalProperties": False,
    }
    return json.dumps(whole, indent=2) + "\n"


DERIVED = {"docs/rerun.md": lambda: rerun_page(ROOT), "params.schema.json": schema}

if __name__ == "__main__":
    for path, text in DERIVED.items():
        (ROOT / path).write_text(text(), encoding="utf-8")
