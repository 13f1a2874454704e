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

NONE = "is not a parameter of a trial"
BASE = 'about: ""\nbase: default\n'


def load(text, name="some"):
    (SWEEPS / f"{name}.yaml").write_text(text if "base:" in text else BASE + text)
    return plan.load(name)


def test_lists_make_all_combinations_in_order(lab):
    of = load("axes: {train.hidden: [[8], [16, 8]], train.learning_rate: [0.1, 0.2, 0.3]}\nseeds: 2\n")
    expected = [(hidden, rate) for hidden in ([8], [16, 8]) for rate in (0.1, 0.2, 0.3)]
    assert [tuple(each.values()) for each in of.combinations] == expected
    trials = of.trials(of.combinations)
    assert [trial.seed for trial in trials] == [0, 1] * 6
    assert [trial.settings["train"]["hidden"] for trial in trials] == [[8]] * 6 + [[16, 8]] * 6
    assert {trial.settings["train"]["epochs"] for trial in trials} == {8}
    assert len({trial.key for trial in trials}) == 12
    assert not any(trial.tested for trial in trials)


def test_a_trial_has_the_key_of_the_same_trial_of_a_recipe(lab):
    of = load("axes: {train.weight_decay: [0, 1e-3]}\nseeds: 2\n")  # 0 is 0.0
    of_recipe = [trial.key for trial in resolve.load(["no-decay"])[1]]
    assert [trial.key for trial in of.trials(of.combinations)][:2] == of_recipe


def test_distributions_are_drawn_within_their_bounds(lab):
    of = load("""
axes:
  train.learning_rate: {log_uniform: [0.001, 1.0]}
  train.dropout: {uniform: [0.1, 0.3]}
  train.epochs: {integers: [1, 3]}
  train.activation: [relu, tanh]
trials: 400
""")
    rates, dropout, epochs, activations = zip(*(each.values() for each in of.combinations), strict=True)
    assert len(of.combinations) == 400
    assert 0.001 <= min(rates) < 0.002 < 0.5 < max(rates) <= 1
    assert abs(np.median(np.log10(rates)) + 1.5) < 0.2
    assert 0.1 <= min(dropout) < 0.105 < 0.295 < max(dropout) <= 0.3
    assert set(epochs) == {1, 2, 3}
    assert {type(number) for number in epochs} == {int}
    assert set(activations) == {"relu", "tanh"}
    assert all(float(f"{rate:.4g}") == rate for rate in rates)


def test_more_trials_and_a_new_axis_keep_what_was_drawn(lab):
    rate, more = "{train.learning_rate: {log_uniform: [0.001, 1.0]}", ", train.dropout: {uniform: [0, 0.5]}}"
    few = load(f"axes: {rate}}}\ntrials: 5\n").combinations
    assert load(f"axes: {rate}}}\ntrials: 9\n").combinations[:5] == few
    both = load(f"axes: {rate}{more}\ntrials: 5\n").combinations
    assert [each["train.learning_rate"] for each in both] == [each["train.learning_rate"] for each in few]
    other = load(f"axes: {rate}}}\ntrials: 5\nsampling_seed: 1\n").combinations
    assert not {each["train.learning_rate"] for each in other} & {each["train.learning_rate"] for each in few}


def test_combinations_at_random_are_all_different_and_no_more_than_there_are(lab):
    axes = "axes: {train.hidden: [[1], [2], [3]], train.epochs: [1, 2, 3]}\n"
    some = load(f"{axes}trials: 7\n").combinations
    assert len(some) == len(set(map(repr, some))) == 7
    assert len(load(f"{axes}trials: 100\n").combinations) == 9


def test_the_best_part_is_kept_and_a_failed_combination_is_the_worst(lab):
    of = load("axes: {train.hidden: [[1], [2], [3], [4], [5]]}\nseeds: 2\nhalving: {rungs: [2, 4, 8], keep: 0.4}\n")
    assert [of.kept(count) for count in (5, 2, 1)] == [2, 1, 1]
    rung = plan.Rung(of, of.combinations, 2)
    assert {trial.settings["train"]["epochs"] for trial in rung.trials} == {2}
    accuracies = [0.5, 0.7, 0.9, 0.8, 0.6, 0.6, 0.9, 0.8, 0.9, 0.9]
    rung.rows = [Row("some", 0, "", accuracy, 0.1) for accuracy in accuracies]
    assert rung.ranked() == [4, 1, 3, 0, 2]  # ties keep file order
    rung.rows[8] = Row("some", 0, "", problem="diverged")
    assert rung.ranked() == [1, 3, 0, 2, 4]
    assert of.show([of.objective(row) for row in rung.rows[:2]]) == "40.00 ± 14.14"
    assert of.show([of.objective(row) for row in rung.rows[8:]]) == "failed"


def test_a_sweep_keeps_the_base_that_it_began_with(lab):
    text = "axes: {train.dropout: [0.1, 0.2]}\n"
    before = load(text)
    files.write_json(before.record, asdict(before.base))
    project.set_params(lab, {"train": {"epochs": 9, "weight_decay": 0.5}, "preprocess": {"validation_size": 90}})
    after = load(text)
    assert (before.is_old, after.is_old) == (False, True)
    assert after.trials(after.combinations) == before.trials(before.combinations)
    before.record.write_text(before.record.read_text().replace('"averaging"', '"no_more"'))
    assert load(text).base.settings["train"] == before.base.settings["train"]  # a parameter that has come and one gone
    other = load(text.replace("axes", "base: student\nabout: ''\naxes"))  # of a different recipe
    assert other.base.name == "student"


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("axes: {}", ["axes: must have at least one axis (F line 3)"]),
        (
            "axes: {learning_rate: [0.1], trian.momentum: [0.5], plot.dpi: [50]}",
            [
                f"axes.learning_rate: learning_rate {NONE}; did you mean train.learning_rate? (F line 3)",
                f"axes.trian.momentum: trian.momentum {NONE}; did you mean train.momentum? (F line 3)",
                f"axes.plot.dpi: plot.dpi {NONE}; there are fetch.dataset, fetch.directory, ",
            ],
        ),
        (
            "axes:\n  train.hidden: [[8], [0]]\n  train.momentum: [1.5]\n  train.epoch: [2]\nminimise: loss",
            [
                "minimise: unknown, did you mean minimize? (F line 7)",
                "train.momentum: must be < 1, got 1.5 (F line 5)",
                "train.epoch: unknown, did you mean epochs? (F line 6)",
                "train.hidden[0]: must be >= 1, got 0 (F line 4)",
            ],
        ),
        (
            "axes: {train.seed: [1, 2], train.blas_threads: [1], fetch.directory: [a]}",
            [
                "axes.train.seed: cannot be an axis: `seeds` sets how many seeds are run (F line 3)",
                "axes.train.blas_threads: cannot be an axis: it changes no result (F line 3)",
                "axes.fetch.directory: cannot be an axis: it changes no result (F line 3)",
            ],
        ),
        (
            "axes:\n  train.dropout: {log_uniform: [0, 0.5]}\n  train.epochs: {normal: [0, 5]}\n"
            "  train.batch_size: {integers: [8.0, 9.5]}\n  train.momentum: {uniform: [0.9, 0.1]}\n  train.hidden: []",
            [
                "axes.train.dropout: log_uniform must have numbers above 0, got [0, 0.5] (F line 4)",
                "axes.train.epochs: must be a list of values, or one of uniform, log_uniform, integers with two "
                "numbers, got {'normal': [0, 5]} (F line 5)",
                "axes.train.batch_size: integers must have two whole numbers, got [8.0, 9.5] (F line 6)",
                "axes.train.momentum: uniform must go from a number to a greater one, got [0.9, 0.1] (F line 7)",
                "axes.train.hidden: must be a non-empty list without duplicates, got [] (F line 8)",
            ],
        ),
        (
            "axes: {train.dropout: {uniform: [0, 0.5]}, train.epochs: [1]}\nhalving: {rungs: [4, 2], keep: 0.5}",
            [
                "trials: required: an axis is a distribution (F line 1)",
                "halving.rungs: must increase, got [4, 2] (F line 4)",
                "axes.train.epochs: cannot be an axis: the rungs of `halving` set the epochs (F line 3)",
            ],
        ),
        (
            "axes: {train.dropout: {uniform: [0.10001, 0.10002]}}\ntrials: 3",
            ["trials: 3 different combinations could not be drawn, only 1"],
        ),
        (
            "axes: {train.augmentation.shift: [1.0], train.augmentation: [null]}",
            ["axes.train.augmentation.shift: cannot be an axis together with train.augmentation (F line 3)"],
        ),
        (
            "axes: {train.learning_rate: [1, 1.0]}",
            ["axes: {'train.learning_rate': 1} and {'train.learning_rate': 1.0} are the same trial (F line 3)"],
        ),
        (
            "axes: {preprocess.validation_size: [0, 50]}",
            ["base: leaves no validation images to rank combinations by (F line 2)"],
        ),
        (
            "about: ''\nbase: defualt\naxes: {train.dropout: [2]}",
            [
                "base: defualt is not in experiments/recipes/recipes.yaml; did you mean default? (F line 2)",
            ],
        ),
    ],
)
def test_all_that_is_wrong_is_said_with_its_line(lab, text, messages):
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared below
        load(text)
    lines = str(error.value).replace(str(SWEEPS / "some.yaml"), "F").splitlines()
    assert [line[: len(message)] for line, message in zip(lines, messages, strict=True)] == messages


def test_an_unknown_sweep_is_one_line_with_the_nearest(lab):
    load("axes: {train.dropout: [0.1]}")
    with pytest.raises(ValueError, match=r"^sone is not in experiments/sweeps; did you mean some\?$"):
        plan.load("sone")
