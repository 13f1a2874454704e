"""The plan of a sweep, experiments/sweeps/NAME.yaml: which parameters take which values, and what is best.

    about: learning rate against weight decay
    base: default                 # the recipe that is changed
    axes:                         # paths of params.yaml
      train.learning_rate: {log_uniform: [0.01, 0.3]}
      train.weight_decay: [0.0, 1e-4, 1e-3]
    trials: 40                    # combinations, drawn at random; without it, all combinations of lists
    seeds: 3                      # of each combination, from 0 on
    minimize: validation_error    # or validation_loss
    halving: {rungs: [5, 20], keep: 0.25}

With `halving`, all combinations are trained with the whole schedule in as many epochs as the first rung has; the best
part of them goes on to the next rung, and so on (successive halving: Jamieson and Talwalkar, 2016).
"""

import json
import math
import statistics
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, Literal

from pydantic import Field

from experiments.pages import mean_and_sd
from experiments.recipes import resolve
from experiments.recipes.resolve import check_settings, merge, unknown
from experiments.sweeps import axes
from experiments.sweeps.axes import Combination
from experiments.table import SWEEPS
from experiments.trial import NO_EFFECT, Row, Sections, Trial
from stages.pipeline import files, params
from stages.pipeline.yaml_reader import dotted
from stages.pipeline.yaml_reader import load as load_yaml


@dataclass(frozen=True)
class Halving:
    """Short runs decide which combinations are trained for longer."""

    rungs: Annotated[list[Annotated[int, Field(ge=1)]], Field(min_length=2)]  # epochs
    keep: Annotated[float, Field(gt=0, le=1)]  # fraction of the combinations that goes on to the next rung
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


@dataclass(frozen=True)
class Sweep:
    """A sweep file."""

    about: str
    base: str
    axes: dict[str, Any]
    minimize: Literal["validation_error", "validation_loss"] = "validation_error"
    seeds: Annotated[int, Field(ge=1, le=1000)] = 1
    trials: Annotated[int, Field(ge=1, le=10**6)] | None = None
    sampling_seed: params.Seed = 0
    halving: Halving | None = None
    __pydantic_config__ = {"extra": "forbid"}  # noqa: RUF012 - read by pydantic


@dataclass(frozen=True)
class Plan:
    """A sweep, checked and spelled out."""

    name: str
    sweep: Sweep
    base: Trial  # the first of the recipe: as it was recorded when the sweep was begun, else of today
    is_old: bool  # the recorded one differs from that of today
    combinations: list[Combination]

    @property
    def record(self) -> Path:
        """The place where a sweep that has begun keeps its base."""
        return SWEEPS / f"{self.name}.json"

    @property
    def rungs(self) -> list[int | None]:
        """The epochs of each rung; without halving, one rung with the epochs of each combination."""
        return [*self.sweep.halving.rungs] if self.sweep.halving else [None]

    @property
    def axes(self) -> list[str]:
        """The parameters in which trials differ."""
        return [*self.sweep.axes, *(["train.epochs"] if self.sweep.halving else [])]

    def trials(self, combinations: Sequence[Combination]) -> list[Trial]:
        """Return the trials of these combinations, in order, seed by seed."""
        identify, trials = cache(resolve.find_data), []
        for combination in combinations:
            sections, _ = check_settings(apply(self.base.settings, combination), (), Path(), {})  # 1 for a float is 1.0
            data = identify(sections["fetch"]["dataset"])
            trial = replace(self.base, name=self.name, settings=sections, data=data, tested=False)
            trials += [resolve.with_seed(trial, seed) for seed in range(self.sweep.seeds)]
        return trials

    def kept(self, count: int) -> int:
        """Return how many of `count` combinations go on to the next rung."""
        keep = self.sweep.halving.keep if self.sweep.halving else 1
        return max(1, math.ceil(round(count * keep, 6)))

    def objective(self, row: Row) -> float:
        """Return what a trial is to minimize; infinite if it failed."""
        value = row.validation_loss if self.sweep.minimize == "validation_loss" else row.validation_accuracy
        if row.problem or value is None:
            return math.inf
        return value if self.sweep.minimize == "validation_loss" else round(1 - value, 6)

    def show(self, values: Sequence[float]) -> str:
        """Return the mean and the standard deviation of what is minimized."""
        if not all(map(math.isfinite, values)):
            return "failed"
        return mean_and_sd(values, 1, 4) if self.sweep.minimize == "validation_loss" else mean_and_sd(values)


class Rung:
    """Combinations that are trained for equally many epochs, and the rows of their trials once these have run."""

    def __init__(self, plan: Plan, combinations: Sequence[Combination], epochs: int | None) -> None:
        self.plan, self.epochs = plan, epochs
        self.combinations = [each | ({"train.epochs": epochs} if epochs else {}) for each in combinations]
        self.trials = plan.trials(self.combinations)  # seed by seed, combination by combination
        self.rows: list[Row] = []

    def by_combination(self) -> list[list[Row]]:
        """Return the rows of each combination, by seed."""
        seeds = self.plan.sweep.seeds
        return [self.rows[i : i + seeds] for i in range(0, len(self.rows), seeds)]

    def means(self) -> list[float]:
        """Return what each combination is to minimize, as a mean over its seeds; infinite if one failed."""
        return [statistics.fmean(map(self.plan.objective, rows)) for rows in self.by_combination()]

    def ranked(self) -> list[int]:
        """Return the indices of the combinations, the best one first; ties keep file order."""
        means = self.means()
        return sorted(range(len(means)), key=lambda i: (means[i], i))

    def cells(self) -> dict[str, dict[str, Any]]:
        """Return the values of the axes of each trial as cells of a table, by key."""
        seeds = self.plan.sweep.seeds
        return {trial.key: cells(self.combinations[i // seeds]) for i, trial in enumerate(self.trials)}


def cells(combination: Combination) -> dict[str, Any]:
    """Return values as cells of a table: text and numbers unchanged, everything else as in YAML."""
    return {key: value if isinstance(value, (str, float)) else json.dumps(value) for key, value in combination.items()}


def names() -> list[str]:
    """Return the names of all sweeps."""
    return [path.stem for path in sorted(SWEEPS.glob("*.yaml"))]


def load(name: str) -> Plan:
    """Return the plan of the sweep with this name; ValueError with a line for every problem."""
    path = SWEEPS / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(unknown(name, f"is not in {SWEEPS}", names()))
    content, lines = load_yaml(path)
    problems: list[str] = []

    def report(problem: str, *place: Any) -> None:
        problems.append(f"{dotted(place)}: {problem} ({path} line {lines.get(place, 1)})")

    sweep: Sweep | None = None
    try:
        sweep = params.read_as(Sweep, path)
    except ValueError as error:
        problems += str(error).splitlines()
    today: Trial | None = None
    try:
        today = resolve.load([str(content.get("base"))])[1][0]
    except ValueError as error:
        for line in str(error).splitlines():
            report(line, "base")
    trials, found = content.get("trials"), content.get("axes")
    found = found if isinstance(found, dict) else {}
    if not found:
        report("must have at least one axis", "axes")
    checked = {}
    for axis, values in found.items():
        if problem := check_axis(axis, values, found):
            report(problem, "axes", axis)
        else:
            checked[axis] = values
    if trials is None and any(isinstance(values, dict) for values in checked.values()):
        report("required: an axis is a distribution", "trials")
        trials = 1
    rungs = sweep.halving.rungs if sweep and sweep.halving else []
    if rungs != sorted(set(rungs)):
        report(f"must increase, got {rungs}", "halving", "rungs")
    if rungs and "train.epochs" in checked:
        report("cannot be an axis: the rungs of `halving` set the epochs", "axes", "train.epochs")
    if not today or not isinstance(trials, (int, NoneType)):
        raise ValueError("\n".join(problems))

    base = recorded(name, today)
    combinations = axes.combinations(checked, trials, content.get("sampling_seed", 0))
    of_axes = {tuple(axis.split(".")): lines["axes", axis] for axis in checked}
    for combination in combinations:
        sections, rejected = check_settings(apply(base.settings, combination), (), path, of_axes)
        problems += rejected
        if sections and sections["preprocess"]["validation_size"] == 0:
            report("leaves no validation images to rank combinations by", "base")
    if problems or not sweep:
        raise ValueError("\n".join(dict.fromkeys(problems)))
    plan = Plan(name, sweep, base, base.key != today.key, combinations)
    keys: dict[str, Combination] = {}
    for combination, trial in zip(combinations, plan.trials(combinations)[:: sweep.seeds], strict=True):
        if (other := keys.setdefault(trial.key, combination)) is not combination:
            raise ValueError(f"axes: {other} and {combination} are the same trial ({path} line {lines['axes',]})")
    return plan


def recorded(name: str, today: Trial) -> Trial:
    """Return the base of a sweep that has begun as it was then, with today's value of each parameter added since."""
    if not (path := SWEEPS / f"{name}.json").exists():
        return today
    then: Trial = files.read_json(path, Trial)
    settings = {
        section: {key: then.settings[section].get(key, value) for key, value in values.items()}
        for section, values in today.settings.items()
    }
    return replace(then, settings=settings) if then.name == today.name else today


def check_axis(axis: str, values: Any, others: Iterable[str]) -> str:
    """Return what is wrong with an axis, whatever its values are worth; nothing if it can be used."""
    section, _, name = axis.partition(".")
    if section not in resolve.SECTIONS:
        known = [f"{each}.{key}" for each in resolve.SECTIONS for key in params.keys_at(resolve.schema(), (each,))]
        return unknown(axis, "is not a parameter of a trial", known)
    if axis == "train.seed":
        return "cannot be an axis: `seeds` sets how many seeds are run"
    if name in NO_EFFECT:
        return "cannot be an axis: it changes no result"
    if larger := next((other for other in others if axis.startswith(f"{other}.")), None):
        return f"cannot be an axis together with {larger}"
    return axes.check(values)


def apply(sections: Sections, combination: Combination) -> Sections:
    """Return sections with the values of a combination."""
    for axis, value in combination.items():
        change: Any = value
        for key in reversed(axis.split(".")):
            change = {key: change}
        sections = merge(sections, change)
    return sections
