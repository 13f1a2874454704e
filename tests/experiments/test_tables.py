"""Tables and figures say what results.csv says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from experiments import recipes, results, tables
from experiments import run as runner
from tests.helpers import project


@pytest.fixture(scope="module")
def complete():
    """The rows of a complete run of the lab's recipes, to be made once."""
    return []


@pytest.fixture
def ran(lab, complete, in_process):
    """The lab after a run of all recipes."""
    _, trials = recipes.load()
    if complete:
        results.write(complete)
    else:
        runner.run(trials, trials)
        complete += results.read()
    return complete


def test_tables_and_figures_are_written(ran):
    tables.tables()
    page = Path("experiments/recipes.md").read_text()
    (row,) = [line for line in page.splitlines() if line.startswith("| **default** | as it is |")]
    scores = np.array([(row.test_accuracy, row.tta_accuracy) for row in ran if row.recipe == "default"])
    test, tta = (f"{100 * np.mean(s):.2f} ± {100 * np.std(s, ddof=1):.2f}" for s in scores.T)
    assert row.startswith(f"| **default** | as it is | 784-16-10 | {test} | 12.50 | {tta} | 2 | ")
    assert row in Path("README.md").read_text()
    assert f"All rows are of code {results.code_digest()}." in page
    assert "| **teacher** | preprocess.validation_size: 0, train.hidden: [32] |" in page
    assert "| **student** | targets from teacher, temperature 2 |" in page
    assert "no-decay" not in page

    page = Path("experiments/ablations.md").read_text()
    base, changed = (
        np.array([row.validation_accuracy for row in ran if row.recipe == name]) for name in ("default", "no-decay")
    )
    gaps = 100 * (changed - base)
    gap = f"{gaps.mean():+.2f} ± {gaps.std(ddof=1) / 2**0.5:.2f}"
    assert f"| baseline | the recipe default | {tables.spread(base)} |  | 2 |" in page
    assert f"| no-decay | no weight decay | {tables.spread(changed)} | {gap} | 2 |" in page
    assert {path.name for path in Path("docs/figures").iterdir()} == {
        "error_by_recipe.png",
        "augmentations.png",
        "frequencies.png",
    }


def test_the_same_results_give_the_same_bytes(ran):
    def written():
        tables.tables()
        paths = [Path("README.md"), *Path("experiments").glob("*.md"), *Path("docs/figures").iterdir()]
        return {path: path.read_bytes() for path in paths}

    assert written() == written()


def provenance(rows, change=lambda row: row):
    known, trials = recipes.load()
    changed = [change(row) for row in rows]
    return tables.provenance(
        list(known), {name: [row for row in changed if row.recipe == name] for name in known}, trials
    )


def test_rows_of_different_code_are_reported(ran):
    assert len(provenance(ran).splitlines()) == 2
    mixed = provenance(ran, lambda row: replace(row, code="0ld") if (row.recipe, row.seed) == ("default", 1) else row)
    code = ran[0].code
    assert mixed.splitlines() == [
        f"Rows of code {code}: default, teacher, student, no-decay.",
        "Rows of code 0ld: default.",
        "Code is the digest of the source files that a result depends on.",
        "Seeds of different code: default.",
    ]


def test_rows_of_older_settings_and_missing_ones_are_reported(ran):
    text = recipes.RECIPES.read_text().replace("weight_decay: 0.0", "weight_decay: 0.1")
    recipes.RECIPES.write_text(text.replace("seeds: 2", "seeds: 3", 1))
    assert provenance(ran).splitlines()[2:] == [
        "Rows of older settings: no-decay.",
        "Missing rows: default (1).",
    ]


def test_an_incomplete_table_is_written(ran):
    results.write(row for row in ran if row.recipe != "student" and row.seed == 0)
    tables.tables()
    assert "| no-decay | no weight decay | " in Path("experiments/ablations.md").read_text()
    assert "Missing rows: default (1), student (1)." in Path("experiments/recipes.md").read_text()


def test_a_readme_without_the_marks_is_one_line(ran):
    Path("README.md").write_text("# No table here\n")
    with pytest.raises(ValueError, match=r"^README\.md: lacks the lines <!-- recipes: "):
        tables.tables()


def test_the_committed_tables_say_what_the_results_say(monkeypatch):
    monkeypatch.chdir(project.ROOT)
    rows = results.read()
    known = recipes.load()[0]
    assert {row.recipe for row in rows} >= set(known)
    for name, recipe in known.items():
        scores = [row.validation_accuracy if recipe.base else row.test_accuracy for row in rows if row.recipe == name]
        percent = 100 * np.array(scores)
        cell = f"{percent.mean():.2f}" + (f" ± {percent.std(ddof=1):.2f}" if len(percent) > 1 else "")
        pages = ["ablations.md"] if recipe.base else ["recipes.md", "../README.md"]
        for page in pages:
            start = f"| {name} |" if recipe.base else f"| **{name}** |"
            lines = Path("experiments", page).read_text().splitlines()
            (line, *_) = [line for line in lines if line.startswith(start)]
            assert line.startswith(f"{start} {recipe.about} | ")
            assert f" | {cell} | " in line
