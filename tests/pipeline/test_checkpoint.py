import numpy as np
import pytest

from stages.pipeline import checkpoint as module
from stages.pipeline.checkpoint import Checkpoint, key_of

STATE = {"theta": np.arange(5.0), "history": "[1]"}


@pytest.fixture
def path(tmp_path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 0.0)
    return tmp_path / "checkpoint.npz"


def test_what_was_saved_is_loaded_by_the_same_computation(path):
    Checkpoint(path, "key").save(STATE)
    loaded = Checkpoint(path, "key").load()
    assert set(loaded) == {"theta", "history"}
    assert np.array_equal(loaded["theta"], STATE["theta"])
    assert str(loaded["history"]) == "[1]"
    Checkpoint(path, "key").remove()
    assert not path.exists()
    Checkpoint(path, "key").remove()


def test_without_a_file_nothing_is_reported(path, capsys):
    assert Checkpoint(path, "key").load() is None
    assert capsys.readouterr().err == ""


def test_one_of_another_computation_is_ignored_and_reported(path, capsys):
    Checkpoint(path, "key").save(STATE)
    assert Checkpoint(path, "other").load() is None
    message = f"{path}: ignored, made with other parameters, data or code; starting from the beginning\n"
    assert capsys.readouterr().err == message


@pytest.mark.parametrize("fraction", [0, 0.3, 0.9])
def test_a_truncated_one_is_ignored_and_reported(path, capsys, fraction):
    Checkpoint(path, "key").save(STATE)
    whole = path.read_bytes()
    path.write_bytes(whole[: int(fraction * len(whole))])
    assert Checkpoint(path, "key").load() is None
    message = capsys.readouterr().err
    assert message.startswith(f"{path}: ignored, ")
    assert message.endswith("; starting from the beginning\n")
    assert message.count("\n") == 1


def test_it_is_not_saved_too_often(path, monkeypatch):
    monkeypatch.setattr(module, "SECONDS", 3600.0)
    Checkpoint(path, "key").save(STATE)
    assert not path.exists()


def test_the_key_depends_on_the_processor(monkeypatch):
    first = key_of({}, [])
    assert key_of({}, []) == first
    config = np.show_config(mode="dicts")
    monkeypatch.setattr(np, "show_config", lambda mode: config | {"SIMD Extensions": {"found": []}})
    assert key_of({}, []) != first


@pytest.mark.parametrize(
    "change", [lambda data: data[: len(data) // 2], lambda data: data + b"x", lambda data: b"PK" * 99]
)
def test_whatever_is_in_the_file_training_starts_again_with_a_reason(path, capsys, change):
    """Half an archive, another archive, a pickle: none has the key."""
    Checkpoint(path, "key").save(STATE)
    path.write_bytes(change(path.read_bytes()))
    assert Checkpoint(path, "other").load() is None
    assert capsys.readouterr().err.count("; starting from the beginning\n") == 1
    np.savez(path, theta=np.zeros((3, 3)))
    assert Checkpoint(path, "key").load() is None
    assert "made with other parameters, data or code; starting from the beginning\n" in capsys.readouterr().err
    np.save(path.with_suffix(".npy"), np.array([{"a": 1}]), allow_pickle=True)
    path.with_suffix(".npy").rename(path)
    assert Checkpoint(path, "key").load() is None
    assert capsys.readouterr().err.count("; starting from the beginning\n") == 1


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
