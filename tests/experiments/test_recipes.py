"""Recipes: parameters with changes; their trials and keys."""

import re
from pathlib import Path

import pytest

from experiments import recipes, results
from tests.helpers import project


def edit(path, old, new):
    text = Path(path).read_text()
    assert old in text
    Path(path).write_text(text.replace(old, new, 1))


def keys():
    return [trial.key for trial in recipes.load()[1]]


def write(text):
    Path("experiments/recipes.yaml").write_text(text)


def settings(name, seed=0):
    return next(t.settings for t in recipes.load()[1] if (t.recipe, t.seed) == (name, seed))


def test_every_recipe_has_its_seeds_in_the_order_of_the_file(lab):
    _, trials = recipes.load()
    assert list(map(str, trials)) == [
        "default, seed 0",
        "default, seed 1",
        "teacher, seed 0",
        "student, seed 0",
        "no-decay, seed 0",
        "no-decay, seed 1",
    ]
    assert len({trial.key for trial in trials}) == len(trials)
    assert [trial.tested for trial in trials] == [True] * 4 + [False] * 2
    assert trials[3].teacher.key == trials[2].key
    assert [trial.settings["train"]["seed"] for trial in trials] == [0, 1, 0, 0, 0, 1]


def test_changes_are_merged_key_by_key(lab):
    warps = "{rotation: 1, scaling: 0.1, shear: 0.1, shift: 2.0, elastic: 0.5}"
    write(f"""
default: {{about: "", change: {{train: {{augmentation: {warps}, epochs: 3}}}}}}
part: {{about: "", base: default, change: {{train: {{augmentation: {{shift: 0.0}}}}}}}}
none: {{about: "", base: default, change: {{train: {{augmentation: null}}}}}}
""")
    assert settings("part")["train"]["augmentation"] == {
        "rotation": 1.0,
        "scaling": 0.1,
        "shear": 0.1,
        "shift": 0.0,
        "elastic": 0.5,
    }
    assert settings("none")["train"]["augmentation"] is None
    assert settings("part")["train"]["epochs"] == settings("none")["train"]["epochs"] == 3
    assert settings("part")["preprocess"] == settings("default")["preprocess"]


def test_the_key_depends_on_parameters(lab):
    before = keys()
    edit("params.yaml", "  epochs: 8", "  epochs: 9")
    after = keys()
    assert not set(before) & set(after)
    edit("params.yaml", "  validation_size: 100", "  validation_size: 90")
    changed = [old != new for old, new in zip(after, keys(), strict=True)]
    assert changed == [True, True, False, True, True, True]  # the teacher sets its own


@pytest.mark.parametrize("key", ["classes", "sha256"])
def test_the_key_depends_on_the_data(lab, key):
    before = keys()
    head, entry = Path("data/catalog.yaml").read_text().split("\ndrawn:")
    if key == "classes":
        other = re.sub(r"(classes:\s+- '?)0", r"\1zero", entry, count=1)
    else:
        other = re.sub(r"sha256: \S{4}", "sha256: 0000", entry, count=1)
    assert other != entry
    Path("data/catalog.yaml").write_text(f"{head}\ndrawn:{other}")
    assert not set(before) & set(keys())


def test_the_key_of_a_student_depends_on_its_teacher(lab):
    before = keys()
    edit("experiments/recipes.yaml", "hidden: [32]", "hidden: [33]")
    changed = [old != new for old, new in zip(before, keys(), strict=True)]
    assert changed == [False, False, True, True, False, False]
    edit("experiments/recipes.yaml", "temperature: 2.0", "temperature: 3.0")
    assert keys()[3] != before[3]


def test_the_key_depends_on_nothing_else(lab):
    before, code = keys(), results.code_digest()
    edit("params.yaml", "  calibration_bins: 15", "  calibration_bins: 16")
    edit("params.yaml", "  blas_threads: 1", "  blas_threads: 2")
    project.set_params(Path.cwd(), {"fetch": {"directory": "tests/fixture"}})
    edit("params.yaml", "  learning_rate: 0.001", "  learning_rate: 1e-3")
    edit("params.yaml", "  weight_decay: 0.0001", "  weight_decay: 1.0e-4")
    edit("experiments/recipes.yaml", "about: as it is", "about: unchanged")
    edit("experiments/recipes.yaml", "goal: 12.5", "goal: 13")
    sources = Path("stages/download/sources.py")
    sources.write_text(sources.read_text() + "# A comment.\n")
    assert (keys(), results.code_digest()) == (before, code)
    layers = Path("stages/nn/layers.py")
    layers.write_text(layers.read_text() + "# A comment.\n")
    assert keys() == before
    assert results.code_digest() != code


def test_all_problems_are_reported_at_once(lab):
    write("""
default:
  about: as it is
  change:
    train: {epochs: 0, epoch: 3, seed: 4}
teacher:
  about: teaches
  seeds: 1
student:
  about: learns
  teacher: {recipe: teacher, seed: 1, temperature: 2.0}
pupil: {about: "", teacher: {recipe: student, seed: 0, temperature: 2.0}}
first: {about: "", base: default}
second: {about: "", base: first}
""")
    with pytest.raises(ValueError, match=r"default\.change\.train\.seed") as error:
        recipes.load()
    assert str(error.value).splitlines() == [
        "default.change.train.seed: unknown; `seeds` of the recipe says how many seeds are run "
        "(experiments/recipes.yaml line 5)",
        "student.teacher.seed: must be below the 1 of its recipe, got 1 (experiments/recipes.yaml line 11)",
        "pupil.teacher.recipe: must be a recipe that has no base and no teacher, got student "
        "(experiments/recipes.yaml line 12)",
        "second.base: must be a recipe that has no base, got first (experiments/recipes.yaml line 14)",
    ]


def test_parameters_are_checked_before_anything_runs(lab):
    write("""
default:
  about: as it is
  change:
    train: {epochs: 0, epoch: 3}
    preprocess: {deskew: 1}
mine:
  about: another data set
  change: {fetch: {dataset: mine}}
""")
    with pytest.raises(ValueError, match=r"default\.change") as error:
        recipes.load()
    assert str(error.value).splitlines() == [
        "default.change.preprocess.deskew: must be true or false, got 1 (experiments/recipes.yaml line 6)",
        "default.change.train.epochs: must be >= 1, got 0 (experiments/recipes.yaml line 5)",
        "default.change.train.epoch: unknown, did you mean epochs? (experiments/recipes.yaml line 5)",
        "mine: fetch.dataset: mine is not in data/catalog.yaml; it has mnist, fashion-mnist, drawn, traced",
    ]


def test_a_mistake_in_params_yaml_is_reported_once(lab):
    edit("params.yaml", "  epochs: 8", "  epochs: none")
    with pytest.raises(
        ValueError, match=r'^train.epochs: must be a whole number, got "none" \(params.yaml line \d+\)$'
    ):
        recipes.load()


def test_an_unknown_name_is_reported_with_the_nearest():
    with pytest.raises(ValueError, match=r"^quik is not in experiments/recipes\.yaml; did you mean quick\?$"):
        recipes.select(["quik"], {"quick": recipes.Recipe("")})


def test_the_recipes_of_the_project_are_accepted(monkeypatch):
    monkeypatch.chdir(project.ROOT)
    known, trials = recipes.load()
    assert sum(trial.recipe == "default" for trial in trials) == 10
    assert all(known[recipe.base].goal for recipe in known.values() if recipe.base)
