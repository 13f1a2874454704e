"""The one function that trains: for the stage, a recipe, a cluster and a test alike."""

from dataclasses import replace

import numpy as np
import pytest

from stages.nn.exact import FAST
from stages.nn.frequencies import LowFrequencies
from stages.nn.losses import softmax_cross_entropy
from stages.pipeline import params
from stages.train import Data, learn
from tests.helpers import project

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 3, 90)
IMAGES = (rng.standard_normal((90, 20)) + 3 * np.eye(3, 20)[LABELS]).astype(np.float32)
TARGETS = np.eye(3, dtype=np.float32)[LABELS]
DATA = Data(IMAGES[:60], TARGETS[:60], IMAGES[60:], TARGETS[60:], (4, 5))


def settings(**changes):
    content, _ = params.load(project.ROOT / "params.yaml")
    return {**content["train"], "hidden": [8], "epochs": 4, "batch_size": 20, "weight_decay": 1e-4, **changes}


def theta(trained):
    return trained.network.theta.copy()


def test_it_learns_and_reports_every_epoch():
    rows = [trained.row for trained in learn(DATA, settings(epochs=20, augmentation=None))]
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["validation_accuracy"] > 0.8
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


def test_it_touches_no_file(monkeypatch):
    chosen = settings()

    def refuse(*arguments, **options):
        raise AssertionError("a file was opened")

    monkeypatch.setattr("builtins.open", refuse)
    monkeypatch.setattr("pathlib.Path.open", refuse)
    assert len(list(learn(DATA, chosen))) == 4


def test_it_depends_on_data_settings_and_seed_alone():
    last = [theta(list(learn(DATA, settings(seed=seed, dropout=0.2)))[-1]) for seed in (1, 1, 2)]
    assert np.array_equal(last[0], last[1])
    assert not np.array_equal(last[0], last[2])


def test_it_resumes_to_the_same_bytes():
    options = settings(dropout=0.2, averaging=0.9)
    epochs = []
    for trained in learn(DATA, options):
        epochs.append((trained.row, {name: array.copy() for name, array in trained.state.items()}, theta(trained)))
    resumed = [(trained.row, theta(trained)) for trained in learn(DATA, options, state=epochs[1][1])]
    assert [row for row, _ in resumed] == [row for row, _, _ in epochs[2:]]
    assert np.array_equal(resumed[-1][1], epochs[-1][2])


def test_targets_can_come_from_a_teacher():
    def teacher(x):
        return np.roll(np.eye(3, dtype=np.float32)[np.argmax(x[:, :3], axis=1)], 1, axis=1)

    options = settings(epochs=20, augmentation=None)
    *_, taught = learn(DATA, options, targets=teacher)
    agreement = np.mean(taught.network.predict(IMAGES).argmax(axis=1) == teacher(IMAGES).argmax(axis=1))
    assert agreement > 0.8


def test_augmentation_of_null_and_of_zeros_are_the_same():
    zeros = dict.fromkeys(["rotation", "scaling", "shear", "shift", "elastic"], 0.0)
    *_, trained = learn(DATA, settings(augmentation=zeros))
    *_, warped = learn(DATA, settings())
    *_, plain = learn(DATA, settings(augmentation=None))
    assert np.array_equal(trained.network.theta, plain.network.theta)
    assert not np.array_equal(trained.network.theta, warped.network.theta)


def test_exact_arithmetic_asks_the_machine_first(monkeypatch):
    def refuse():
        raise ArithmeticError("not here")

    monkeypatch.setattr("stages.train.check_machine", refuse)
    with pytest.raises(ArithmeticError, match="not here"):
        next(learn(DATA, settings(arithmetic="exact")))
    next(learn(DATA, settings(arithmetic="fast")))


def test_exact_and_fast_learn_alike():
    exact, fast = (list(learn(DATA, settings(arithmetic=name)))[-1] for name in ("exact", "fast"))
    np.testing.assert_allclose(exact.network.theta, fast.network.theta, atol=1e-4)
    assert not np.array_equal(exact.network.theta, fast.network.theta)


@pytest.mark.parametrize("hidden", [[], [8], [8, 6]], ids=str)
@pytest.mark.parametrize("name", ["exact", "fast"])
def test_a_network_on_low_frequencies_becomes_one_on_pixels(hidden, name):
    options = settings(frequencies=4, hidden=hidden, arithmetic=name, epochs=6, dropout=0.1, averaging=0.9)
    *_, trained = learn(DATA, options)
    assert trained.network.dense[0].W.shape[0] == 20
    logits = trained.network.predict(DATA.validation_images)
    loss, _ = softmax_cross_entropy(logits, DATA.validation_targets)
    assert loss == pytest.approx(trained.row["validation_loss"], abs=1e-5)
    waves = LowFrequencies((4, 5), 4, FAST)
    W = trained.network.dense[0].W
    np.testing.assert_allclose(waves.fold(waves.project(W)), W, atol=1e-5)  # there is nothing above them


def test_all_frequencies_are_all_pixels():
    *_, waves = learn(DATA, settings(frequencies=9, arithmetic="fast", augmentation=None))
    *_, pixels = learn(DATA, settings(frequencies=None, arithmetic="fast", augmentation=None))
    np.testing.assert_allclose(waves.network.theta, pixels.network.theta, atol=1e-4)


def test_a_batch_size_of_null_is_the_whole_set():
    last = [theta(list(learn(DATA, settings(batch_size=size)))[-1]) for size in (None, 60)]
    assert np.array_equal(*last)


def test_without_validation_images():
    empty = replace(DATA, validation_images=IMAGES[:0], validation_targets=TARGETS[:0])
    *_, trained = learn(empty, settings())
    assert trained.row["validation_loss"] is None
    assert trained.row["train_loss"] is not None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 61}, ValueError, "train.batch_size is 61, but there are 60 training images"),
        ({"hidden": [65536, 65536]}, ValueError, "train.hidden is .* choose fewer neurons"),
        ({"learning_rate": 1e30, "schedule": "constant"}, FloatingPointError, "training has diverged"),
    ],
)
def test_settings_that_do_not_fit_are_rejected(changes, error, message):
    with pytest.raises(error, match=message):
        list(learn(DATA, settings(**changes)))


@pytest.mark.parametrize("arithmetic", ["exact", "fast"])
@pytest.mark.parametrize("validation", [0, 30])
def test_a_last_step_that_diverges_is_noticed(arithmetic, validation):
    """The loss is measured before a step, so that of the only step is finite."""
    data = replace(DATA, validation_images=IMAGES[:validation], validation_targets=TARGETS[:validation])
    changes = {"hidden": [64] * 12, "batch_size": None, "epochs": 1, "learning_rate": 1e6, "schedule": "constant"}
    with pytest.raises(FloatingPointError, match="at the end of epoch 1, on the train images: training has diverged"):
        list(learn(data, settings(arithmetic=arithmetic, **changes)))
