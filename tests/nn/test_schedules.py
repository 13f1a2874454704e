import numpy as np
import pytest

from stages.nn.schedules import SCHEDULES, START, WARMUP


@pytest.mark.parametrize(
    ("name", "at", "factors"),
    [
        ("constant", [0, 0.5, 1], [1, 1, 1]),
        ("linear", [0, 0.5, 1], [1, 0.5, 0]),
        ("cosine", [0, 1 / 3, 0.5, 1], [1, 0.75, 0.5, 0]),
        ("one_cycle", [0, WARMUP / 2, WARMUP, 0.5 + WARMUP / 2, 1], [START, 0.5 + START / 2, 1, 0.5, 0]),
    ],
)
def test_schedules_by_value(name, at, factors):
    assert [SCHEDULES[name](progress) for progress in at] == pytest.approx(factors, abs=1e-15)
    steps = np.diff([SCHEDULES[name](progress) for progress in np.linspace(0, 1, 1001)])
    assert np.abs(steps).max() < 1e-2  # no jumps
    assert (steps[: int(1000 * WARMUP)] >= 0).all() or name != "one_cycle"
    assert (steps[int(1000 * WARMUP) :] <= 0).all()
