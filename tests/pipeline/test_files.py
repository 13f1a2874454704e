import io
import os
import subprocess
import sys
import tracemalloc
import zipfile
from contextlib import contextmanager
from dataclasses import dataclass

import numpy as np
import pytest

from stages.pipeline import files
from tests.helpers import project
from tests.helpers.unix import unix


@contextmanager
def refused(*said):
    """Reading a file must raise ValueError with one line: which file, what is wrong, what to do; with little memory."""
    tracemalloc.start()
    with pytest.raises(ValueError, match=r"a: .*; remove it and run `dvc repro`$") as raised:
        yield
    assert tracemalloc.get_traced_memory()[1] < 2**22
    tracemalloc.stop()
    assert all(text in str(raised.value) for text in said), raised.value
    assert "\n" not in str(raised.value)


def test_round_trips(tmp_path):
    array = np.arange(6, dtype=np.float32).reshape(2, 3)
    files.write_array(tmp_path / "a.npy", (2, 3), [array[:1], array[2:2], array[1:]])
    np.save(tmp_path / "b.npy", array)
    assert (tmp_path / "a.npy").read_bytes() == (tmp_path / "b.npy").read_bytes()
    assert np.array_equal(files.read_array(tmp_path / "a.npy", (None, 3)), array)
    assert isinstance(files.read_array(tmp_path / "a.npy", (2, 3)), np.memmap)
    files.write_array(tmp_path / "none.npy", (0, 784), [])
    assert files.read_array(tmp_path / "none.npy", (None, 784)).shape == (0, 784)
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


def test_no_cell_of_a_table_is_a_formula_to_a_spreadsheet_and_each_is_read_as_it_was(tmp_path):
    formulas = ["=1+1", "+", "-", "-2+3", "-b", "@x", "'", "'=1"]
    others = ["a-b", "1", "-0.5", "+1", "-1e-05", "", "T-shirt/top"]
    files.write_rows(tmp_path / "a.csv", [{"a": text, "b": -1.5} for text in formulas + others])
    lines = (tmp_path / "a.csv").read_text().splitlines()
    assert lines == ["a,b", *(f"'{text},-1.5" for text in formulas), *(f"{text},-1.5" for text in others)]
    assert [row["a"] for row in files.read_rows(tmp_path / "a.csv")] == formulas + others


def test_the_same_content_gives_the_same_bytes_at_any_time_with_any_python(tmp_path):
    files.write_arrays(tmp_path / "a.npz", {"W": np.arange(5)})
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


def pickled():
    data = io.BytesIO()
    np.save(data, np.array([{"a": 1}]), allow_pickle=True)
    return data.getvalue()


@pytest.mark.parametrize(
    ("read", "write"),
    [
        (lambda path: files.read_array(path, (99,)), lambda path: files.write_array(path, (99,), [np.arange(99)])),
        (files.read_arrays, lambda path: files.write_arrays(path, {"W": np.arange(99)})),
        (files.read_json, lambda path: files.write_json(path, {"a": list(range(99))})),
    ],
    ids=["array", "arrays", "json"],
)
def test_a_missing_or_damaged_file_is_reported_in_one_line_with_what_to_do(tmp_path, read, write):
    path = tmp_path / "a"
    with pytest.raises(FileNotFoundError, match="a: not found; `dvc repro` makes it, `dvc checkout` restores it"):
        read(path)
    write(path)
    whole = path.read_bytes()
    for damaged in (b"", whole[: len(whole) // 2], b"not at all\n", pickled()):
        path.write_bytes(damaged)
        with refused("cannot be read, "):
            read(path)


@pytest.mark.parametrize(("shape", "dtype"), [((3, 4), "f8"), ((3, 5), "f4"), (4, "f4")])
def test_an_array_of_another_type_or_shape_is_refused(tmp_path, shape, dtype):
    array = np.zeros(shape, dtype)
    with (tmp_path / "a").open("wb") as file:
        np.save(file, array)
    with refused(f"expected float32 of any x 4, got {array.dtype} of shape {array.shape}"):
        files.read_array(tmp_path / "a", (None, 4))


def npy(shape, data=b"", dtype="<f4"):
    """An .npy file that claims `shape`."""
    header = f"{{'descr': {dtype!r}, 'fortran_order': False, 'shape': {shape}, }}".encode().ljust(117) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(header).to_bytes(2, "little") + header + data


HOSTILE = {
    "claims more than memory holds": npy("(4294967296, 4294967296, 4294967296)"),
    "negative": npy("(-1,)"),
    "objects": npy("(1,)", b"x" * 8, "|O"),
    "a header of code": npy("__import__('os').getpid()"),
    "an endless header": b"\x93NUMPY\x01\x00\xff\xff" + b"(" * 65535,
    "a header of Python 2, which NumPy guesses at": npy("(1L,)", b"x" * 4),
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
    with refused("cannot be read, "):
        files.read_arrays(path)


def with_a_flipped_bit(data):
    data[400] ^= 1


def with_one_member_a_thousand_times(data):
    """A small file that would fill the memory: its directory lists the same bytes again and again."""
    start, end = data.rindex(b"PK\x01\x02"), data.rindex(b"PK\x05\x06")
    entry, rest = data[start:end], data[end:]
    rest[8:16] = (1000).to_bytes(2, "little") * 2 + (1000 * len(entry)).to_bytes(4, "little")
    data[start:] = entry * 1000 + rest


def compressed(data):
    packed = io.BytesIO()
    np.savez_compressed(packed, W=np.zeros(10**6))
    data[:] = packed.getvalue()


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (with_a_flipped_bit, "CRC"),
        (with_one_member_a_thousand_times, "its members are larger than the file"),
        (compressed, "compressed"),
    ],
)
def test_a_hostile_archive_is_refused_without_allocating_memory(tmp_path, change, said):
    files.write_arrays(tmp_path / "a", {"W": np.zeros(1000)})
    data = bytearray((tmp_path / "a").read_bytes())
    change(data)
    (tmp_path / "a").write_bytes(data)
    with refused("cannot be read, ", said):
        files.read_arrays(tmp_path / "a")


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


def test_an_array_with_a_different_digest_is_refused(tmp_path):
    path = tmp_path / "a"
    files.write_array(path, (3,), [np.zeros(3)])
    right = files.digest(path)
    files.read_array(path, (3,), right)
    with refused(f"SHA-256 is {right[:12]}..., not 000000000000..."):
        files.read_array(path, (3,), "0" * 64)


def test_an_old_temporary_file_is_overwritten(tmp_path):
    (tmp_path / ".a.json.unfinished").write_text("left by a killed run")
    files.write_json(tmp_path / "a.json", {"a": 1})
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]


@unix
@pytest.mark.parametrize(("rows", "fraction"), [(10, 0), (10, 0.99), (10_000, 0.99)])
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
