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

import itertools
import math
import statistics
import zlib
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from experiments.pages import mean_and_sd
from experiments.recipes import resolve
from experiments.recipes.resolve import check_settings, merge, unknown
from experiments.table import SWEEPS
from experiments.trial import NO_EFFECT, Row, Sections, Trial
from stages.pipeline import files, params
from stages.pipeline.yaml_reader import Lines, dotted
from stages.pipeline.yaml_reader import load as load_yaml

DIGITS = 4  # significant digits of a drawn number: short to read, and the same on every machine
TRIES = 10_000  # draws, besides ten for each combination

Combination = dict[str, Any]  # a value for each axis


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


@dataclass
class Candidate:
    """A combination in a rung: its trials, seed by seed, and their rows once they have run."""

    minimize: str
    trials: list[Trial]
    rows: list[Row] = field(default_factory=list)

    @property
    def scores(self) -> list[float]:
        """What each trial is to minimize, the error in percent or the loss; infinite if it failed."""
        loss = self.minimize == "validation_loss"
        values = [row.validation_loss if loss else row.validation_accuracy for row in self.rows]
        return [math.inf if value is None else value if loss else round(100 * (1 - value), 4) for value in values]

    @property
    def mean(self) -> float:
        """The mean over the seeds; infinite if one failed."""
        return statistics.fmean(self.scores)

    @property
    def values(self) -> dict[str, Any]:
        """What a figure shows it over: the values of the axes, and the mean seconds."""
        return self.trials[0].values | {"seconds": statistics.fmean(row.seconds or 0 for row in self.rows)}

    def __str__(self) -> str:
        digits = 4 if self.minimize == "validation_loss" else 2
        return mean_and_sd(self.scores, 1, digits) if math.isfinite(self.mean) else "failed"


@dataclass(frozen=True)
class Plan:
    """A sweep, checked and spelled out."""

    name: str
    sweep: Sweep
    base: Trial  # the first of the recipe: as it was recorded when the sweep was begun, else of today
    is_old: bool  # the recorded one differs from that of today
    trials: list[Trial]  # of each combination, with the first seed

    @property
    def record(self) -> Path:
        """The place where a sweep that has begun keeps its base."""
        return SWEEPS / f"{self.name}.json"

    @property
    def rungs(self) -> Sequence[int | None]:
        """The epochs of each rung; without halving, one rung with the epochs of each combination."""
        return self.sweep.halving.rungs if self.sweep.halving else [None]

    @property
    def axes(self) -> list[str]:
        """The parameters in which trials differ."""
        return [*self.sweep.axes, *(["train.epochs"] if self.sweep.halving else [])]

    def rung(self, trials: Sequence[Trial], epochs: int | None) -> list[Candidate]:
        """Return the combinations of these trials, each with all seeds and, if given, as many epochs."""
        if epochs:
            change, values = {"train": {"epochs": epochs}}, {"train.epochs": epochs}
            trials = [replace(t, settings=merge(t.settings, change), values=t.values | values) for t in trials]
        seeds = range(self.sweep.seeds)
        return [Candidate(self.sweep.minimize, [resolve.with_seed(t, seed) for seed in seeds]) for t in trials]

    def best(self, rung: Sequence[Candidate]) -> list[Candidate]:
        """Return the part of a rung that goes on to the next one, the best first; ties keep file order."""
        keep = self.sweep.halving.keep if self.sweep.halving else 1
        return ranked(rung)[: max(1, math.ceil(round(len(rung) * keep, 6)))]


def ranked(rung: Sequence[Candidate]) -> list[Candidate]:
    """Return candidates, the best first; ties keep file order."""
    return sorted(rung, key=lambda candidate: candidate.mean)


def names() -> list[str]:
    """Return the names of all sweeps."""
    return [path.stem for path in sorted(SWEEPS.glob("*.yaml"))]


def load(name: str) -> Plan:
    """Return the plan of the sweep with this name; ValueError with a line for every problem.

    A file with problems in its keys, or with an unknown base, is checked no further.
    """
    path = SWEEPS / f"{name}.yaml"
    if not path.is_file():
        raise ValueError(unknown(name, f"is not in {SWEEPS}", names()))
    sweep: Sweep = params.read_as(Sweep, path)
    _, lines = load_yaml(path)
    problems: list[str] = []

    def report(problem: str, *place: str) -> None:
        problems.append(f"{dotted(place)}: {problem} ({path} line {lines.get(place, 1)})")

    rungs = sweep.halving.rungs if sweep.halving else []
    if rungs != sorted(set(rungs)):
        report(f"must increase, got {rungs}", "halving", "rungs")
    if rungs and "train.epochs" in sweep.axes:
        report("cannot be an axis: the rungs of `halving` set the epochs", "axes", "train.epochs")
    if not sweep.axes:
        report("must have at least one axis", "axes")
    axes = {}
    for axis, values in sweep.axes.items():
        if problem := check_axis(axis, values, sweep.axes):
            report(problem, "axes", axis)
        else:
            axes[axis] = values
    drawn = any(isinstance(values, dict) for values in axes.values())
    if drawn and not sweep.trials:
        report("required: an axis is a distribution", "trials")

    today, trials = resolve.load([sweep.base])[1][0], dict[str, Trial]()
    base = recorded(name, today)
    identify = cache(resolve.find_data)
    of_axes: Lines = {tuple(axis.split(".")): lines["axes", axis] for axis in axes}
    for combination in combinations(axes, sweep.trials or (1 if drawn else None), sweep.sampling_seed):
        sections, rejected = check_settings(apply(base.settings, combination), (), path, of_axes)
        problems += rejected
        if rejected:
            continue
        if sections["preprocess"]["validation_size"] == 0:
            report("leaves no validation images to rank combinations by", "base")
        data = identify(sections["fetch"]["dataset"])
        trial = replace(base, name=name, settings=sections, data=data, tested=False, values=combination)
        if (other := trials.setdefault(trial.key, trial)) is not trial:
            report(f"{other.values} and {combination} are the same trial", "axes")
    if problems:
        raise ValueError("\n".join(dict.fromkeys(problems)))
    return Plan(name, sweep, base, base.key != today.key, list(trials.values()))


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


def check_axis(axis: str, values: Any, axes: Collection[str]) -> str:
    """Return what is wrong with an axis, one of `axes`, and its values; nothing if it can be used."""
    section, _, name = axis.partition(".")
    if section not in resolve.SECTIONS:
        known = [f"{each}.{key}" for each in resolve.SECTIONS for key in params.keys_at(resolve.schema(), (each,))]
        return unknown(axis, "is not a parameter of a trial", known)
    if axis == "train.seed":
        return "cannot be an axis: `seeds` sets how many seeds are run"
    if name in NO_EFFECT:
        return "cannot be an axis: it changes no result"
    if larger := [other for other in axes if axis.startswith(f"{other}.")]:
        return f"cannot be an axis together with {larger[0]}"
    if isinstance(values, list):
        distinct = len({repr(value) for value in values}) == len(values)
        return "" if values and distinct else f"must be a non-empty list without duplicates, got {values}"
    kind, numbers = next(iter(values.items())) if isinstance(values, dict) and len(values) == 1 else ("", None)
    types = {"uniform": (int, float), "log_uniform": (int, float), "integers": (int,)}.get(kind)
    if types is None:
        return f"must be a list of values, or one of uniform, log_uniform, integers with two numbers, got {values}"
    if not (isinstance(numbers, list) and len(numbers) == 2 and all(type(number) in types for number in numbers)):
        return f"{kind} must have two {'whole ' if kind == 'integers' else ''}numbers, got {numbers}"
    if numbers[0] >= numbers[1]:
        return f"{kind} must go from a number to a greater one, got {numbers}"
    return f"log_uniform must have numbers above 0, got {numbers}" if kind == "log_uniform" and numbers[0] <= 0 else ""


def draw(values: Any, rng: np.random.Generator) -> Any:
    """Return a value of an axis, at random."""
    if isinstance(values, list):
        return values[rng.integers(len(values))]
    ((kind, (low, high)),) = values.items()
    if kind == "integers":
        return int(rng.integers(low, high + 1))
    fraction = rng.random()
    number = low * (high / low) ** fraction if kind == "log_uniform" else low + fraction * (high - low)
    return float(f"{number:.{DIGITS}g}")


def combinations(axes: Mapping[str, Any], trials: int | None, seed: int) -> list[Combination]:
    """Return all combinations of lists; or that many, at random and all different.

    The first ones stay the same when more are asked for, and an axis keeps its values when another one is added.
    Raises ValueError when there are too few.
    """
    if all(isinstance(values, list) for values in axes.values()) and (
        trials is None or math.prod(map(len, axes.values())) <= trials
    ):
        return [dict(zip(axes, values, strict=True)) for values in itertools.product(*axes.values())]
    found: dict[str, Combination] = {}
    for number in range(TRIES + 10 * (trials or 0)):
        if len(found) == trials:
            break
        streams = {axis: np.random.default_rng([seed, zlib.crc32(axis.encode()), number]) for axis in axes}
        combination = {axis: draw(values, streams[axis]) for axis, values in axes.items()}
        found.setdefault(repr(combination), combination)
    if len(found) != trials:
        raise ValueError(f"trials: {trials} different combinations could not be drawn, only {len(found)}")
    return list(found.values())


def apply(sections: Sections, combination: Combination) -> Sections:
    """Return sections with the values of a combination."""
    for axis, value in combination.items():
        change: Any = value
        for key in reversed(axis.split(".")):
            change = {key: change}
        sections = merge(sections, change)
    return sections
