import numpy as np
import pytest

from stages.nn.network import multilayer_perceptron
from stages.nn.snapshots import dequantize, epochs_to_keep, parts, quantize

SIZES = (5, 7, 3)


def network(scale=1.0):
    made = multilayer_perceptron(SIZES)
    made.theta[:] = scale * np.random.default_rng(0).standard_normal(made.theta.size)
    return made


@pytest.mark.parametrize(
    ("epochs", "kept"),
    [
        (1, [0]),
        (2, [0, 1]),
        (4, [0, 1, 2, 3]),
        (8, [0, 1, 2, 3, 5]),
        (20, [0, 1, 2, 3, 6, 11]),
        (10**5, [0, 1, 10, 100, 1000, 10000]),
    ],
)
def test_snapshots_are_taken_ever_more_rarely(epochs, kept):
    assert epochs_to_keep(epochs) == kept


@pytest.mark.parametrize("scale", [1e-38, 1e-3, 1.0, 1e30])
def test_every_weight_moves_by_at_most_half_a_unit_of_its_array(scale):
    before, after = network(scale), network()
    numbers, units = quantize(before)
    dequantize(after, numbers, units)
    assert units.shape == (4,)
    for old, new, own, unit in zip(
        *(parts(v, before) for v in (before.theta, after.theta, numbers)), units, strict=True
    ):
        np.testing.assert_allclose(new, old, rtol=1e-6, atol=0.5001 * unit)
        assert np.abs(own).max() == 127
        assert unit == pytest.approx(np.abs(old).max() / 127)


def test_what_is_rounded_already_stays_as_it_is():
    made, again = network(), network()
    numbers, units = quantize(made)
    dequantize(made, numbers, units)
    dequantize(again, *quantize(made))
    np.testing.assert_allclose(again.theta, made.theta, rtol=1e-6)
    assert np.array_equal(quantize(made)[0], numbers)


def test_zeros_stay_zeros():
    made, other = network(), network()
    made.dense[0].b[:] = 0
    dequantize(other, *quantize(made))
    assert not other.dense[0].b.any()
    assert other.dense[1].b.any()


NUMBERS, UNITS = quantize(network())


@pytest.mark.parametrize(
    ("numbers", "units", "message"),
    [
        (NUMBERS[:-1], UNITS, "a snapshot must have 66 numbers of type int8"),
        (NUMBERS.astype(np.float32), UNITS, "a snapshot must have 66 numbers of type int8"),
        (NUMBERS, UNITS[:-1], "a snapshot must have 4 finite units of type float64"),
        (NUMBERS, UNITS.astype(np.float32), "a snapshot must have 4 finite units of type float64"),
        (NUMBERS, np.full(4, np.nan), "a snapshot must have 4 finite units of type float64"),
    ],
)
def test_a_snapshot_of_another_network_is_rejected(numbers, units, message):
    with pytest.raises(ValueError, match=f"^{message}$"):
        dequantize(network(), numbers, units)
