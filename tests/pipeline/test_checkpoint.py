import numpy as np
import pytest

from stages.pipeline import checkpoint as module
from stages.pipeline.checkpoint import Checkpoint, key_of

STATE = {"theta": np.arange(5.0), "history": "[1]"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    return tmp_path / "checkpoint.npz"


def test_what_was_saved_is_loaded_by_the_same_computation(path, capsys):
    Checkpoint(path, "key").save(STATE)
    loaded = Checkpoint(path, "key").load()
    assert set(loaded) == {"theta", "history"}
    assert np.array_equal(loaded["theta"], STATE["theta"])
    assert str(loaded["history"]) == "[1]"
    for _ in range(2):
        Checkpoint(path, "key").remove()
        assert Checkpoint(path, "key").load() is None
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (lambda path: Checkpoint(path, "other").save(STATE), "made with different parameters, data or code"),
        (lambda path: np.savez(path, theta=np.zeros((3, 3))), "made with different parameters, data or code"),
        (lambda path: path.write_bytes(path.read_bytes()[:-9]), "cannot be read"),
    ],
)
def test_what_is_not_of_this_computation_is_ignored_with_a_reason(path, capsys, change, reason):
    Checkpoint(path, "key").save(STATE)
    change(path)
    assert Checkpoint(path, "key").load() is None
    message = capsys.readouterr().err
    assert message.startswith(f"{path}: ignored: ")
    assert reason in message
    assert message.endswith("; starting over\n")
    assert message.count("\n") == 1


def test_it_is_not_saved_too_often(path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 3600.0)
    Checkpoint(path, "key").save(STATE)
    assert not path.exists()


def test_the_key_depends_on_parameters_files_and_code(tmp_path, monkeypatch):
    data = tmp_path / "data"
    data.write_bytes(b"1")
    first = key_of({"a": 1, "b": [2]}, [data])
    assert key_of({"b": [2], "a": 1}, [data]) == first
    assert key_of({"a": 1, "b": [3]}, [data]) != first
    data.write_bytes(b"2")
    second = key_of({"a": 1, "b": [2]}, [data])
    assert second != first
    code = tmp_path / "code.py"
    code.write_text("# a comment")
    monkeypatch.setattr(module.files, "__file__", str(code))
    assert key_of({"a": 1, "b": [2]}, [data]) != second
