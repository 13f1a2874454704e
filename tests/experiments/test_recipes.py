"""Recipes: parameters with changes; their trials, keys, and pages."""

import re
from pathlib import Path

import numpy as np
import pytest

from experiments.recipes import resolve, tables
from experiments.recipes import run as runner
from experiments.table import RESULTS, parse, read_lines
from experiments.trial import without_neutral
from tests.helpers import project


def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def keys():
    return [trial.key for trial in resolve.load()[1]]


def write(text):
    resolve.RECIPES.write_text(text)


def settings(name):
    return resolve.load([name])[1][0].settings


def test_every_recipe_has_its_seeds_in_the_order_of_the_file(lab):
    _, trials = resolve.load()
    names = ["default, seed 0", "default, seed 1", "teacher, seed 0", "student, seed 0"]
    assert list(map(str, trials)) == [*names, "no-decay, seed 0", "no-decay, seed 1"]
    assert len({trial.key for trial in trials}) == len(trials)
    assert [trial.tested for trial in trials] == [True] * 4 + [False] * 2
    assert [teacher.seed for teacher in trials[3].teachers] == [0, 1]
    assert trials[3].teachers[0] == trials[2]
    assert resolve.load(["student"])[1] == [trials[3]]


def test_changes_are_merged_key_by_key(lab):
    warps = "{rotation: 1, scaling: 0.1, shear: 0.1, shift: 2.0, elastic: 0.5}"
    write(f"""
default: {{about: "", change: {{train: {{augmentation: {warps}, epochs: 3}}}}}}
part: {{about: "", base: default, change: {{train: {{augmentation: {{shift: 0.0}}}}}}}}
none: {{about: "", base: default, change: {{train: {{augmentation: null}}}}}}
""")
    merged = {"rotation": 1.0, "scaling": 0.1, "shear": 0.1, "shift": 0.0, "elastic": 0.5}
    assert settings("part")["train"]["augmentation"] == merged
    assert settings("none")["train"]["augmentation"] is None
    assert settings("part")["train"]["epochs"] == settings("none")["train"]["epochs"] == 3
    assert settings("part")["preprocess"] == settings("default")["preprocess"]


def test_the_key_depends_on_what_is_computed(lab, monkeypatch):
    before = keys()
    edit("params.yaml", "  epochs: 8", "  epochs: 9")
    after = keys()
    assert not set(before) & set(after)
    edit("params.yaml", "  validation_size: 100", "  validation_size: 90")
    changed = [old != new for old, new in zip(after, keys(), strict=True)]
    assert changed == [True, True, False, True, True, True]  # the teacher sets its own
    before = keys()
    edit(resolve.RECIPES, "hidden: [32]", "hidden: [33]")
    taught = keys()
    assert [old != new for old, new in zip(before, taught, strict=True)] == [False, False, True, True, False, False]
    edit(resolve.RECIPES, "temperature: 2.0", "temperature: 3.0")
    assert [old != new for old, new in zip(taught, keys(), strict=True)] == [False] * 3 + [True] + [False] * 2
    monkeypatch.setattr("experiments.trial.BEHAVIOR", "other")
    assert not set(taught) & set(keys())


@pytest.mark.parametrize("old", [r"(classes:\s+- '?)0", r"sha256: \S{4}"])
def test_the_key_depends_on_the_data(lab, old):
    before = keys()
    head, entry = Path("data/catalog.yaml").read_text().split("\ndrawn:")
    other = re.sub(old, r"\1zero" if "(" in old else "sha256: 0000", entry, count=1)
    assert other != entry
    Path("data/catalog.yaml").write_text(f"{head}\ndrawn:{other}")
    assert not set(before) & set(keys())


def test_the_key_depends_on_nothing_else(lab):
    before = keys()
    edit("params.yaml", "  calibration_bins: 15", "  calibration_bins: 16")
    edit("params.yaml", "  blas_threads: 1", "  blas_threads: 2")
    project.set_params(Path.cwd(), {"fetch": {"directory": "tests/fixture"}})
    edit("params.yaml", "  learning_rate: 0.001", "  learning_rate: 1e-3")
    edit(resolve.RECIPES, "about: as it is", "about: unchanged")
    layers = Path("stages/nn/layers.py")
    layers.write_text(layers.read_text() + "# A comment.\n")
    assert keys() == before


def test_a_new_parameter_at_its_neutral_value_changes_no_key():
    old = {"epochs": 3, "augmentation": {"shift": 1.0}, "hidden": [8]}
    new = {**old, "augmentation": {"shift": 1.0, "blur": 0.0}, "limit": None, "mirror": False, "blas_threads": 4}
    assert without_neutral(new) == old
    assert without_neutral({"augmentation": {"shift": 0.0}}) == {"augmentation": {}}  # unlike null


def test_all_problems_are_reported_at_once(lab):
    write("""
default:
  about: as it is
  change:
    train: {epochs: 0, epoch: 3, seed: 4}
student:
  about: learns
  teachers: {recipes: [nobody], temperature: 2.0}
pupil: {about: "", teachers: {recipes: [student], temperature: 2.0}}
first: {about: "", base: default}
second: {about: "", base: first}
""")
    with pytest.raises(ValueError, match=r"default\.change\.train\.seed") as error:
        resolve.load()
    assert str(error.value).replace(str(resolve.RECIPES), "F").splitlines() == [
        "default.change.train.seed: unknown; `seeds` of the recipe sets how many seeds are run (F line 5)",
        "student.teachers.recipes: must be recipes that have no base and no teachers, got nobody (F line 8)",
        "pupil.teachers.recipes: must be recipes that have no base and no teachers, got student (F line 9)",
        "second.base: must be a recipe that has no base, got first (F line 11)",
    ]


def test_parameters_are_checked_before_anything_runs(lab):
    write("""
default:
  about: as it is
  change:
    train: {epochs: 0, epoch: 3}
    preprocess: {deskew: 1}
mine:
  about: different data
  change: {fetch: {dataset: mine}}
""")
    with pytest.raises(ValueError, match=r"default\.change") as error:
        resolve.load()
    assert str(error.value).replace(str(resolve.RECIPES), "F").splitlines() == [
        "default.change.preprocess.deskew: must be true or false, got 1 (F line 6)",
        "default.change.train.epochs: must be >= 1, got 0 (F line 5)",
        "default.change.train.epoch: unknown, did you mean epochs? (F line 5)",
        "mine: fetch.dataset: mine is not in data/catalog.yaml; it has mnist, fashion-mnist, drawn, traced",
    ]
    with pytest.raises(ValueError, match=r"^defualt is not in .*recipes\.yaml; did you mean default\?$"):
        resolve.load(["defualt"])


def test_a_mistake_in_params_yaml_is_reported_once(lab):
    edit("params.yaml", "  epochs: 8", "  epochs: none")
    with pytest.raises(
        ValueError, match=r'^train.epochs: must be a whole number, got "none" \(params.yaml line \d+\)$'
    ):
        resolve.load()


def test_the_pages_say_what_the_rows_say(lab, in_process):
    rows = runner.run(resolve.load(["default", "student", "no-decay"])[1])
    tables.tables()
    page = Path("experiments/recipes/recipes.md").read_text()
    (line,) = [line for line in page.splitlines() if line.startswith("| **default** | as it is |")]
    scores = np.array([(row.test_accuracy, row.tta_accuracy) for row in rows if row.recipe == "default"])
    test, tta = (f"{100 * np.mean(s):.2f} ± {100 * np.std(s, ddof=1):.2f}" for s in scores.T)
    assert line.startswith(f"| **default** | as it is | 784-16-10 | {test} | {tta} | 2 | ")
    assert line in Path("README.md").read_text()
    assert "no-decay" not in page
    assert "Not run yet" not in page

    page = Path("experiments/recipes/ablations.md").read_text()
    base, changed = (
        np.array([row.validation_accuracy for row in rows if row.recipe == name]) for name in ("default", "no-decay")
    )
    gaps = 100 * (changed - base)
    gap = f"{gaps.mean():+.2f} ± {gaps.std(ddof=1) / 2**0.5:.2f}"
    assert "| baseline | the recipe default | " in page
    mean_and_sd = f"{100 * changed.mean():.2f} ± {100 * changed.std(ddof=1):.2f}"
    assert f"| no-decay | no weight decay | {mean_and_sd} | {gap} | 2 |" in page

    def written():
        paths = [*Path("docs/figures").iterdir(), *Path("experiments/recipes").glob("*.md"), Path("README.md")]
        return {path: path.read_bytes() for path in paths}

    before = written()
    assert len(before) == 4
    tables.tables()
    assert written() == before

    edit(resolve.RECIPES, "weight_decay: 0.0", "weight_decay: 0.1")
    edit(resolve.RECIPES, "seeds: 2", "seeds: 3")
    tables.tables()
    assert "Not run yet: default (1).\n" in Path("experiments/recipes/recipes.md").read_text()
    page = Path("experiments/recipes/ablations.md").read_text()
    assert "Not run yet: no-decay (2).\n" in page
    assert "| no-decay | no weight decay |  |  | 0 |" in page
    Path("README.md").write_text("# No table here\n")
    with pytest.raises(ValueError, match=r"^the page has 0 sections recipes between comments, not 1$"):
        tables.tables()


def test_the_committed_pages_say_what_the_committed_rows_say(monkeypatch):
    monkeypatch.chdir(project.ROOT)
    known, trials = resolve.load()
    assert sum(trial.name == "default" for trial in trials) == 10
    rows = list(map(parse, read_lines(RESULTS)))
    pages = {name: (RESULTS.parent / name).read_text() for name in ("recipes.md", "ablations.md")}
    for name, recipe in known.items():
        scores = [row.validation_accuracy if recipe.base else row.test_accuracy for row in rows if row.recipe == name]
        page = pages["ablations.md" if recipe.base else "recipes.md"]
        if not scores:
            assert f"{name} (" in page.split("\nNot run yet: ")[1]
            continue
        percent = 100 * np.array(scores)
        cell = f"{percent.mean():.2f}" + (f" ± {percent.std(ddof=1):.2f}" if len(percent) > 1 else "")
        start = f"| {name} | {recipe.about} |" if recipe.base else f"| **{name}** | {recipe.about} |"
        (line, *_) = [line for line in page.splitlines() if start in line]
        assert f" | {cell} | " in line
        assert (line in Path("README.md").read_text()) == (name in tables.SHOWN)
