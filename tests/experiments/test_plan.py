"""Sweep files: what they ask for, and what is wrong with them."""

import numpy as np
import pytest

from experiments import plan, recipes, results

BASE = 'about: ""\nbase: default\n'


def write(text, name="some"):
    (results.SWEEPS / f"{name}.yaml").write_text(text)


def load(text):
    write(BASE + text)
    return plan.load("some")


def test_lists_and_ranges_make_all_combinations_in_order(lab):
    of = load("axes: {train.hidden: [[8], [16, 8]], train.learning_rate: {range: [0.1, 0.3, 0.1]}}\nseeds: 2\n")
    assert [tuple(each.values()) for each in of.combinations] == [
        (hidden, rate) for hidden in ([8], [16, 8]) for rate in (0.1, 0.2, 0.3)
    ]
    trials = of.trials(of.combinations)
    assert [trial.seed for trial in trials] == [0, 1] * 6
    assert [trial.settings["train"]["hidden"] for trial in trials] == [[8]] * 6 + [[16, 8]] * 6
    assert {trial.settings["train"]["epochs"] for trial in trials} == {8}
    assert len({trial.key for trial in trials}) == 12
    assert not any(trial.tested for trial in trials)


def test_a_trial_has_the_key_of_the_same_trial_of_a_recipe(lab):
    of = load("axes: {train.weight_decay: [0, 1e-3]}\nseeds: 2\n")  # 0 is 0.0
    of_recipe = [trial.key for trial in recipes.load()[1] if trial.recipe == "no-decay"]
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


def test_more_trials_and_another_axis_keep_what_was_drawn(lab):
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
    assert len(load("axes: {train.epochs: {integers: [1, 3]}}\ntrials: 10\n").combinations) == 3


def test_halving_keeps_the_best_part(lab):
    of = load("axes: {train.hidden: [[1], [2], [3], [4], [5]]}\nseeds: 2\nhalving: {rungs: [2, 4, 8], keep: 0.4}\n")
    assert of.counts() == [5, 2, 1]
    trials = of.trials(of.combinations, 2)
    rows = {
        trial.key: results.Row("some", trial.seed, accuracy, 0.1, None, None, 1.0, "", "", trial.key)
        for trial, accuracy in zip(trials, [0.5, 0.7, 0.9, 0.8, 0.6, 0.6, 0.9, 0.8, 0.1, 0.2], strict=True)
    }
    rung = plan.Rung(of, of.combinations, 2, rows)
    assert rung.missing() == []
    assert rung.ranked() == [1, 3, 0, 2, 4]  # of equals, the earlier
    assert rung.best_so_far() == "10.00 %"
    assert {trial.settings["train"]["epochs"] for trial in of.trials(of.combinations, 4)} == {4}


def test_a_failed_trial_is_never_the_best(lab):
    of = load("axes: {train.hidden: [[1], [2]]}\nminimize: validation_loss\n")
    first, second = of.trials(of.combinations)
    rows = {
        first.key: results.Row("some", 0, None, None, None, None, None, "", "", first.key, problem="diverged"),
        second.key: results.Row("some", 0, 0.1, 9.0, None, None, 1.0, "", "", second.key),
    }
    assert plan.Rung(of, of.combinations, None, rows).ranked() == [1, 0]
    rows[first.key] = results.Row("some", 0, 0.1, None, None, None, 1.0, "", "", first.key)  # its loss is not known
    assert plan.Rung(of, of.combinations, None, rows).missing() == [first]


@pytest.mark.parametrize(
    ("text", "messages"),
    [
        ("axes: {}", ["axes: must have at least one axis (F line 3)"]),
        (
            "axes: {train.learningrate: [0.1]}",
            ["axes.train.learningrate: unknown, did you mean learning_rate? (F line 3)"],
        ),
        ("axes:\n  train.epochs:\n  - 1\n  - 0", ["axes.train.epochs: must be >= 1, got 0 (F line 6)"]),
        (
            "axes:\n  train.hidden: [[8], [0]]\n  train.momentum: {uniform: [0.5, 1.5]}",
            [
                "axes.train.hidden[0]: must be >= 1, got 0 (F line 4)",
                "axes.train.momentum: must be < 1, got 1.5 (F line 5)",
            ],
        ),
        (
            "axes: {train.seed: [1, 2]}",
            ["axes.train.seed: cannot be an axis: `seeds` says how many seeds are run (F line 3)"],
        ),
        (
            "axes: {train.dropout: {log_uniform: [0, 0.5]}}\ntrials: 3",
            ["axes.train.dropout: log_uniform must have numbers above 0, got [0, 0.5] (F line 3)"],
        ),
        (
            "axes: {train.dropout: {normal: [0, 0.5]}}\ntrials: 3",
            [
                "axes.train.dropout: must be a list of values, or a mapping of one of uniform, log_uniform, integers, "
                "range to numbers, got {'normal': [0, 0.5]} (F line 3)"
            ],
        ),
        (
            "axes: {train.dropout: []}",
            ["axes.train.dropout: must have at least one value, and none twice, got [] (F line 3)"],
        ),
        (
            "axes: {train.dropout: {uniform: [0, 0.5]}}",
            ["trials: is needed, the number of combinations to draw, because of train.dropout (F line 1)"],
        ),
        (
            "axes: {train.dropout: [0.1]}\nhalving: {rungs: [4, 2], keep: 0.5}",
            ["halving.rungs: must increase, got [4, 2] (F line 4)"],
        ),
        (
            "axes: {train.epochs: [1, 2]}\nhalving: {rungs: [2, 4], keep: 0.5}",
            ["axes.train.epochs: cannot be an axis: the rungs of `halving` say the epochs (F line 3)"],
        ),
        (
            "axes: {train.epochs: [2, 2]}",
            ["axes.train.epochs: must have at least one value, and none twice, got [2, 2] (F line 3)"],
        ),
        (
            "axes: {train.dropout: {uniform: [0.10001, 0.10002]}}\ntrials: 3",
            ["trials: 3 different combinations could not be drawn, only 1"],
        ),
        (
            "axes: {train.augmentation: [null], train.augmentation.shift: [1.0]}",
            [
                "{'train.augmentation': None, 'train.augmentation.shift': 1.0}: "
                f"train.augmentation.{key}: is missing (F)"
                for key in ("rotation", "scaling", "shear", "elastic")
            ],
        ),
        (
            "axes: {preprocess.validation_size: 5}",
            [
                "axes.preprocess.validation_size: must be a list of values, or a mapping of one of uniform, "
                "log_uniform, integers, range to numbers, got 5 (F line 3)"
            ],
        ),
        (
            "axes: {preprocess.validation_size: [0, 50]}",
            [
                "axes.preprocess.validation_size: 0 leaves no validation images, by which a sweep is judged (F line 3)",
            ],
        ),
        ("axes: {train.dropout: [0.1]}\nminimise: loss", ["minimise: unknown, did you mean minimize? (F line 4)"]),
    ],
)
def test_what_is_wrong_is_said_with_its_line(lab, text, messages):
    write(BASE + text)
    with pytest.raises(ValueError) as error:  # noqa: PT011 - compared below
        plan.load("some")
    assert str(error.value).replace(str(results.SWEEPS / "some.yaml"), "F").splitlines() == messages


def test_unknown_names_are_suggested(lab):
    write("about: ''\nbase: defualt\naxes: {train.dropout: [0.1]}\n")
    with pytest.raises(ValueError, match=r"^base: no such recipe, did you mean default\?"):
        plan.load("some")
    with pytest.raises(ValueError, match=r"experiments/sweeps/sone\.yaml: no such file; did you mean some\?"):
        plan.load("sone")


def test_a_base_whose_teacher_has_no_model_is_refused(lab):
    write("about: ''\nbase: student\naxes: {train.dropout: [0.1]}\n")
    with pytest.raises(ValueError, match=r"its teacher has no model yet; run python -m experiments\.run teacher"):
        plan.load("some")


def test_a_base_without_validation_images_is_refused(lab):
    write("about: ''\nbase: teacher\naxes: {train.dropout: [0.1]}\n")
    with pytest.raises(ValueError, match="teacher has no validation images, by which a sweep is judged"):
        plan.load("some")
