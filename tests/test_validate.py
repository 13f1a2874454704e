"""Beyond the schema: what `validate` warns about."""

import pytest

from stages.nn.optimizers import OPTIMIZERS, TYPICAL_RATES
from stages.validate import check_learning_rate


@pytest.mark.parametrize(
    ("optimizer", "learning_rate", "range_"),
    [("adam", 0.1, "1e-05 to 0.01"), ("nesterov", 3.0, "0.001 to 1")],
)
def test_a_learning_rate_that_does_not_fit_the_optimizer_is_reported(optimizer, learning_rate, range_, capsys):
    check_learning_rate(optimizer=optimizer, learning_rate=learning_rate, epochs=1)
    line = f"train.learning_rate is {learning_rate:g}; for {optimizer}, the usual range is {range_}"
    assert capsys.readouterr() == ("", f"validate: warning: {line}\n")


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_typical_learning_rates_are_not(optimizer, capsys):
    for learning_rate in TYPICAL_RATES[optimizer]:
        check_learning_rate(optimizer=optimizer, learning_rate=learning_rate, epochs=1)
    assert capsys.readouterr() == ("", "")
