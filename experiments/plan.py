"""The plan of a sweep, experiments/sweeps/NAME.yaml: which parameters take which values, and what is best.

    about: learning rate against weight decay
    base: default                 # the recipe that is changed
    axes:                         # paths of params.yaml
      train.learning_rate: {log_uniform: [0.01, 0.3]}
      train.weight_decay: [0.0, 1e-4, 1e-3]
    trials: 40                    # combinations, drawn at random; without it, all combinations of lists and ranges
    seeds: 3                      # of each combination, from 0 on
    minimize: validation_error    # or validation_loss
    halving: {rungs: [5, 20], keep: 0.25}

With `halving`, all combinations are trained with the whole schedule in as many epochs as the first rung says; the best
part of them goes on to the next rung, and so on (successive halving: Jamieson and Talwalkar, 2016).
"""

import difflib
import itertools
import json
import math
import statistics
import zlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from experiments import recipes, results
from experiments.recipes import Sections, Trial
from experiments.results import LOST, Row
from stages.pipeline import params
from stages.pipeline.yaml_reader import Lines, dotted
from stages.pipeline.yaml_reader import load as load_yaml

MANY = 10_000  # draws; values of an axis that are listed
DIGITS = 4  # significant ones, of a number that is drawn: short to read, and the same on every machine
ELSEWHERE = {
    "train.seed": "`seeds` says how many seeds are run",
    "train.blas_threads": "it changes no result",
}

Combination = dict[str, Any]  # a value for each axis


@dataclass(frozen=True)
class Halving:
    """Short trainings decide which combinations are trained for longer."""

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
    base: Trial  # of the recipe, with seed 0
    combinations: list[Combination]

    @property
    def rungs(self) -> list[int | None]:
        """The epochs of each rung; without halving, one rung with the epochs that a combination says."""
        return [*self.sweep.halving.rungs] if self.sweep.halving else [None]

    def trials(self, combinations: Sequence[Combination], epochs: int | None = None) -> list[Trial]:
        """Return the trials of these combinations, in order, seed by seed; with as many epochs as a rung says."""
        data: dict[str, list[Any]] = {}
        trials = []
        for combination in combinations:
            changed = applied(self.base.settings, combination | ({"train.epochs": epochs} if epochs else {}))
            sections, _ = recipes.check_settings(changed, (), Path(), {})  # 1 for a float is 1.0
            dataset = sections["fetch"]["dataset"]
            data.setdefault(dataset, recipes.find_data(dataset))
            taught = self.base.teacher, self.base.temperature
            for seed in range(self.sweep.seeds):
                trials.append(recipes.make_trial(self.name, seed, sections, data[dataset], False, *taught))
        return trials

    def counts(self) -> list[int]:
        """Return the number of combinations of each rung."""
        counts = [len(self.combinations)]
        while len(counts) < len(self.rungs):
            counts.append(self.kept(counts[-1]))
        return counts

    @property
    def columns(self) -> list[str]:
        """The columns of the table of the sweep."""
        rung = ["train.epochs"] if self.sweep.halving else []
        return [*self.sweep.axes, *rung, *results.SWEEP_COLUMNS]

    def is_logarithmic(self, axis: str) -> bool:
        """Say whether the values of an axis are spread over magnitudes."""
        return isinstance(self.sweep.axes[axis], dict) and "log_uniform" in self.sweep.axes[axis]

    def kept(self, count: int) -> int:
        """Return how many of `count` combinations go on to the next rung."""
        keep = self.sweep.halving.keep if self.sweep.halving else 1
        return max(1, math.ceil(round(count * keep, 6)))

    def objective(self, row: Row) -> float:
        """Return what a trial is to minimize; infinite if it has failed."""
        value = row.validation_loss if self.sweep.minimize == "validation_loss" else row.validation_accuracy
        if row.problem or value is None:
            return math.inf
        return value if self.sweep.minimize == "validation_loss" else round(1 - value, 6)

    def answers(self, row: Row | None) -> bool:
        """Say whether a row says what the sweep wants to know of its trial."""
        return row is not None and (bool(row.problem) or math.isfinite(self.objective(row)))


class Rung:
    """Combinations that are trained for as many epochs each, and the rows of their trials."""

    def __init__(
        self, plan: Plan, combinations: Sequence[Combination], epochs: int | None, known: Mapping[str, Row]
    ) -> None:
        self.plan, self.combinations, self.epochs = plan, list(combinations), epochs
        self.trials = plan.trials(combinations, epochs)  # seed by seed, combination by combination
        self.rows = {trial.key: known[trial.key] for trial in self.trials if plan.answers(known.get(trial.key))}
        self.lost: dict[str, Row] = {}

    def add(self, row: Row) -> None:
        """Take the row of a trial."""
        (self.lost if row.problem.startswith(LOST) else self.rows)[row.key] = row

    def missing(self) -> list[Trial]:
        """Return the trials that have no row, or were lost."""
        return [trial for trial in self.trials if trial.key not in self.rows]

    def by_combination(self) -> list[list[Row]]:
        """Return the rows of each combination, by seed."""
        seeds, rows = self.plan.sweep.seeds, [self.rows[trial.key] for trial in self.trials]
        return [rows[i : i + seeds] for i in range(0, len(rows), seeds)]

    def means(self) -> list[float]:
        """Return what each combination is to minimize, as a mean over its seeds; infinite if one has failed."""
        return [statistics.fmean(map(self.plan.objective, rows)) for rows in self.by_combination()]

    def ranked(self) -> list[int]:
        """Return the indices of the combinations, the best one first; of equals, the earlier."""
        means = self.means()
        return sorted(range(len(means)), key=lambda i: (means[i], i))

    def best_so_far(self) -> str:
        """Return the least value so far of what is minimized, of any trial."""
        least = min(map(self.plan.objective, self.rows.values()), default=math.inf)
        return f"{100 * least:.2f} %" if self.plan.sweep.minimize == "validation_error" else f"{least:.4f}"

    def lines(self) -> Iterator[dict[str, Any]]:
        """Yield the lines of the table."""
        for i, trial in enumerate(self.trials):
            row = self.rows.get(trial.key) or self.lost.get(trial.key)
            if row:
                axes = {axis: cell(value) for axis, value in self.combinations[i // self.plan.sweep.seeds].items()}
                yield {
                    **axes,
                    **({"train.epochs": self.epochs} if self.epochs else {}),
                    **asdict(row),
                    "seed": trial.seed,
                }


def cell(value: Any) -> Any:
    """Return the value of an axis as a cell of a table: text and numbers as they are, all else as in YAML."""
    return value if isinstance(value, (str, float)) else json.dumps(value)


def names() -> list[str]:
    """Return the names of all sweeps."""
    return [path.stem for path in sorted(results.SWEEPS.glob("*.yaml"))]


def load(name: str) -> Plan:
    """Return the plan of the sweep with this name; ValueError with a line for every problem."""
    path = results.SWEEPS / f"{name}.yaml"
    if not path.is_file():
        near = difflib.get_close_matches(name, names(), n=1)
        hint = f"did you mean {near[0]}?" if near else f"there are {', '.join(names()) or 'none'}"
        raise ValueError(f"{path}: no such file; {hint}")
    sweep: Sweep = params.read_as(Sweep, path)
    _, lines = load_yaml(path)
    problems: list[str] = []

    def report(problem: str, *place: Any) -> None:
        line = next(lines[place[:n]] for n in range(len(place), -1, -1) if place[:n] in lines)
        problems.append(f"{dotted(place)}: {problem} ({path} line {line})")

    known, trials = recipes.load()
    base = next((trial for trial in trials if trial.recipe == sweep.base), None)
    if base is None:
        near = difflib.get_close_matches(sweep.base, known, n=1)
        report(f"no such recipe, {f'did you mean {near[0]}?' if near else f'there are {list(known)}'}", "base")
    if not sweep.axes:
        report("must have at least one axis", "axes")
    for axis, values in sweep.axes.items():
        if axis in ELSEWHERE:
            report(f"cannot be an axis: {ELSEWHERE[axis]}", "axes", axis)
        elif axis == "train.epochs" and sweep.halving:
            report("cannot be an axis: the rungs of `halving` say the epochs", "axes", axis)
        elif problem := problem_of(values):
            report(problem, "axes", axis)
        elif base:
            problems += check_axis(axis, values, base.settings, path, lines)
    if base and base.settings["preprocess"]["validation_size"] == 0:
        report(f"{sweep.base} has no validation images, by which a sweep is judged", "base")
    if not problems and 0 in (grid(sweep.axes.get("preprocess.validation_size", [])) or ()):
        report("0 leaves no validation images, by which a sweep is judged", "axes", "preprocess.validation_size")
    if base and base.teacher and not results.model_path(base.teacher).exists():
        report(f"its teacher has no model yet; run python -m experiments.run {base.teacher.recipe}", "base")
    if not problems and sweep.trials is None:
        for axis in [axis for axis, values in sweep.axes.items() if grid(values) is None]:
            report(f"is needed, the number of combinations to draw, because of {axis}", "trials")
    rungs = sweep.halving.rungs if sweep.halving else []
    if rungs != sorted(set(rungs)):
        report(f"must increase, got {rungs}", "halving", "rungs")
    if problems or base is None:
        raise ValueError("\n".join(dict.fromkeys(problems)))
    plan = Plan(name, sweep, base, combinations(sweep))
    for combination in plan.combinations:  # each value is accepted, but together they may not be
        _, problems = recipes.check_settings(applied(base.settings, combination), (), path, {})
        if problems:
            raise ValueError("\n".join(f"{combination}: {problem}" for problem in problems))
    return plan


def check_axis(axis: str, values: Any, base: Sections, path: Path, lines: Lines) -> list[str]:
    """Return a line for each value of an axis that the stages do not accept; of a distribution, its ends are tried."""
    place = tuple(axis.split("."))
    listed = grid(values)
    tried = list(enumerate(listed)) if isinstance(values, list) else [(None, v) for v in listed or ends(values)]
    problems = []
    for index, value in tried:
        key = ("axes", axis) if index is None else ("axes", axis, index)
        line = lines.get(key, lines["axes", axis])
        of_value = {place[:n]: line for n in range(1, len(place) + 1)}
        sections = applied(base, {axis: value})
        _, found = recipes.check_settings(sections, (), path, of_value)
        problems += [f"axes.{problem}" for problem in found]
    return list(dict.fromkeys(problems))


def applied(sections: Sections, combination: Combination) -> Sections:
    """Return sections with the values of a combination."""
    for axis, value in combination.items():
        change: Any = value
        for key in reversed(axis.split(".")):
            change = {key: change}
        sections = recipes.merged(sections, change)
    return sections


# What may stand for the values of an axis, beside a list: a mapping of one of these to two or three numbers.
DISTRIBUTIONS = {"uniform": 2, "log_uniform": 2, "integers": 2, "range": 3}


def problem_of(values: Any) -> str:
    """Return what is wrong with the values of an axis; nothing if they can be used."""
    if isinstance(values, list):
        different = len({repr(value) for value in values}) == len(values)
        return "" if values and different else f"must have at least one value, and none twice, got {values}"
    kinds = ", ".join(DISTRIBUTIONS)
    if not isinstance(values, dict) or len(values) != 1 or not set(values) <= set(DISTRIBUTIONS):
        return f"must be a list of values, or a mapping of one of {kinds} to numbers, got {values}"
    ((kind, numbers),) = values.items()
    plain = int if kind == "integers" else (int, float)
    if not isinstance(numbers, list) or len(numbers) != DISTRIBUTIONS[kind]:
        return f"{kind} must have {DISTRIBUTIONS[kind]} numbers, got {numbers}"
    if not all(isinstance(number, plain) and not isinstance(number, bool) for number in numbers):
        return f"{kind} must have {'whole ' if kind == 'integers' else ''}numbers, got {numbers}"
    low, high = numbers[:2]
    if low >= high:
        return f"{kind} must go from a number to a greater one, got {numbers}"
    if kind == "log_uniform" and low <= 0:
        return f"log_uniform must have numbers above 0, got {numbers}"
    if kind == "range" and numbers[2] <= 0:
        return f"range must have a step above 0, got {numbers}"
    return ""


def grid(values: Any) -> list[Any] | None:
    """Return all values of an axis; None for a distribution."""
    if isinstance(values, list):
        return values
    ((kind, numbers),) = values.items()
    if kind == "integers":
        return list(range(numbers[0], numbers[1] + 1)) if numbers[1] - numbers[0] < MANY else None
    if kind == "range":
        low, high, step = numbers
        count = math.floor((high - low) / step + 1e-9) + 1
        return [low + i * step if isinstance(low + step, int) else short(low + i * step, 12) for i in range(count)]
    return None


def ends(distribution: dict[str, list[Any]]) -> list[Any]:
    """Return the least and the greatest value that may be drawn."""
    ((kind, numbers),) = distribution.items()
    return numbers if kind == "integers" else [float(number) for number in numbers]


def draw(values: Any, rng: np.random.Generator) -> Any:
    """Return a value of an axis, at random."""
    listed = grid(values)
    if listed is not None:
        return listed[rng.integers(len(listed))]
    ((kind, (low, high)),) = values.items()
    if kind == "integers":
        return int(rng.integers(low, high + 1))
    fraction = rng.random()
    return short(low * (high / low) ** fraction if kind == "log_uniform" else low + fraction * (high - low), DIGITS)


def short(number: float, digits: int) -> float:
    """Return a number with so many significant digits."""
    return float(f"{number:.{digits}g}")


def combinations(sweep: Sweep) -> list[Combination]:
    """Return all combinations of lists and ranges, or as many as the sweep asks for, at random and all different.

    The first ones stay the same when more are asked for, and an axis keeps its values when another one is added.
    """
    grids = [grid(values) for values in sweep.axes.values()]
    finite = [values for values in grids if values is not None]
    size = math.prod(map(len, finite)) if len(finite) == len(grids) else math.inf
    if sweep.trials is None or size <= sweep.trials:
        return [dict(zip(sweep.axes, values, strict=True)) for values in itertools.product(*finite)]
    found: dict[str, Combination] = {}
    tries = itertools.islice(drawn(sweep), MANY + 10 * sweep.trials)
    while len(found) < sweep.trials and (combination := next(tries, None)):
        found.setdefault(repr(combination), combination)
    if len(found) < sweep.trials:
        raise ValueError(f"trials: {sweep.trials} different combinations could not be drawn, only {len(found)}")
    return list(found.values())


def drawn(sweep: Sweep) -> Iterator[Combination]:
    """Yield combinations at random; each axis has a stream of random numbers of its own."""
    for count in itertools.count():
        yield {
            axis: draw(values, np.random.default_rng([sweep.sampling_seed, zlib.crc32(axis.encode()), count]))
            for axis, values in sweep.axes.items()
        }
