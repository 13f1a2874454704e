import numpy as np
import pytest

from stages.nn.optimizers import chain

THETA = np.array([1.0, 1.0])  # a weight and a bias


def directions(name, gradients, **options):
    """The directions of the weight and the bias for the same gradients."""
    steps = chain(name, 1, **options)
    return [steps(np.array([g, g]), THETA).tolist() for g in gradients]


@pytest.mark.parametrize(
    ("name", "options", "expected"),
    [
        ("gradient_descent", {}, [1, 2, -1]),
        ("momentum", {"momentum": 0.5}, [1, 2.5, 0.25]),
        ("nesterov", {"momentum": 0.5}, [1.5, 3.25, -0.875]),
        ("adam", {}, [1, (0.29 / 0.19) / np.sqrt(0.004999 / 0.001999)]),
    ],
)
def test_directions_by_hand(name, options, expected):
    found = directions(name, [1.0, 2.0, -1.0][: len(expected)], **options)
    np.testing.assert_allclose(found, np.transpose([expected, expected]), rtol=1e-7)


def test_the_order_in_the_chain():
    """Clip, then decay, then momentum; but AdamW decays last. The bias never decays."""
    options = {"weight_decay": 0.5, "clip_norm": 0.02}
    short = 0.02 / np.sqrt(2)
    assert directions("gradient_descent", [3.0], **options) == [pytest.approx([short + 0.5, short])]
    assert directions("nesterov", [3.0], momentum=0.5, **options) == [pytest.approx([1.5 * (short + 0.5), 1.5 * short])]
    assert directions("adam", [3.0], **options) == [pytest.approx([1, 1], rel=1e-5)]  # a step has the length 1
    assert directions("adamw", [3.0], **options) == [pytest.approx([1.5, 1], rel=1e-5)]
    assert directions("gradient_descent", [3.0, 0.0], clip_norm=5.0) == [[3, 3], [0, 0]]  # short ones are left alone
