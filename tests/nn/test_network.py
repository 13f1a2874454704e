import numpy as np
import pytest

from stages.nn.initializers import INITIALIZERS, he_normal
from stages.nn.layers import Dense, Dropout, ReLU
from stages.nn.network import Network, from_arrays, multilayer_perceptron


def test_parameters_are_views_of_theta():
    network = multilayer_perceptron([4, 3, 2])
    network.theta[:] = np.arange(4 * 3 + 3 * 2 + 3 + 2)
    named = network.parameters()
    assert list(named) == ["W1", "b1", "W2", "b2"]
    assert np.array_equal(named["W1"], np.arange(12).reshape(4, 3))
    assert np.array_equal(named["W2"], np.arange(12, 18).reshape(3, 2))
    assert np.array_equal(named["b1"], [18, 19, 20])
    assert np.array_equal(named["b2"], [21, 22])
    assert np.array_equal(network.weights, np.arange(18))
    assert network.dweights.base is network.grad
    assert network.dweights.size == 18
    named["b2"][1] = -5
    assert network.theta[-1] == -5


def test_order_of_layers():
    kinds = [type(layer) for layer in multilayer_perceptron([4, 3, 3, 2], dropout=0.5, input_dropout=0.1).layers]
    assert kinds == [Dropout, Dense, ReLU, Dropout, Dense, ReLU, Dropout, Dense]
    assert [type(layer) for layer in multilayer_perceptron([4, 2], dropout=0.5).layers] == [Dense]


def test_forward_and_backward_by_hand(monkeypatch):
    network = Network([Dense(2, 2), ReLU(), Dense(2, 1)], np.float64)
    W1, W2 = np.array([[1.0, -1.0], [2.0, 1.0]]), np.array([[3.0], [4.0]])
    network.load({"W1": W1, "b1": np.array([0.5, 0.0]), "W2": W2, "b2": np.array([-1.0])})
    monkeypatch.setattr(network.dense[0], "backward", None)  # no gradient of the pixels is computed
    assert network.forward(np.array([[1.0, 1.0], [-2.0, 0.0]])).tolist() == [[9.5], [7.0]]
    network.backward(np.array([[1.0], [0.5]]))
    assert network.grad.tolist() == [3, -4, 3, 0, 3.5, 1, 3, 2, 1.5]


@pytest.mark.parametrize(
    ("name", "variance"),
    [("he_normal", 2 / 400), ("he_uniform", 2 / 400), ("glorot_normal", 2 / 700), ("glorot_uniform", 2 / 700)],
)
def test_initializers_have_the_variance_of_their_papers(name, variance):
    W = INITIALIZERS[name](np.random.default_rng(0), 400, 300)
    assert W.shape == (400, 300)
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    if name.endswith("uniform"):
        assert np.abs(W).max() <= np.sqrt(3 * variance)


def test_scores_are_computed_in_float64():
    """So they are those of a plain forward pass with the parameters, whatever the chunks."""
    network = multilayer_perceptron([784, 64, 10], dropout=0.5)
    network.initialize(he_normal, np.random.default_rng(0))
    assert not any(layer.b.any() for layer in network.dense)
    x = np.random.default_rng(1).standard_normal((23, 784)).astype(np.float32)
    W1, b1, W2, b2 = (array.astype(float) for array in network.parameters().values())
    plain = np.maximum(x.astype(float) @ W1 + b1, 0) @ W2 + b2
    logits = network.predict(x, chunk=5)
    assert logits.dtype == np.float64
    np.testing.assert_allclose(logits, plain, atol=1e-5)
    assert np.abs(network.forward(x) - plain).max() > 1e-3  # in float32, and with 8 bits
    assert network.predict(x[:0]).shape == (0, 10)


def model(**changes):
    network = multilayer_perceptron([4, 3, 2], "tanh")
    network.initialize(he_normal, np.random.default_rng(0))
    arrays = {**network.parameters(), "activation": np.array("tanh"), **changes}
    return {name: array for name, array in arrays.items() if array is not None}


def test_a_network_is_rebuilt_from_its_arrays(monkeypatch):
    network = from_arrays(model())
    assert [type(layer).__name__ for layer in network.layers] == ["Dense", "Tanh", "Dense"]
    assert all(np.array_equal(array, model()[name]) for name, array in network.parameters().items())
    monkeypatch.setattr("stages.nn.network.check_machine", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        from_arrays(model())


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W1": None, "b1": None}, "has no W1"),
        ({"b2": None}, "has no b2"),
        ({"activation": None}, "has no activation"),
        ({"activation": np.array("cubic")}, "its activation must be one of relu, "),
        ({"arithmetic": np.array("exact")}, "made by version 1 of this project, .* make it again with `dvc repro`"),
        ({"W1": np.zeros((4, 0), np.float32), "b1": np.zeros(0, np.float32)}, "has a layer without units"),
        ({"W2": np.zeros((3, 2))}, "its weights are not matrices of float32"),
        ({"W1": np.zeros(12, np.float32)}, "its weights are not matrices of float32"),
        ({"W2": np.zeros((2, 2), np.float32)}, r"W2 must be \(3, 2\) finite numbers"),
        ({"b1": np.full(3, np.inf, np.float32)}, r"b1 must be \(3,\) finite numbers"),
    ],
    ids=str,
)
def test_arrays_that_make_no_network_are_rejected(changes, message):
    with pytest.raises(ValueError, match=f"^{message}"):
        from_arrays(model(**changes))
