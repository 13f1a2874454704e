"""The axes of a sweep: which values each parameter takes, listed or drawn."""

import itertools
import math
import zlib
from collections.abc import Mapping
from typing import Any

import numpy as np

DIGITS = 4  # significant digits of a drawn number: short to read, and the same on every machine
TRIES = 10_000  # draws, besides ten for each combination

Combination = dict[str, Any]  # a value for each axis


def check(values: Any) -> str:
    """Return what is wrong with the values of an axis; nothing if they can be used."""
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
