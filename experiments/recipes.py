"""The recipes of recipes.yaml and the trials that they ask for: a trial is a recipe with a seed.

The key of a trial is the digest of what its result depends on, code and machine aside: the data, the merged parameters,
the seed, and the teacher. Where the data comes from and the number of threads do not count.
"""

import difflib
import hashlib
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from stages.dataset.records import RAW_FILES
from stages.fetch import fetch, find_dataset
from stages.pipeline import params
from stages.pipeline.yaml_reader import Lines
from stages.pipeline.yaml_reader import load as load_yaml
from stages.preprocess import preprocess
from stages.train import train

RECIPES = Path("experiments/recipes.yaml")
SECTIONS: dict[str, Callable[..., None]] = {"fetch": fetch, "preprocess": preprocess, "train": train}

Sections = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Teacher:
    """A network whose outputs, softened by a temperature, are the targets."""

    recipe: str
    seed: Annotated[int, Field(ge=0)]
    temperature: Annotated[float, Field(gt=0)]
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


@dataclass(frozen=True)
class Recipe:
    """An entry of recipes.yaml, which says what each field means."""

    about: str
    base: str | None = None
    goal: float | None = None
    change: dict[Literal["fetch", "preprocess", "train"], dict[str, Any]] = field(default_factory=dict)
    teacher: Teacher | None = None
    seeds: Annotated[int, Field(ge=1, le=1000)] = 10
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


@dataclass(frozen=True)
class Trial:
    """One training: a recipe with a seed."""

    recipe: str
    seed: int
    settings: Sections  # fetch, preprocess and train
    data: list[Any]  # the classes of the data set, and the SHA-256 of its four files
    tested: bool  # scored on the test images, too
    teacher: "Trial | None"
    temperature: float  # of the teacher
    key: str

    def __str__(self) -> str:
        return f"{self.recipe}, seed {self.seed}"


def load() -> tuple[dict[str, Recipe], list[Trial]]:
    """Return the recipes, and their trials in the order of the file and of the seeds.

    ValueError, with a line for every problem, unless each recipe makes sense and the stages accept its parameters.
    """
    recipes: dict[str, Recipe] = params.read_as(dict[str, Recipe], RECIPES)
    _, lines = load_yaml(RECIPES)
    if problems := check_recipes(recipes, lines):
        raise ValueError("\n".join(problems))

    given, params_lines = load_yaml(params.PARAMS)
    defaults, problems = check_settings(given, (), params.PARAMS, params_lines)
    settings: dict[str, Sections] = {}
    for name, recipe in recipes.items() if not problems else ():
        base = merged(defaults, recipes[recipe.base].change) if recipe.base else defaults
        settings[name], more = check_settings(merged(base, recipe.change), (name, "change"), RECIPES, lines)
        problems += more
    data: dict[str, Any] = {}
    for name, sections in settings.items():
        dataset = sections.get("fetch", {}).get("dataset")
        if dataset is not None and dataset not in data:
            data[dataset] = None  # reported once
            try:
                data[dataset] = find_data(dataset)
            except ValueError as error:
                problems.append(f"{name}: {error}")
    if problems:
        raise ValueError("\n".join(problems))

    def trial(name: str, seed: int) -> Trial:
        recipe, sections = recipes[name], settings[name]
        taught = recipe.teacher or (recipes[recipe.base].teacher if recipe.base else None)
        teacher, temperature = (trial(taught.recipe, taught.seed), taught.temperature) if taught else (None, 1.0)
        digits = data[sections["fetch"]["dataset"]]
        return make_trial(name, seed, sections, digits, not recipe.base, teacher, temperature)

    return recipes, [trial(name, seed) for name, recipe in recipes.items() for seed in range(recipe.seeds)]


def make_trial(
    name: str,
    seed: int,
    sections: Sections,
    data: list[Any],
    tested: bool,
    teacher: Trial | None = None,
    temperature: float = 1.0,
) -> Trial:
    """Return the trial with these parameters and this seed."""
    sections = merged(sections, {"train": {"seed": seed}})
    training = {key: value for key, value in sections["train"].items() if key != "blas_threads"}
    key = digest([data, sections["preprocess"], training, teacher and [teacher.key, temperature]])
    return Trial(name, seed, sections, data, tested, teacher, temperature, key)


def find_data(dataset: str) -> list[Any]:
    """Return what identifies the data of a data set: its classes, and the SHA-256 of its four files."""
    entry = find_dataset(dataset)
    return [entry.classes, [entry.files[role].sha256 for role in RAW_FILES]]


def check_recipes(recipes: dict[str, Recipe], lines: Lines) -> list[str]:
    """Return a line for every recipe that names another one wrongly, or sets what is not its to set."""
    problems = []

    def report(problem: str, *place: str) -> None:
        problems.append(f"{'.'.join(place)}: {problem} ({RECIPES} line {lines[place]})")

    for name, recipe in recipes.items():
        if recipe.base is not None and (recipe.base not in recipes or recipes[recipe.base].base):
            report(f"must be a recipe that has no base, got {recipe.base}", name, "base")
        if "seed" in recipe.change.get("train", {}):
            report("unknown; `seeds` of the recipe says how many seeds are run", name, "change", "train", "seed")
        if recipe.teacher:
            teacher, seed = recipes.get(recipe.teacher.recipe), recipe.teacher.seed
            if teacher is None or teacher.base or teacher.teacher:
                message = f"must be a recipe that has no base and no teacher, got {recipe.teacher.recipe}"
                report(message, name, "teacher", "recipe")
            elif seed >= teacher.seeds:
                report(f"must be below the {teacher.seeds} of its recipe, got {seed}", name, "teacher", "seed")
    return problems


def merged(old: Any, new: Any) -> Any:
    """Return `new` in the place of `old`; mappings are merged key by key, at every depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merged(old.get(key), value) for key, value in new.items()}}
    return new


def check_settings(sections: Sections, place: tuple[str, ...], path: Path, lines: Lines) -> tuple[Sections, list[str]]:
    """Return sections as the stages take them, where 1 for a float is 1.0, and a line for everything they reject."""
    below = {other[len(place) :]: line for other, line in lines.items() if other[: len(place)] == place}
    try:
        return schema().model_validate(sections).model_dump(), []
    except ValidationError as error:
        prefix = "".join(f"{key}." for key in place)
        return {}, [prefix + params.explain(each, schema(), path, below) for each in error.errors()]


@cache
def schema() -> type[BaseModel]:
    """Return the schema of the sections."""
    return params.schema_of(list(SECTIONS.values()), extra="ignore")


def digest(value: Any) -> str:
    """Return the first 16 hexadecimal digits of the SHA-256 of a value that JSON can hold."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


def select(names: list[str], recipes: dict[str, Recipe]) -> list[str]:
    """Return `names`, or those of all recipes if there are none; ValueError for one that is no recipe."""
    for name in names:
        if name not in recipes:
            near = difflib.get_close_matches(name, recipes, n=1)
            hint = f"did you mean {near[0]}?" if near else f"it has {', '.join(recipes)}"
            raise ValueError(f"{name} is not in {RECIPES}; {hint}")
    return names or list(recipes)
