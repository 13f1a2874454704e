"""Recipes: parameters with changes; their trials, keys, and pages."""

from contextlib import nullcontext
from pathlib import Path

import pytest

from experiments.pages import mean_and_sd
from experiments.recipes import resolve, tables
from stages.pipeline import files
from stages.pipeline.yaml_reader import load
from stages.report import style
from tests.helpers import project


def test_every_recipe_has_its_seeds_in_the_order_of_the_file(lab):
    _, trials = resolve.load()
    names = ["default, seed 0", "default, seed 1", "wide, seed 0", "no-decay, seed 0", "no-decay, seed 1"]
    assert list(map(str, trials)) == names
    assert len({trial.key for trial in trials}) == len(trials)
    assert [trial.tested for trial in trials] == [True] * 3 + [False] * 2
    assert resolve.load(["wide"])[1] == [trials[2]]
    entry = load(Path("data/catalog.yaml"))[0]["drawn"]
    assert trials[0].data == [entry["classes"], [entry["files"][role]["sha256"] for role in project.ROLES]]
    project.set_params(lab, {"train": {"epochs": "none", "seed": -1}})
    with pytest.raises(ValueError, match=r"^train.seed: must be >= 0.*\ntrain.epochs: must be a whole number") as error:
        resolve.load()
    assert len(str(error.value).splitlines()) == 2  # not for each recipe


def test_changes_are_merged_key_by_key(lab):
    warps = "{rotation: 1, scaling: 0.1, shear: 0.1, shift: 2.0, elastic: 0.5}"
    resolve.RECIPES.write_text(f"""
default: {{about: "", seeds: 1, change: {{train: {{augmentation: {warps}, epochs: 3}}}}}}
part: {{about: "", seeds: 1, base: default, change: {{train: {{augmentation: {{shift: 0.0}}}}}}}}
none: {{about: "", seeds: 1, base: default, change: {{train: {{augmentation: null}}}}}}
""")
    default, part, none = (trial.settings for trial in resolve.load()[1])
    merged = {"rotation": 1.0, "scaling": 0.1, "shear": 0.1, "shift": 0.0, "elastic": 0.5}
    assert part["train"] == {**default["train"], "augmentation": merged}
    assert none["train"] == {**default["train"], "augmentation": None}
    assert default["train"]["epochs"] == 3
    assert default["preprocess"] == part["preprocess"] == none["preprocess"]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        (
            """
some: {about: "", change: {train: {seed: 4}}}
first: {about: "", base: some}
second: {about: "", base: first}
""",
            [
                "some.change.train.seed: unknown; `seeds` of the recipe sets how many seeds are run (F line 2)",
                "second.base: must be a recipe that has no base, got first (F line 4)",
            ],
        ),
        (
            """
default: {about: "", change: {train: {epochs: 0, epoch: 3}}}
mine: {about: "", change: {fetch: {dataset: mine}}}
""",
            [
                "default.change.train.epochs: must be >= 1, got 0 (F line 2)",
                "default.change.train.epoch: unknown, did you mean epochs? (F line 2)",
                "mine: fetch.dataset: mine is not in data/catalog.yaml; it has mnist, fashion-mnist, drawn, traced",
            ],
        ),
    ],
)
def test_all_problems_are_reported_before_anything_runs(lab, text, messages):
    resolve.RECIPES.write_text(text)
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared below
        resolve.load()
    assert str(error.value).replace(str(resolve.RECIPES), "F").splitlines() == messages


def test_a_gap_is_taken_seed_by_seed():
    assert tables.gap_to({0: 0.5, 1: 0.6, 2: 0.7}, {0: 0.51, 2: 0.73, 3: 0.9}) == "+2.00 ± 1.00"
    assert tables.gap_to({0: 0.5, 1: 0.6}, {1: 0.5}) == ""
    assert [mean_and_sd(values) for values in ([], [0.5], [0.5, 0.52])] == ["", "50.00", "51.00 ± 1.41"]


def test_the_committed_pages_follow_from_the_committed_rows(monkeypatch):
    monkeypatch.chdir(project.ROOT)
    written = {}
    monkeypatch.setattr(files, "write_text", lambda path, text: written.update({Path(path): text}))
    monkeypatch.setattr(files, "atomic_write", nullcontext)
    monkeypatch.setattr(style, "save", lambda figure, path, dpi: written.update({Path(path): None}))
    tables.tables()
    assert len(written) == 3
    for path, text in written.items():
        assert path.exists() if text is None else path.read_text(encoding="utf-8") == text, "run `make recipes`"
