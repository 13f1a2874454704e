"""The one function that trains: for the stage, a recipe, a cluster and a test alike."""

from dataclasses import replace
from typing import get_type_hints

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.learning.learn import Data, learn
from stages.learning.settings import Settings
from stages.nn.losses import softmax_cross_entropy
from tests.helpers import project

rng = np.random.default_rng(0)
LABELS = rng.integers(0, 3, 90)
IMAGES = (rng.standard_normal((90, 20)) + 3 * np.eye(3, 20)[LABELS]).astype(np.float32)
TARGETS = np.eye(3, dtype=np.float32)[LABELS]
DATA = Data((IMAGES[:60], TARGETS[:60]), (IMAGES[60:], TARGETS[60:]), (4, 5))
SMALL = {"frequencies": 4, "hidden": [8], "epochs": 4, "batch_size": 20}
SETTINGS = {**YAML(typ="safe").load(project.ROOT / "params.yaml")["train"], **SMALL}
WARPS = SETTINGS["augmentation"]
CHANGES = {
    "seed": 43,
    "frequencies": None,
    "hidden": [8, 8],
    "activation": "tanh",
    "initializer": "glorot_normal",
    "epochs": 5,
    "batch_size": 30,
    "optimizer": "momentum",
    "momentum": 0.8,
    "learning_rate": 0.02,
    "schedule": "cosine",
    "weight_decay": 1e-3,
    "label_smoothing": 0.1,
    "dropout": 0.1,
    "input_dropout": 0.1,
    "clip_norm": 0.1,
    "averaging": 0.5,
    "augmentation": None,
}


def last(data=DATA, *, state=None, **changes):
    *_, trained = learn(data, {**SETTINGS, **changes}, state=state)
    return trained


def theta(**changes):
    return last(**changes).network.theta.tobytes()


def test_it_learns_and_reports_every_epoch():
    rows = [
        trained.row for trained in learn(DATA, {**SETTINGS, "frequencies": None, "epochs": 20, "augmentation": None})
    ]
    assert [row["epoch"] for row in rows] == list(range(1, 21))
    assert rows[-1]["validation_accuracy"] > 0.8
    assert rows[-1]["train_loss"] < rows[0]["train_loss"]


@pytest.mark.parametrize("key", get_type_hints(Settings))
def test_each_setting_has_an_effect_but_the_number_of_threads(key):
    assert (theta(**{key: CHANGES[key]}) == theta()) is False if key in CHANGES else theta(blas_threads=2) == theta()


@pytest.mark.parametrize("key", WARPS)
def test_each_warp_has_an_effect(key):
    none = dict.fromkeys(WARPS, 0.0)
    assert theta(augmentation=none) == theta(augmentation=None) != theta(augmentation={**none, key: WARPS[key]})


def test_it_touches_no_file(monkeypatch):
    monkeypatch.setattr("builtins.open", lambda *arguments, **options: pytest.fail("a file was opened"))
    monkeypatch.setattr("pathlib.Path.open", lambda *arguments, **options: pytest.fail("a file was opened"))
    last()


def test_it_resumes_to_the_same_bytes():
    options = {"dropout": 0.2, "averaging": 0.9}
    epochs = [
        (trained.row, {name: array.copy() for name, array in trained.state.items()}, trained.network.theta.tobytes())
        for trained in learn(DATA, {**SETTINGS, **options})
    ]
    for _, state, _ in epochs[:-1]:
        resumed = last(**options, state=state)
        assert (resumed.row, resumed.network.theta.tobytes()) == (epochs[-1][0], epochs[-1][2])


@pytest.mark.parametrize("hidden", [[], [8], [8, 6]], ids=str)
@pytest.mark.parametrize("frequencies", [4, None])
def test_the_network_on_pixels_agrees_with_the_one_that_was_trained(hidden, frequencies):
    options = {"frequencies": frequencies, "hidden": hidden, "epochs": 6, "dropout": 0.1, "averaging": 0.9}
    trained = last(**options)
    network = trained.on_pixels({**SETTINGS, **options})
    x, targets = DATA.validation
    assert (trained.network.dense[0].inputs, network.dense[0].inputs) == (10 if frequencies else 20, 20)
    logits = trained.network.predict(trained.inputs.transform(x.astype(np.float64)))
    np.testing.assert_allclose(network.predict(x), logits, atol=1e-5)
    assert softmax_cross_entropy(logits, targets)[0] == pytest.approx(trained.row["validation_loss"], abs=1e-5)


def test_a_batch_size_of_null_is_the_whole_set():
    assert theta(batch_size=None) == theta(batch_size=60)


def test_without_validation_images():
    trained = last(replace(DATA, validation=(IMAGES[:0], TARGETS[:0])))
    assert trained.row["validation_loss"] is None
    assert trained.row["train_loss"] is not None


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"batch_size": 61}, ValueError, "train.batch_size is 61, but there are 60 training images"),
        ({"hidden": [65536, 65536]}, ValueError, "train.hidden is .* choose fewer neurons"),
        ({"learning_rate": 1e30}, FloatingPointError, "epoch 1, step 2 of 3, .* training has diverged"),
    ],
)
def test_settings_that_do_not_fit_are_rejected(changes, error, message):
    with pytest.raises(error, match=message):
        last(**changes)


@pytest.mark.parametrize("validation", [0, 30])
def test_a_last_step_that_diverges_is_noticed(validation):
    """The loss is measured before a step, so that of the only step is finite."""
    data = replace(DATA, validation=(IMAGES[:validation], TARGETS[:validation]))
    changes = {"hidden": [64] * 12, "batch_size": None, "epochs": 1, "learning_rate": 1e25, "schedule": "constant"}
    with pytest.raises(FloatingPointError, match="at the end of epoch 1, on the train images: training has diverged"):
        last(data, **changes)


def test_the_machine_is_asked_first(monkeypatch):
    monkeypatch.setattr("stages.learning.learn.check_machine", lambda: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        last()
