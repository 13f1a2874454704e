import numpy as np
import pytest

from stages.nn.layers import ACTIVATIONS, Dropout

X = np.array([[-1000.0, -1.0, 0.0, 0.5, 1000.0]])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("relu", [0, 0, 0, 0.5, 1000]),
        ("leaky_relu", [-10, -0.01, 0, 0.5, 1000]),
        ("tanh", [-1, -0.7615941559557649, 0, 0.46211715726000973, 1]),
        ("sigmoid", [0, 0.2689414213699951, 0.5, 0.6224593312018546, 1]),
    ],
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_activations_by_value(name, expected, dtype):
    y = ACTIVATIONS[name]().forward(X.astype(dtype))
    np.testing.assert_allclose(y, [expected], rtol=1e-6, atol=1e-7)
    assert y.dtype == dtype


def test_dropout_zeroes_the_given_fraction_and_keeps_the_mean():
    x = np.full((1000, 200), 3.0, np.float32)
    y = Dropout(0.25).forward(x, np.random.default_rng(0))
    assert np.mean(y == 0) == pytest.approx(0.25, abs=0.005)
    assert y.mean() == pytest.approx(3, abs=0.02)
    assert set(np.unique(y)) == {np.float32(0), np.float32(4)}
    assert y.dtype == np.float32


def test_dropout_is_off_in_evaluation():
    assert Dropout(0.9).forward(X) is X


def test_dropout_backward_uses_the_mask_of_forward():
    layer = Dropout(0.5)
    ones = np.ones((20, 20))
    y = layer.forward(ones, np.random.default_rng(0))
    assert np.array_equal(layer.backward(ones), y)
