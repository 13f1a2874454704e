"""The parser reads valid IDX and rejects anything else with one line, before it allocates memory."""

import hashlib
import io
import math
import os
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dataset import idx
from tests.helpers.unix import unix


def encode(array, code=None):
    """IDX bytes, written independently of the parser."""
    codes = {"u1": 0x08, "i1": 0x09, "i2": 0x0B, "i4": 0x0C, "f4": 0x0D, "f8": 0x0E}
    code = codes[array.dtype.str[1:]] if code is None else code
    sizes = b"".join(size.to_bytes(4, "big") for size in array.shape)
    return bytes([0, 0, code, array.ndim]) + sizes + array.astype(array.dtype.newbyteorder(">")).tobytes()


def head(code, *sizes):
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


IMAGES = encode(np.zeros((2, 3, 4), np.uint8))
HOSTILE = {
    "empty": (b"", "empty (0 bytes)"),
    "one byte": (b"\0", "too short for an IDX header (1 of 4 bytes)"),
    "three bytes": (b"\0\0\x08", "too short for an IDX header (3 of 4 bytes)"),
    "gzip": (b"\x1f\x8b\x08\0" + b"x" * 50, "still gzip-compressed, not IDX"),
    "zip": (b"PK\x03\x04" + b"x" * 50, "a zip archive, not IDX"),
    "html": (b"<!DOCTYPE html><html>", "a web page, not IDX"),
    "html without doctype": (b"<html><body>403</body>", "a web page, not IDX"),
    "html after blank lines": (b"\r\n\n <HTML><body>403</body>", "a web page, not IDX"),
    "json": (b'{"message": "denied"}', "JSON, not IDX"),
    "json over lines": (b'{\n "message": "denied"\n}', "JSON, not IDX"),
    "git lfs": (b"version https://git-lfs.github.com/spec/v1\n", "a Git LFS pointer, not IDX"),
    "bad magic": (b"\x01\0\x08\x01" + b"\0" * 9, "bad magic 0x01000801: the first two bytes must be 0"),
    "magic in little-endian": (b"\x01\x08\0\0" + b"\0" * 9, "bad magic 0x01080000"),
    "npy": (b"\x93NUMPY\x01\0", "bad magic"),
    "type 0": (head(0x00, 1) + b"x", "unknown data type 0x00 (known: 08 09 0B 0C 0D 0E)"),
    "type 0A": (head(0x0A, 1) + b"x", "unknown data type 0x0A"),
    "type FF": (head(0xFF, 1) + b"x", "unknown data type 0xFF"),
    "no dimensions": (b"\0\0\x08\0x", "0 dimensions; 1 to 8 are accepted"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", "255 dimensions; 1 to 8 are accepted"),
    "truncated header": (
        b"\0\0\x08\x03\0\0\0\x02\0\0",
        "truncated header: 12 bytes needed for 3 dimensions, 6 present",
    ),
    "no items": (head(0x08, 0), "dimension 0 is 0"),
    "a dimension of 0": (head(0x08, 2, 0, 4), "dimension 1 is 0"),
    "one byte short": (IMAGES[:-1], "truncated: the header claims 24 bytes of data, the file has 23"),
    "one byte long": (IMAGES + b"x", "1 byte(s) after the end of the data"),
    "concatenated twice": (IMAGES * 2, "byte(s) after the end of the data"),
    "only the header": (IMAGES[:16], "truncated: the header claims 24 bytes of data, the file has 0"),
    "far too large": (head(0x0E, 2**32 - 1, 2**32 - 1, 2**32 - 1), "truncated: the header claims"),
    "product wraps around 64 bits": (head(0x08, 2**31, 2**31, 4) + b"", "truncated: the header claims"),
    "little-endian sizes": (b"\0\0\x08\x01" + (5).to_bytes(4, "little") + b"x" * 5, "they look little-endian ((5,))"),
    "not a number": (encode(np.array([1.0, np.nan])), "contains a number that is not finite"),
    "infinite": (encode(np.array([1.0, np.inf], np.float32)), "contains a number that is not finite"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_rejected_with_one_line(tmp_path, data, message):
    path = tmp_path / "file"
    path.write_bytes(data)
    tracemalloc.start()
    with pytest.raises(ValueError, match="file: ") as raised:
        idx.read(path)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert message in str(raised.value)
    assert "\n" not in str(raised.value)
    assert str(raised.value).startswith(str(path))
    assert "remove it and run `dvc repro`" in str(raised.value)
    assert peak < 2**20


@pytest.mark.parametrize("dtype", ["u1", "i1", "i2", "i4", "f4", "f8"])
@pytest.mark.parametrize("ndim", range(1, 9))
def test_all_types_and_dimensions(tmp_path, dtype, ndim):
    array = np.random.default_rng(0).integers(0, 100, (2, 3, 1, 2, 1, 2, 1, 3)[:ndim]).astype(dtype)
    array.flat[0] = -5 if dtype != "u1" else 251
    path = tmp_path / "file"
    path.write_bytes(encode(array))
    read = idx.read(path)
    assert np.array_equal(read, array)
    assert read.dtype == np.dtype(dtype)
    assert read.dtype.isnative
    assert read.flags.c_contiguous
    assert not read.flags.writeable


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_give_an_array_or_one_line(tmp_path_factory, data):
    """Random bytes, and good files with some bytes changed; what is accepted has exactly these bytes."""
    content = bytearray(data.draw(st.sampled_from([IMAGES, encode(np.arange(6, dtype="i2")), b""])))
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content += data.draw(st.binary(max_size=20))
    path = tmp_path_factory.getbasetemp() / "mutant"
    path.write_bytes(content)
    try:
        array = idx.read(path)
    except ValueError as error:
        message = str(error)
        assert "\n" not in message
    else:
        assert encode(array, content[2]) == content


def test_paths_that_are_not_files(tmp_path):
    with pytest.raises(FileNotFoundError, match="absent: not found; run `dvc repro fetch`"):
        idx.read(tmp_path / "absent")
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    with pytest.raises(FileNotFoundError, match="loop: not found; run `dvc repro fetch`"):
        idx.read(tmp_path / "loop")
    for path in (tmp_path, os.devnull):
        with pytest.raises(ValueError, match="not a regular file; remove it and run `dvc repro`"):
            idx.read(path)


@unix
def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # has no writer: opening it would block forever
    with pytest.raises(ValueError, match="not a regular file; remove it and run `dvc repro`"):
        idx.read(tmp_path / "pipe")


def test_a_link_is_followed(tmp_path):
    (tmp_path / "cache").write_bytes(IMAGES)
    (tmp_path / "file").symlink_to("cache")
    assert idx.read(tmp_path / "file").shape == (2, 3, 4)


def test_the_digest_of_the_bytes_read_is_checked(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(IMAGES)
    right = hashlib.sha256(IMAGES).hexdigest()
    assert np.array_equal(idx.read(path, right), idx.read(path))
    path.write_bytes(IMAGES[:-1] + b"\1")
    with pytest.raises(ValueError, match=rf"file: SHA-256 is \w{{12}}\.\.\., not {right[:12]}\.\.\.; remove it"):
        idx.read(path, right)


@pytest.mark.parametrize("change", [-5, 5])
def test_a_file_that_grows_or_shrinks_while_it_is_read(change):
    with pytest.raises(ValueError, match="changed while it was read"):
        idx.parse(io.BytesIO((IMAGES + b"x" * 5)[: len(IMAGES) + change]), len(IMAGES))


def test_a_sparse_file_of_a_terabyte_is_rejected_by_its_size(tmp_path):
    path = tmp_path / "file"
    path.write_bytes(IMAGES)
    os.truncate(path, 2**40)
    with pytest.raises(ValueError, match=r"1099511627736 byte\(s\) after the end of the data"):
        idx.read(path)


@pytest.mark.parametrize("dtype", ["u1", ">i2", ">f4", ">f8"])
def test_no_more_memory_than_the_file_has_bytes(tmp_path, dtype):
    path = tmp_path / "file"
    path.write_bytes(encode(np.ones(2**22 // np.dtype(dtype).itemsize, dtype)))
    tracemalloc.start()
    idx.read(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert 2**22 <= peak < 2**22 + 2**17


@pytest.mark.parametrize("dtype", [">u1", ">i1", ">i2", ">i4", ">f4", ">f8"])
@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 5), min_size=1, max_size=5), seed=st.integers(0, 2**32))
def test_the_parser_gives_back_any_array(tmp_path_factory, dtype, shape, seed):
    path = tmp_path_factory.getbasetemp() / "good"
    array = np.frombuffer(np.random.default_rng(seed).bytes(8 * math.prod(shape)), dtype)[: math.prod(shape)]
    array = np.nan_to_num(array, nan=1, posinf=2, neginf=3).reshape(shape)
    path.write_bytes(encode(array))
    assert np.array_equal(idx.read(path), array)


def labeled(images=None, labels=None, valid=range(3)):
    images = np.ones((4, 2, 3), np.uint8) if images is None else images
    labels = np.array([0, 1, 2, 1], np.uint8) if labels is None else labels
    idx.check_labeled(images, labels, valid, "IMAGES", "LABELS")


def test_a_labeled_set_is_accepted():
    labeled()
    labeled(labels=np.array([0, 1, 2, 1], np.int32))
    labeled(labels=np.array([1, 3, 2, 1], np.uint8), valid=range(1, 4))
    labeled(valid=range(400))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.ones((4, 6), np.uint8)}, "IMAGES: contains 2-D uint8, 3-D uint8 images expected"),
        ({"images": np.ones((4, 2, 3), np.float32)}, "IMAGES: contains 3-D float32"),
        ({"images": np.ones((5, 2, 3), np.uint8)}, "IMAGES: 5 images but 4 labels in LABELS"),
        ({"images": np.zeros((4, 2, 3), np.uint8)}, "IMAGES: all images are blank"),
        ({"labels": np.ones((4, 1), np.uint8)}, "LABELS: contains 2-D uint8"),
        ({"labels": np.array([0.0, 1, 2, 1])}, "LABELS: contains 1-D float64"),
        ({"labels": np.array([0, 1, 3, 1], np.uint8)}, r"LABELS: label 3 at index 2 is outside 0\.\.2"),
        ({"labels": np.array([0, -1, 2, 1], np.int8)}, r"LABELS: label -1 at index 1 is outside 0\.\.2"),
        ({"valid": range(1, 4)}, r"LABELS: label 0 at index 0 is outside 1\.\.3"),
        ({"labels": np.ones(4, np.uint8)}, "LABELS: only class 1 present"),
    ],
)
def test_an_invalid_labeled_set_is_rejected(change, message):
    with pytest.raises(ValueError, match=message):
        labeled(**change)
