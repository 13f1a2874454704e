import numpy as np
import pytest

from stages.nn.layers import ACTIVATIONS, Dropout


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0, 0, 0, 0.5, 1000]),
        ("leaky_relu", [-10, -0.01, 0, 0.5, 1000]),
        ("tanh", [-1, -0.7615941559557649, 0, 0.46211715726000973, 1]),
        ("sigmoid", [0, 0.2689414213699951, 0.5, 0.6224593312018546, 1]),
    ],
)
@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_activations_by_value(name, expected, kind):
    y = ACTIVATIONS[name]().forward(np.array([[-1000.0, -1.0, 0.0, 0.5, 1000.0]], kind))
    np.testing.assert_allclose(y, [expected], rtol=1e-6, atol=1e-7)
    assert y.dtype == kind


def test_dropout_zeroes_the_given_fraction_and_keeps_the_mean():
    layer, x = Dropout(0.25), np.full((1000, 200), 3.0, np.float32)
    y = layer.forward(x, np.random.default_rng(0))
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.005)
    assert set(np.unique(y)) == {np.float32(0), np.float32(4)}
    assert y.dtype == np.float32
    assert np.array_equal(layer.backward(x), y)  # the same mask
    assert layer.forward(x) is x  # in evaluation
