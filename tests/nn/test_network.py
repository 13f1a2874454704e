import numpy as np
import pytest

from stages.nn.initializers import INITIALIZERS, he_normal
from stages.nn.layers import Dense, Dropout, ReLU
from stages.nn.network import Network, from_arrays, multilayer_perceptron


def test_parameters_are_views_of_theta():
    network = multilayer_perceptron([4, 3, 2])
    assert network.theta.size == network.grad.size == 4 * 3 + 3 + 3 * 2 + 2
    network.theta[:] = np.arange(network.theta.size)
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
    kinds = [type(layer) for layer in multilayer_perceptron([4, 3, 3, 2], dropout=0.5).layers]
    assert kinds == [Dense, ReLU, Dropout, Dense, ReLU, Dropout, Dense]
    assert [type(layer) for layer in multilayer_perceptron([4, 2], dropout=0.5).layers] == [Dense]


def test_forward_by_hand():
    network = Network([Dense(2, 2), ReLU(), Dense(2, 1)], np.float64)
    network.load(
        {
            "W1": np.array([[1.0, -1.0], [2.0, 1.0]]),
            "b1": np.array([0.5, 0.0]),
            "W2": np.array([[3.0], [4.0]]),
            "b2": np.array([-1.0]),
        }
    )
    assert network.forward(np.array([[1.0, 1.0], [-2.0, 0.0]])).tolist() == [[9.5], [7.0]]


@pytest.mark.parametrize("change", [{"W1": np.zeros((3, 4))}, {"b2": np.array([np.nan, 0.0])}, {"W2": None}], ids=str)
def test_a_wrong_parameter_is_rejected(change):
    network = multilayer_perceptron([4, 3, 2])
    parameters = {name: array for name, array in {**network.parameters(), **change}.items() if array is not None}
    with pytest.raises(ValueError, match=f"^{next(iter(change))} must be .* finite numbers$"):
        network.load(parameters)


@pytest.mark.parametrize(
    ("name", "variance"),
    [
        ("he_normal", 2 / 400),
        ("he_uniform", 2 / 400),
        ("glorot_normal", 2 / 700),
        ("glorot_uniform", 2 / 700),
    ],
)
def test_initializers_have_the_variance_of_their_papers(name, variance):
    W = INITIALIZERS[name](np.random.default_rng(0), 400, 300)
    assert W.shape == (400, 300)
    assert W.var() == pytest.approx(variance, rel=0.02)
    assert abs(W.mean()) < 4 * np.sqrt(variance / W.size)
    if name.endswith("uniform"):
        assert np.abs(W).max() <= np.sqrt(3 * variance)


def test_initialize_is_seeded_and_leaves_biases_at_zero():
    networks = [multilayer_perceptron([8, 4, 2]) for _ in range(3)]
    for network, seed in zip(networks, (1, 1, 2), strict=True):
        network.initialize(he_normal, np.random.default_rng(seed))
        assert not any(layer.b.any() for layer in network.dense)
    assert np.array_equal(networks[0].theta, networks[1].theta)
    assert not np.array_equal(networks[0].theta, networks[2].theta)


def test_predict_in_chunks_is_forward():
    network = multilayer_perceptron([5, 4, 3], dropout=0.5)
    network.initialize(he_normal, np.random.default_rng(0))
    x = np.random.default_rng(1).standard_normal((23, 5)).astype(np.float32)
    np.testing.assert_allclose(network.predict(x, chunk=5), network.forward(x), rtol=1e-5)
    assert network.predict(x[:0]).shape == (0, 3)


def model(**changes):
    network = multilayer_perceptron([4, 3, 2], "tanh")
    network.initialize(he_normal, np.random.default_rng(0))
    arrays = {**network.parameters(), "activation": np.array("tanh"), "arithmetic": np.array("fast"), **changes}
    return {name: array for name, array in arrays.items() if array is not None}


def test_a_network_is_rebuilt_from_its_arrays():
    arrays = model()
    network = from_arrays(arrays)
    assert all(np.array_equal(array, arrays[name]) for name, array in network.parameters().items())
    x = np.random.default_rng(1).standard_normal((3, 4)).astype(np.float32)
    expected = np.tanh(x @ arrays["W1"] + arrays["b1"]) @ arrays["W2"] + arrays["b2"]
    np.testing.assert_allclose(network.forward(x), expected, rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"W1": None, "b1": None}, "has no W1"),
        ({"b2": None}, "has no b2"),
        ({"activation": None}, "has no activation"),
        ({"activation": np.array("cubic")}, "its activation must be one of relu, "),
        ({"arithmetic": np.array("slow")}, "its arithmetic must be one of exact, fast"),
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


def test_a_network_in_exact_arithmetic_is_not_read_where_the_machine_is_not_exact(monkeypatch):
    def refuse():
        raise ArithmeticError("not here")

    monkeypatch.setattr("stages.nn.network.check_machine", refuse)
    from_arrays(model(arithmetic=np.array("fast")))
    with pytest.raises(ArithmeticError, match="not here"):
        from_arrays(model(arithmetic=np.array("exact")))
