import numpy as np
import pytest

from stages.pipeline import files


def test_round_trips(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.write_array(tmp_path / "a.npy", array)
    assert np.array_equal(files.read_array(tmp_path / "a.npy"), array)
    assert isinstance(files.read_array(tmp_path / "a.npy", mapped=True), np.memmap)
    files.write_arrays(tmp_path / "a.npz", {"W": array, "name": "x", "list": ["p", "q"]})
    read = files.read_arrays(tmp_path / "a.npz")
    assert np.array_equal(read["W"], array)
    assert read["name"] == "x"
    assert read["list"].tolist() == ["p", "q"]
    files.write_json(tmp_path / "new/a.json", {"b": 1.5, "a": ["\N{GREEK SMALL LETTER ALPHA}"]})
    assert files.read_json(tmp_path / "new/a.json") == {"b": 1.5, "a": ["\N{GREEK SMALL LETTER ALPHA}"]}
    files.write_rows(tmp_path / "a.csv", [{"a": 1, "b": None}, {"a": 0.25, "b": 'x, "y"'}])
    assert files.read_rows(tmp_path / "a.csv") == [{"a": "1", "b": ""}, {"a": "0.25", "b": 'x, "y"'}]
    assert (tmp_path / "a.csv").read_bytes().startswith(b"a,b\n1,\n")


def test_an_empty_array_can_be_mapped(tmp_path):
    files.write_array(tmp_path / "a.npy", np.empty((0, 784), np.float32))
    assert files.read_array(tmp_path / "a.npy", mapped=True).shape == (0, 784)


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    import time

    for name, clock in (("a", 1e9), ("b", 2e9)):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        files.write_arrays(tmp_path / f"{name}.npz", {"W": np.arange(5)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()


WRITERS = {
    "text": lambda path: files.write_text(path, "x" * 10 + "\ud800"),  # cannot be encoded
    "array": lambda path: files.write_array(path, np.array([object()])),
    "arrays": lambda path: files.write_arrays(path, {"a": np.arange(9), "b": np.array([object()])}),
    "json": lambda path: files.write_json(path, {"a": 1, "b": float("nan")}),
    "rows": lambda path: files.write_rows(path, [{"a": 1}, {"b": 2}]),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, write):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"encode|pickle|JSON|fields"):
        write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


READERS = {
    "array": files.read_array,
    "mapped array": lambda path: files.read_array(path, mapped=True),
    "arrays": files.read_arrays,
    "json": files.read_json,
    "rows": files.read_rows,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_missing_file_is_told_with_the_remedy(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="absent: not found; `dvc repro` makes it, `dvc checkout` restores it"):
        read(tmp_path / "absent")


@pytest.mark.parametrize("name", ["array", "mapped array", "arrays", "json"])
@pytest.mark.parametrize("damage", ["empty", "torn", "text", "pickle"])
def test_a_damaged_file_is_told_in_one_line_with_the_remedy(tmp_path, name, damage):
    path = tmp_path / "file"
    if name == "arrays":
        files.write_arrays(path, {"W": np.arange(1000.0)})
    elif name == "json":
        files.write_json(path, {"a": list(range(100))})
    else:
        files.write_array(path, np.arange(1000.0))
    whole = path.read_bytes()
    if damage == "pickle":
        with path.open("wb") as file:
            np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    else:
        path.write_bytes({"empty": b"", "torn": whole[: len(whole) // 2], "text": b"not at all\n"}[damage])
    with pytest.raises(ValueError, match=r"file: cannot be read .* remove it and run `dvc repro`") as raised:
        READERS[name](path)
    assert "\n" not in str(raised.value)
