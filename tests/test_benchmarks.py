"""The table of recipes: what its pipeline declares, and that a recipe is the pipeline with other parameters."""

import json
import shutil
from pathlib import Path

import numpy as np
import project
import pytest
from ruamel.yaml import YAML
from test_architecture import closure

from benchmarks import speed
from benchmarks.recipe import shifted
from benchmarks.strangers import centered, enlarged

BENCHMARKS = project.ROOT / "benchmarks"
STAGES = YAML(typ="safe").load(BENCHMARKS / "dvc.yaml")["stages"]
CELLS = [name for name, stage in STAGES.items() if "matrix" in stage]
RECIPES, ABLATIONS = (YAML(typ="safe").load(BENCHMARKS / f"{kind}.yaml") for kind in ("recipes", "ablations"))


def test_every_recipe_is_run_and_every_ablation_ten_times():
    recipes = [name for cell in CELLS if cell != "ablation" for name in STAGES[cell]["matrix"]["recipe"]]
    assert sorted(recipes) == sorted(RECIPES)
    assert STAGES["ablation"]["matrix"] == {"recipe": list(ABLATIONS), "seed": list(range(10))}


def test_declared_modules_are_the_imported_ones():
    used = {f"../{path}" for path in closure(project.ROOT, "benchmarks/recipe.py")} - {"../benchmarks/recipe.py"}
    assert set(STAGES["code"]["deps"]) == used | {"recipe.py"}


@pytest.mark.parametrize("name", CELLS)
def test_a_cell_declares_what_it_reads(name):
    assert STAGES[name]["deps"][:2] == ["../data/catalog.yaml", "code.txt"]
    assert STAGES[name]["deps"][2:] == (["models/teacher/0.npz"] if name == "student" else [])
    table = "ablations" if name == "ablation" else "recipes"
    sections = ["fetch", "preprocess", "train", "evaluate"]
    assert STAGES[name]["params"] == [{"../params.yaml": sections}, {f"{table}.yaml": ["${item.recipe}"]}]


def test_a_teacher_is_one_that_is_trained():
    taught = [recipe["teacher"] for recipe in RECIPES.values() if "teacher" in recipe]
    assert [f"models/{teacher['recipe']}/{teacher['seed']}.npz" for teacher in taught] == ["models/teacher/0.npz"]


@pytest.fixture
def lab(copy):
    """A copy of the project with recipes for its drawn digits."""
    shutil.copytree(BENCHMARKS, copy / "benchmarks", ignore=shutil.ignore_patterns("results", "models", ".dvc", "tmp*"))
    recipes = {
        "default": {"about": "as it is", "goal": 12.5},
        "teacher": {"about": "teaches", "change": {"preprocess": {"validation_size": 0}, "train": {"hidden": [32]}}},
        "pupil": {"about": "learns", "teacher": {"recipe": "teacher", "seed": 0, "temperature": 2.0}},
    }
    YAML().dump(recipes, copy / "benchmarks/recipes.yaml")
    YAML().dump({"whole": {"about": "whole"}}, copy / "benchmarks/ablations.yaml")
    (copy / "docs/figures").mkdir(parents=True)
    return copy


def test_recipes_and_their_table(lab):
    def run(*command):
        result = project.run(lab, "python", "-m", *command)
        assert result.returncode == 0, result.stderr

    for kind, name, seed in (
        ("recipes", "default", "0"),
        ("recipes", "default", "1"),
        ("recipes", "teacher", "0"),
        ("recipes", "pupil", "0"),
        ("ablations", "whole", "0"),
        ("ablations", "whole", "1"),
    ):
        run("benchmarks.recipe", kind, name, seed)

    # A recipe that changes nothing is the pipeline, to the last bit.
    scores = json.loads((lab / "benchmarks/results/recipes/default/0.json").read_text())
    assert scores["accuracy"] == json.loads((lab / "reports/metrics.json").read_text())["accuracy"]
    assert (lab / "benchmarks/models/default/0.npz").read_bytes() == (lab / "models/network.npz").read_bytes()
    # The seed counts; a pupil is another network than one that learns from labels, and has its shape.
    models = [np.load(lab / f"benchmarks/models/{name}.npz")["W1"] for name in ("default/0", "default/1", "pupil/0")]
    assert not np.array_equal(models[0], models[1])
    assert not np.array_equal(models[0], models[2])
    assert models[2].shape == models[0].shape
    assert json.loads((lab / "benchmarks/results/recipes/pupil/0.json").read_text())["accuracy"] > 0.5
    assert list((lab / "benchmarks").glob("tmp*")) == []

    run("benchmarks.recipe", "code")
    code = (lab / "benchmarks/code.txt").read_text()
    assert [line.split()[1] for line in code.splitlines()] == sorted(closure(project.ROOT, "benchmarks/recipe.py"))

    run("benchmarks.table")
    table = (lab / "benchmarks/recipes.md").read_text()
    assert "| **default** | as it is | 784-16-10 | " in table
    assert "| 12.50 | " in table
    assert "targets from teacher, temperature 2" in table
    assert "| **default** |" in (lab / "README.md").read_text()
    assert "| whole | whole | " in (lab / "benchmarks/ablations.md").read_text()
    assert {path.name for path in (lab / "docs/figures").iterdir()} == {"recipes.png", "augmentations.png"}


def test_the_mean_is_taken_over_images_moved_half_a_pixel():
    image = np.zeros((1, 25), np.float32)
    image[0, 12] = 1
    still, *moved = (view.reshape(5, 5) for view in shifted(image, (5, 5)))
    assert still[2, 2] == 1
    centers = {tuple((np.indices((5, 5)) * view).sum(axis=(1, 2))) for view in moved}
    assert centers == {(1.5, 2), (2.5, 2), (2, 1.5), (2, 2.5)}


def test_a_strange_digit_is_enlarged_and_centered_by_mass():
    image = np.zeros((1, 8, 8))
    image[0, 1:3, 5:7] = 100
    larger = enlarged(image)
    assert larger.shape == (1, 20, 20)
    assert larger.sum() == pytest.approx(image.sum() * 2.5**2)  # as much ink to the area
    framed = centered(larger)
    assert framed.shape == (1, 28, 28)
    rows, columns = np.indices((28, 28))
    center = [(axis * framed[0]).sum(dtype=float) / framed.sum(dtype=float) for axis in (rows, columns)]
    assert center == pytest.approx([13.5, 13.5], abs=0.5)


def test_the_committed_table_says_what_the_results_say():
    for name, recipe in RECIPES.items():
        accuracies = [
            100 * json.loads(path.read_text())["accuracy"]
            for path in sorted((BENCHMARKS / "results/recipes" / name).glob("*.json"))
        ]
        row = f"{np.mean(accuracies):.2f}"
        if len(accuracies) > 1:
            row += f" ± {np.std(accuracies, ddof=1):.2f}"
        for page in ("benchmarks/recipes.md", "README.md"):
            lines = [line for line in Path(project.ROOT, page).read_text().splitlines() if f"| **{name}** |" in line]
            assert f"| {row} |" in lines[0], name
        assert recipe["about"] in lines[0]


def test_the_readme_quotes_the_measured_ratios():
    data = json.loads(speed.RECORD.read_text())["measurements"]
    readme = (project.ROOT / "README.md").read_text()
    for words, threads in (("one thread", 1), ("two threads", 2)):
        seconds = {name: speed.epoch_seconds(data, name, 128, threads) for name in speed.CONTENDERS}
        own = seconds[speed.OURS]
        share = 100 * np.median(np.divide(seconds[speed.FLOOR], own))
        cells = [words, *(speed.ratios(seconds[name], own) for name in speed.PEERS), f"{share:.0f} %"]
        assert f"| {' | '.join(cells)} |" in readme
