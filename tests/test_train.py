"""The stage that trains: what it saves on the way, and that a run that was killed is resumed to the same bytes."""

import pytest
from ruamel.yaml import YAML

from stages.pipeline import checkpoint, files
from stages.train import Checkpoint, train

MADE = ("models/network.npz", "reports/history.csv", "reports/validation.json")


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
