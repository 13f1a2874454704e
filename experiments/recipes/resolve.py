"""From recipes.yaml to trials: a recipe is params.yaml with changes, a trial is a recipe with a seed."""

import difflib
from collections.abc import Callable, Collection, Iterable
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, Field, ValidationError

from experiments.trial import Sections, Trial
from stages.dataset.records import RAW_FILES
from stages.fetch import fetch, find_dataset
from stages.pipeline import params
from stages.pipeline.yaml_reader import Lines, Place
from stages.pipeline.yaml_reader import load as load_yaml
from stages.preprocess import preprocess
from stages.train import train

RECIPES = Path("experiments/recipes/recipes.yaml")
SECTIONS: dict[str, Callable[..., None]] = {"fetch": fetch, "preprocess": preprocess, "train": train}


@dataclass(frozen=True)
class Recipe:
    """An entry of recipes.yaml, which says what each field means."""

    about: str
    base: str | None = None
    goal: float | None = None
    change: dict[Literal["fetch", "preprocess", "train"], dict[str, Any]] = field(default_factory=dict)
    seeds: Annotated[int, Field(ge=1, le=1000)] = 10
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


def load(names: Collection[str] = ()) -> tuple[dict[str, Recipe], list[Trial]]:
    """Return all recipes, and the trials of those with these names, or of all, in the order of the file and the seeds.

    ValueError, with a line for every problem, unless these recipes make sense and the stages accept their parameters.
    """
    recipes: dict[str, Recipe] = params.read_as(dict[str, Recipe], RECIPES)
    _, lines = load_yaml(RECIPES)
    problems = [unknown(name, f"is not in {RECIPES}", recipes) for name in names if name not in recipes]
    problems += check_recipes(recipes, lines)
    if problems:
        raise ValueError("\n".join(problems))
    defaults: Sections = params.read_as(schema(), params.PARAMS).model_dump()
    identify = cache(find_data)

    @cache
    def resolve(name: str) -> Trial | None:
        """Return the first trial of a recipe; None, and problems, where the stages reject it."""
        recipe = recipes[name]
        base = recipes[recipe.base] if recipe.base else Recipe("")
        changed = merge(merge(defaults, base.change), recipe.change)
        sections, found = check_settings(changed, (name, "change"), RECIPES, lines)
        problems.extend(found)
        if found:
            return None
        try:
            data = identify(sections["fetch"]["dataset"])
        except ValueError as error:
            problems.append(f"{name}: {error}")
            return None
        return with_seed(Trial(name, sections, data, not recipe.base), 0)

    trials = [trial for name in recipes if not names or name in names if (trial := resolve(name))]
    if problems:
        raise ValueError("\n".join(problems))
    return recipes, [with_seed(trial, seed) for trial in trials for seed in range(recipes[trial.name].seeds)]


def with_seed(trial: Trial, seed: int) -> Trial:
    """Return the same trial with this seed."""
    return replace(trial, settings=merge(trial.settings, {"train": {"seed": seed}}))


def find_data(dataset: str) -> list[Any]:
    """Return what identifies a dataset: its classes, and the SHA-256 of its four files."""
    entry = find_dataset(dataset)
    return [entry.classes, [entry.files[role].sha256 for role in RAW_FILES]]


def check_recipes(recipes: dict[str, Recipe], lines: Lines) -> list[str]:
    """Return a line for every recipe that names a different one wrongly, or sets what is not its to set."""
    problems = []

    def report(problem: str, *place: str) -> None:
        problems.append(f"{'.'.join(place)}: {problem} ({RECIPES} line {lines[place]})")

    for name, recipe in recipes.items():
        if recipe.base and (recipe.base not in recipes or recipes[recipe.base].base):
            report(f"must be a recipe that has no base, got {recipe.base}", name, "base")
        if "seed" in recipe.change.get("train", {}):
            report("unknown; `seeds` of the recipe sets how many seeds are run", name, "change", "train", "seed")
    return problems


def merge(old: Any, new: Any) -> Any:
    """Return `new` in the place of `old`; mappings are merged key by key, at every depth."""
    if isinstance(old, dict) and isinstance(new, dict):
        return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}
    return new


def check_settings(sections: Sections, place: Place, path: Path, lines: Lines) -> tuple[Sections, list[str]]:
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


def unknown(name: str, problem: str, names: Iterable[str]) -> str:
    """Return a line about a name that is not one of `names`, with the nearest."""
    near = difflib.get_close_matches(name, names, n=1)
    return f"{name} {problem}; " + (f"did you mean {near[0]}?" if near else f"there are {', '.join(names) or 'none'}")
