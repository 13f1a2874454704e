"""Sweep files: what they ask for, and what is wrong with them."""

from dataclasses import asdict

import numpy as np
import pytest

from experiments.recipes import resolve
from experiments.sweeps import plan
from experiments.table import SWEEPS
from experiments.trial import Row
from stages.pipeline import files
from tests.helpers import project


def load(text, name="some"):
    (SWEEPS / f"{name}.yaml").write_text(f'about: ""\nbase: default\n{text}')
    return plan.load(name)


def drawn(text):
    return [trial.values for trial in load(text).trials]


def test_lists_make_all_combinations_in_order_with_the_keys_that_recipes_give(lab):
    of = load("axes: {train.hidden: [[16], [16, 8]], train.weight_decay: [0, 1e-3, 0.1]}\nseeds: 2\n")  # 0 is 0.0
    expected = [(hidden, decay) for hidden in ([16], [16, 8]) for decay in (0, 1e-3, 0.1)]
    assert [tuple(trial.values.values()) for trial in of.trials] == expected
    trials = [trial for candidate in of.rung(of.trials, None) for trial in candidate.trials]
    assert [trial.seed for trial in trials] == [0, 1] * 6
    assert [trial.settings["train"]["hidden"] for trial in trials] == [[16]] * 6 + [[16, 8]] * 6
    assert len({trial.key for trial in trials}) == 12
    assert not any(trial.tested for trial in trials)
    assert [trial.key for trial in trials[:2]] == [trial.key for trial in resolve.load(["no-decay"])[1]]


def test_distributions_are_drawn_within_their_bounds(lab):
    bounds = "train.learning_rate: {log_uniform: [0.001, 1.0]}, train.dropout: {uniform: [0.1, 0.3]}"
    values = drawn(
        f"axes: {{{bounds}, train.epochs: {{integers: [1, 3]}}, train.activation: [relu, tanh]}}\ntrials: 400\n"
    )
    rates, dropout, epochs, activations = zip(*(each.values() for each in values), strict=True)
    assert len(rates) == 400
    assert 0.001 <= min(rates) < 0.002 < 0.5 < max(rates) <= 1
    assert abs(np.median(np.log10(rates)) + 1.5) < 0.2
    assert 0.1 <= min(dropout) < 0.105 < 0.295 < max(dropout) <= 0.3
    assert {(type(number), number) for number in epochs} == {(int, 1), (int, 2), (int, 3)}
    assert set(activations) == {"relu", "tanh"}
    assert all(float(f"{rate:.4g}") == rate for rate in rates)


def test_more_trials_and_a_new_axis_keep_what_was_drawn(lab):
    rate, more = "axes: {train.learning_rate: {log_uniform: [0.001, 1.0]}", ", train.dropout: {uniform: [0, 0.5]}"
    few = drawn(f"{rate}}}\ntrials: 5\n")
    assert drawn(f"{rate}}}\ntrials: 9\n")[:5] == few
    both = drawn(f"{rate}{more}}}\ntrials: 5\n")
    assert [values["train.learning_rate"] for values in both] == [values["train.learning_rate"] for values in few]
    assert not any(values in few for values in drawn(f"{rate}}}\ntrials: 5\nsampling_seed: 1\n"))
    lists = "axes: {train.hidden: [[1], [2], [3]], train.epochs: [1, 2, 3]}\ntrials:"
    assert len({*map(repr, drawn(f"{lists} 7\n"))}) == 7
    assert len(drawn(f"{lists} 100\n")) == 9


def test_the_best_part_is_kept_and_a_failed_combination_is_the_worst(lab):
    of = load("axes: {train.hidden: [[1], [2], [3], [4], [5]]}\nseeds: 2\nhalving: {rungs: [2, 4], keep: 0.4}\n")
    rung = of.rung(of.trials, 2)
    assert {trial.settings["train"]["epochs"] for candidate in rung for trial in candidate.trials} == {2}
    for candidate, accuracies in zip(rung, [(0.5, 0.7), (0.9, 0.8), (0.6, 0.6), (0.9, 0.8), (0.9, 0.9)], strict=True):
        candidate.rows = [Row("some", 0, "", accuracy, 0.1) for accuracy in accuracies]

    def hidden(candidates):
        return [candidate.trials[0].values["train.hidden"] for candidate in candidates]

    assert hidden(plan.ranked(rung)) == [[5], [2], [4], [1], [3]]  # ties keep file order
    assert (hidden(of.best(rung)), hidden(of.best(rung[:1]))) == ([[5], [2]], [[1]])
    rung[4].rows[0] = Row("some", 0, "", problem="diverged")
    assert hidden(plan.ranked(rung)) == [[2], [4], [1], [3], [5]]
    assert list(map(str, (rung[0], rung[4]))) == ["40.00 ± 14.14", "failed"]
    rung[0].minimize = "validation_loss"
    assert str(rung[0]) == "0.1000 ± 0.0000"


def test_a_sweep_keeps_the_base_that_it_began_with(lab):
    text = "axes: {train.dropout: [0.1, 0.2]}\n"
    before = load(text)
    files.write_json(before.record, asdict(before.base))
    project.set_params(lab, {"train": {"epochs": 9, "weight_decay": 0.5}, "preprocess": {"validation_size": 90}})
    after = load(text)
    assert (before.is_old, after.is_old) == (False, True)
    assert after.trials == before.trials


AXES = """axes:
  learning_rate: [0.1]
  plot.dpi: [50]
  train.seed: [1, 2]
  train.blas_threads: [1]
  train.dropout: {log_uniform: [0, 0.5]}
  train.input_dropout: {normal: [0, 5]}
  train.batch_size: {integers: [8.0, 9.5]}
  train.momentum: {uniform: [0.9, 0.1]}
  train.hidden: []
  train.epochs: [1]
  train.weight_decay: {uniform: [0, 0.5]}
  train.augmentation.shift: [1.0]
  train.augmentation: [null]
halving: {rungs: [4, 2], keep: 0.5}
"""
WRONG_AXES = [
    "halving.rungs: must increase, got [4, 2] (F line 17)",
    "axes.train.epochs: cannot be an axis: the rungs of `halving` set the epochs (F line 13)",
    "axes.learning_rate: learning_rate is not a parameter of a trial; did you mean train.learning_rate? (F line 4)",
    "axes.plot.dpi: plot.dpi is not a parameter of a trial; there are fetch.dataset, fetch.directory, ",
    "axes.train.seed: cannot be an axis: `seeds` sets how many seeds are run (F line 6)",
    "axes.train.blas_threads: cannot be an axis: it changes no result (F line 7)",
    "axes.train.dropout: log_uniform must have numbers above 0, got [0, 0.5] (F line 8)",
    "axes.train.input_dropout: must be a list of values, or one of uniform, log_uniform, integers with",
    "axes.train.batch_size: integers must have two whole numbers, got [8.0, 9.5] (F line 10)",
    "axes.train.momentum: uniform must go from a number to a greater one, got [0.9, 0.1] (F line 11)",
    "axes.train.hidden: must be a non-empty list without duplicates, got [] (F line 12)",
    "axes.train.augmentation.shift: cannot be an axis together with train.augmentation (F line 15)",
    "trials: required: an axis is a distribution (F line 1)",
]
VALUES = "axes:\n  train.hidden: [[8], [0]]\n  train.momentum: [1.5]\n  train.epoch: [2]\n"
WRONG_VALUES = [
    "train.momentum: must be < 1, got 1.5 (F line 5)",
    "train.epoch: unknown, did you mean epochs? (F line 6)",
    "train.hidden[0]: must be >= 1, got 0 (F line 4)",
]
NARROW = "axes: {train.dropout: {uniform: [0.10001, 0.10002]}}\ntrials: 3"
ALIKE = "axes: {train.dropout: [0, 0.0], preprocess.validation_size: [0]}"
NONE = "base: leaves no validation images to rank combinations by (F line 2)"
SAME = "axes: {'train.dropout': 0, 'preprocess.validation_size': 0} and {'train.dropout': 0.0, "


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("axes: {}", ["axes: must have at least one axis (F line 3)"]),
        ("axes: {}\nminimise: loss", ["minimise: unknown, did you mean minimize? (F line 4)"]),
        (AXES, WRONG_AXES),
        (VALUES, WRONG_VALUES),
        (NARROW, ["trials: 3 different combinations could not be drawn, only 1"]),
        (ALIKE, [NONE, SAME]),
    ],
)
def test_all_that_is_wrong_is_said_with_its_line(lab, text, messages):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared below
        load(text)
    lines = str(error.value).replace(str(SWEEPS / "some.yaml"), "F").splitlines()
    assert [line[: len(message)] for line, message in zip(lines, messages, strict=True)] == messages


def test_an_unknown_sweep_and_an_unknown_base_are_one_line_with_the_nearest(lab):
    load("axes: {train.dropout: [0.1]}")
    with pytest.raises(ValueError, match=r"^sone is not in experiments/sweeps; did you mean some\?$"):
        plan.load("sone")
    resolve.RECIPES.write_text('defualt: {about: ""}\n')
    with pytest.raises(ValueError, match=r"^default is not in .*recipes\.yaml; did you mean defualt\?$"):
        plan.load("some")
