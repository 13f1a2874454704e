"""The stage that trains: what it saves on the way, and that a run that was killed is resumed to the same bytes."""

import numpy as np
import pytest
from ruamel.yaml import YAML

from stages.nn.frequencies import choose_inputs
from stages.nn.network import from_arrays, multilayer_perceptron
from stages.nn.snapshots import dequantize, epochs_to_keep, parts
from stages.pipeline import checkpoint, files
from stages.train import Checkpoint, train

MADE = ("models/network.npz", "models/epochs.npz", "reports/history.csv", "reports/validation.json")


@pytest.fixture
def here(finished, tmp_path, monkeypatch):
    """A directory with the arrays of the finished run, as the working directory; every epoch saves a checkpoint."""
    (tmp_path / "data").mkdir()
    (tmp_path / "data/processed").symlink_to(finished / "data/processed")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(checkpoint, "SECONDS", 0.0)
    return tmp_path


@pytest.fixture
def settings(finished):
    return YAML(typ="safe").load(finished / "params.yaml")["train"]


def made(root):
    return {name: (root / name).read_bytes() for name in MADE}


@pytest.mark.parametrize("killed", [1, 2, 4, 7])
def test_a_run_that_was_killed_is_resumed_to_the_same_bytes(here, settings, monkeypatch, killed):
    settings |= {"dropout": 0.2, "averaging": 0.9}
    train(**settings)
    expected = made(here)
    for name in MADE:
        (here / name).unlink()
    save = Checkpoint.save

    def save_and_die(self, arrays):
        save(self, arrays)
        if arrays["epoch"] == killed:
            raise KeyboardInterrupt

    monkeypatch.setattr(Checkpoint, "save", save_and_die)
    with pytest.raises(KeyboardInterrupt):
        train(**settings)
    monkeypatch.setattr(Checkpoint, "save", save)
    assert not any((here / name).exists() for name in MADE)
    assert files.read_arrays(here / "models/checkpoint.npz")["epoch"] == killed
    train(**settings)
    assert made(here) == expected
    assert not (here / "models/checkpoint.npz").exists()


@pytest.mark.parametrize("epochs", [1, 5])
@pytest.mark.parametrize("frequencies", [16, None])
def test_the_networks_of_earlier_epochs_are_those_of_the_training(here, settings, monkeypatch, epochs, frequencies):
    settings |= {"epochs": epochs, "frequencies": frequencies, "augmentation": None}
    seen = {}

    def keep(self, arrays):
        seen[int(arrays["epoch"])] = arrays["theta"].copy()

    monkeypatch.setattr(Checkpoint, "save", keep)
    train(**settings)
    saved = files.read_arrays(here / "models/epochs.npz")
    assert saved["epochs"].tolist() == epochs_to_keep(epochs)
    assert saved["frequencies"] == (frequencies or 0)
    model = from_arrays(files.read_arrays(here / "models/network.npz"))
    inputs = choose_inputs((28, 28), frequencies, model.arithmetic)
    network = multilayer_perceptron([inputs.F, *(layer.outputs for layer in model.dense)])
    for epoch, numbers, units in zip(saved["epochs"], saved["numbers"], saved["units"], strict=True):
        dequantize(network, numbers, units)
        if epoch == 0:
            assert not any(layer.b.any() for layer in network.dense)
            assert network.dense[0].W.std() == pytest.approx(np.sqrt(2 / 784), rel=0.1)  # he_normal
        else:
            for own, exact, unit in zip(*(parts(v, network) for v in (network.theta, seen[epoch])), units, strict=True):
                np.testing.assert_allclose(own, exact, rtol=1e-6, atol=0.5001 * unit)
