import numpy as np
import pytest

from stages.nn.schedules import SCHEDULES, START, WARMUP, one_cycle


@pytest.mark.parametrize(
    ("name", "first", "last"), [("constant", 1, 1), ("linear", 1, 0), ("cosine", 1, 0), ("one_cycle", START, 0)]
)
def test_ends(name, first, last):
    assert SCHEDULES[name](0.0) == pytest.approx(first)
    assert SCHEDULES[name](1.0) == pytest.approx(last)


@pytest.mark.parametrize("name", SCHEDULES)
def test_within_zero_and_one_and_without_jumps(name):
    factors = np.array([SCHEDULES[name](progress) for progress in np.linspace(0, 1, 10001)])
    assert factors.min() >= 0
    assert factors.max() <= 1
    assert np.abs(np.diff(factors)).max() < 1e-3


def test_one_cycle_climbs_then_falls():
    assert one_cycle(WARMUP) == pytest.approx(1)
    assert one_cycle(WARMUP - 1e-9) == pytest.approx(1)
    factors = np.array([one_cycle(progress) for progress in np.linspace(0, 1, 101)])
    top = int(factors.argmax())
    assert top == 25
    assert (np.diff(factors[: top + 1]) > 0).all()
    assert (np.diff(factors[top:]) < 0).all()
