"""The length of a step: a factor for the learning rate at each progress from 0, the first step, to 1, the end."""

from collections.abc import Callable
from math import pi

from stages.nn.exact import cos

Schedule = Callable[[float], float]

WARMUP = 0.25  # fraction of the training in which one_cycle climbs
START = 0.04  # factor from which it climbs


def constant(progress: float) -> float:
    """The full learning rate all the time."""
    return 1.0


def linear(progress: float) -> float:
    """Down to zero along a straight line."""
    return 1 - progress


def cosine(progress: float) -> float:
    """Down to zero along half a cosine (Loshchilov and Hutter, 2017)."""
    return float(1 + cos(pi * progress)) / 2


def one_cycle(progress: float) -> float:
    """Up along half a cosine for the first quarter, then down to zero along another (Smith and Topin, 2018)."""
    if progress < WARMUP:
        return START + (1 - START) * (1 - cosine(progress / WARMUP))
    return cosine((progress - WARMUP) / (1 - WARMUP))


SCHEDULES: dict[str, Schedule] = {"constant": constant, "linear": linear, "cosine": cosine, "one_cycle": one_cycle}
