import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from stages.pipeline import files
from tests.helpers import project
from tests.helpers.unix import unix


@contextmanager
def refused(*said):
    """Reading a file must raise ValueError with one line: which file, what is wrong, what to do."""
    with pytest.raises(ValueError, match=r"a: .*; remove it and run `dvc repro`$") as raised:
        yield
    assert all(text in str(raised.value) for text in said), raised.value
    assert "\n" not in str(raised.value)


def test_round_trips(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.write_array(tmp_path / "a.npy", (2, 3), [array[:1], array[1:]])
    assert np.array_equal(files.read_array(tmp_path / "a.npy", (None, 3)), array)
    assert isinstance(files.read_array(tmp_path / "a.npy", (2, 3)), np.memmap)
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


def test_an_array_that_is_written_in_chunks_has_the_bytes_that_numpy_writes(tmp_path):
    array = np.random.default_rng(0).random((7, 3), np.float32)
    files.write_array(tmp_path / "a.npy", array.shape, [array[:2], array[2:2], array[2:]])
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    files.write_array(tmp_path / "none.npy", (0, 784), [])
    assert files.read_array(tmp_path / "none.npy", (None, 784)).shape == (0, 784)


def test_the_same_content_gives_the_same_bytes(tmp_path, monkeypatch):
    import time

    for name, clock in (("a", 1e9), ("b", 2e9)):
        monkeypatch.setattr(time, "time", lambda clock=clock: clock)
        files.write_arrays(tmp_path / f"{name}.npz", {"W": np.arange(5)})
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    # Whatever the version of Python, too.
    assert files.digest(tmp_path / "a.npz") == "5ffab57c3291a3a569a551e0c5f34e5f0097f031de557a4783e8c88dbb71bcad"


WRITERS = {
    "text": lambda path: files.write_text(path, "x" * 10 + "\ud800"),  # cannot be encoded
    "array": lambda path: files.write_array(path, (3, 2), [np.zeros((2, 2)), np.zeros((2, 2))]),
    "arrays": lambda path: files.write_arrays(path, {"a": np.arange(9), "b": np.array([object()])}),
    "json": lambda path: files.write_json(path, {"a": 1, "b": float("nan")}),
    "rows": lambda path: files.write_rows(path, [{"a": 1}, {"b": 2}]),
}


@pytest.mark.parametrize("write", WRITERS.values(), ids=WRITERS)
def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(tmp_path, write):
    path = tmp_path / "file"
    path.write_bytes(b"old")
    with pytest.raises(ValueError, match=r"encode|pickle|JSON|fields|do not fill"):
        write(path)
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


READERS = {
    "array": lambda path: files.read_array(path, (1000,)),
    "arrays": files.read_arrays,
    "json": files.read_json,
    "rows": files.read_rows,
}


@pytest.mark.parametrize("read", READERS.values(), ids=READERS)
def test_a_missing_file_is_reported_with_what_to_do(tmp_path, read):
    with pytest.raises(FileNotFoundError, match="absent: not found; `dvc repro` makes it, `dvc checkout` restores it"):
        read(tmp_path / "absent")


@pytest.mark.parametrize("name", ["array", "arrays", "json"])
@pytest.mark.parametrize("damage", ["empty", "torn", "text", "pickle"])
def test_a_damaged_file_is_reported_in_one_line_with_what_to_do(tmp_path, name, damage):
    path = tmp_path / "a"
    if name == "arrays":
        files.write_arrays(path, {"W": np.arange(1000.0)})
    elif name == "json":
        files.write_json(path, {"a": list(range(100))})
    else:
        files.write_array(path, (1000,), [np.arange(1000)])
    whole = path.read_bytes()
    if damage == "pickle":
        with path.open("wb") as file:
            np.save(file, np.array([{"a": 1}]), allow_pickle=True)
    else:
        path.write_bytes({"empty": b"", "torn": whole[: len(whole) // 2], "text": b"not at all\n"}[damage])
    with refused("cannot be read, "):
        READERS[name](path)


@pytest.mark.parametrize(("shape", "dtype"), [((3, 4), "f8"), ((3, 5), "f4"), (4, "f4")])
def test_an_array_of_another_type_or_shape_is_refused(tmp_path, shape, dtype):
    array = np.zeros(shape, dtype)
    with (tmp_path / "a").open("wb") as file:
        np.save(file, array)
    with refused(f"holds {array.dtype} of shape {array.shape}; float32 of any x 4 expected"):
        files.read_array(tmp_path / "a", (None, 4))


def npy(shape, data=b"", dtype="<f4", version=b"\x01\x00"):
    """An .npy file that claims `shape`."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY" + version + len(header).to_bytes(2, "little") + header + data


HOSTILE = {
    "claims more than memory holds": npy("(4294967296, 4294967296, 4294967296)"),
    "negative": npy("(-1,)"),
    "objects": npy("(1,)", b"x" * 8, "|O"),
    "a header of code": npy("__import__('os').getpid()"),
    "another version": npy("(1,)", b"x" * 4, version=b"\x09\x00"),
    "an endless header": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
    "a header of Python 2, which NumPy guesses at": npy("(1L,)", b"x" * 4),
    "a header that is not text": b"\x93NUMPY\x01\x00\x08\x00" + b"\0" * 8,
    "an unknown type": npy("(1,)", b"x" * 4, dtype="<q9"),
}


@pytest.mark.parametrize("data", HOSTILE.values(), ids=HOSTILE)
def test_hostile_arrays_are_refused_in_one_line_without_allocating_memory(tmp_path, data):
    path = tmp_path / "a"
    path.write_bytes(data)
    with refused("cannot be read, "):
        files.read_array(path, (None,))
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("W1.npy", data)
    tracemalloc.start()
    with refused("cannot be read, "):
        files.read_arrays(path)
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


def with_a_flipped_bit(data):
    data[400] ^= 1


def with_one_member_a_thousand_times(data):
    """A small file that would fill the memory: its directory lists the same bytes again and again."""
    start, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry, rest = data[start:end], data[end:]
    rest[8:16] = (1000).to_bytes(2, "little") * 2 + (1000 * len(entry)).to_bytes(4, "little")
    data[start:] = entry * 1000 + rest


def with_a_directory_before_the_file(data):
    end = data.rindex(b"PK\x05\x06")
    data[end + 16 : end + 20] = (int.from_bytes(data[end + 16 : end + 20], "little") + 9).to_bytes(4, "little")


def with_a_password(data):
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1


def compressed(data):
    packed = io.BytesIO()
    np.savez_compressed(packed, W=np.zeros(10**6))
    data[:] = packed.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_a_flipped_bit, "CRC"),
        (with_one_member_a_thousand_times, "its members are larger than the file"),
        (with_a_directory_before_the_file, ""),
        (with_a_password, "password"),
        (compressed, "compressed"),
    ],
)
def test_a_hostile_archive_is_refused_without_allocating_memory(tmp_path, change, said):
    files.write_arrays(tmp_path / "a", {"W": np.zeros(1000)})
    data = bytearray((tmp_path / "a").read_bytes())
    change(data)
    (tmp_path / "a").write_bytes(data)
    tracemalloc.start()
    with refused("cannot be read, ", said):
        files.read_arrays(tmp_path / "a")
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()


@dataclass(frozen=True)
class Point:
    x: float
    names: tuple[str, str]
    __pydantic_config__ = {"extra": "forbid", "allow_inf_nan": False}  # noqa: RUF012


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("{}", "x: Field required"),
        ('{"x": "1", "names": ["a", "b"]}', "x: Input should be a valid number"),
        ('{"x": NaN, "names": ["a", "b"]}', "x: Input should be a finite number"),
        ('{"x": 1, "names": ["a"]}', "names: 1: Field required"),
        ('{"x": 1, "names": ["a", "b"], "y": 1}', "y: Unexpected keyword argument"),
        ("[" * 10000, "Invalid JSON: "),
    ],
)
def test_json_is_of_the_expected_type_or_one_line_says_why(tmp_path, text, said):
    path = tmp_path / "a"
    path.write_text('{"x": 1, "names": ["a", "b"]}')
    assert files.read_json(path, Point) == Point(1, ("a", "b"))
    path.write_text(text)
    with refused("cannot be read, ", said):
        files.read_json(path, Point)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "no rows"),
        ("name,m\na,1\n", "line 2 lacks one of the columns name, n"),
        ("name,n\na,1\nb\n", "line 3 lacks one of the columns name, n"),
        ("name,n\na,1\nb,nan\n", "line 3 has a number that is not finite"),
        ("name,n\na,one\n", "could not convert string to float: 'one'"),
        ('name,n\na,"1\n', "unexpected end of data"),
    ],
)
def test_rows_have_the_expected_columns_or_one_line_says_why_not(tmp_path, text, said):
    path = tmp_path / "a"
    path.write_text("name,n\na,1\nb,\n")
    assert files.read_rows(path, ["name"], ["n"]) == [{"name": "a", "n": "1"}, {"name": "b", "n": ""}]
    path.write_text(text)
    with refused("cannot be read, ", said):
        files.read_rows(path, ["name"], ["n"])


def test_a_file_with_another_digest_is_refused(tmp_path):
    path = tmp_path / "a"
    files.write_text(path, "abc")
    right = "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"
    assert files.digest(path) == right
    files.check_digest(path, right)
    with refused("SHA-256 is ba7816bf8f01..., not 000000000000..."):
        files.check_digest(path, "0" * 64)
    files.write_array(path, (3,), [np.zeros(3)])
    files.read_array(path, (3,), files.digest(path))
    with refused(f"not {right[:12]}..."):
        files.read_array(path, (3,), right)


def test_unfinished_files_of_killed_runs_are_found(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert files.left_behind() == []
    for name in ("data/raw/.a.unfinished", "models/.b.npz.unfinished", "data/raw/a.unfinished", "models/.unfinished.b"):
        Path(name).parent.mkdir(parents=True, exist_ok=True)
        Path(name).touch()
    assert files.left_behind() == [Path("data/raw/.a.unfinished"), Path("models/.b.npz.unfinished")]


def test_an_old_temporary_file_is_overwritten(tmp_path):
    (tmp_path / ".a.json.unfinished").write_text("left by a killed run")
    files.write_json(tmp_path / "a.json", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@unix
@pytest.mark.parametrize("fraction", [0, 0.5, 0.99])
@pytest.mark.parametrize("rows", [10, 10_000])
def test_a_disk_that_is_full_before_the_last_byte_is_noticed(tmp_path, fraction, rows):
    """A limit on the size of files has the effect of a full disk; set in a child process, for it alone."""
    array = np.zeros((rows, 10), np.float32)
    files.write_array(tmp_path / "a.npy", array.shape, [array])
    size = (tmp_path / "a.npy").stat().st_size
    writing = f"""
import resource
import numpy as np
from stages.pipeline import files
resource.setrlimit(resource.RLIMIT_FSIZE, ({int(fraction * size)}, resource.RLIM_INFINITY))
try:
    files.write_array("b.npy", {array.shape}, [np.zeros({array.shape})])
except OSError as error:
    print(error)
"""
    environment = {**os.environ, "PYTHONPATH": str(project.ROOT)}
    command = [sys.executable, "-c", writing]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == "b.npy: cannot be written, File too large; fix that and run `dvc repro`\n"
    assert {path.name for path in tmp_path.iterdir()} == {"a.npy"}


def test_a_path_that_cannot_be_written_is_reported(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match=r"file/a\.json: cannot be written, .*; fix that and run `dvc repro`"):
        files.write_json(tmp_path / "file/a.json", {})
