"""The parser reads valid IDX and rejects anything else with one line."""

import hashlib
import os
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from stages.dataset import idx
from tests.helpers.project import idx_file
from tests.helpers.unix import unix


def head(code, *sizes):
    return bytes([0, 0, code, len(sizes)]) + b"".join(size.to_bytes(4, "big") for size in sizes)


IMAGES = idx_file(np.ones((2, 3, 4), np.uint8))
HOSTILE = {
    "empty": (b"", "not IDX: starts with b''"),
    "three bytes": (b"\0\0\x08", "not IDX"),
    "gzip": (b"\x1f\x8b\x08\0" + b"x" * 50, r"not IDX: starts with b'\x1f\x8b\x08\x00'"),
    "html after blank lines": (b"\r\n\n <HTML>", r"not IDX: starts with b'\r\n\n '"),
    "floats": (head(0x0D, 1) + b"xxxx", "unknown data type 0x0D (known: 08 09 0B 0C)"),
    "no dimensions": (b"\0\0\x08\0x", "0 dimensions; 1 to 8 are accepted"),
    "255 dimensions": (b"\0\0\x08\xff" + b"\0\0\0\x01" * 255 + b"x", "255 dimensions; 1 to 8 are accepted"),
    "truncated header": (b"\0\0\x08\x03\0\0\0\x02\0\0", "the header claims "),
    "a dimension of 0": (head(0x08, 2, 0, 4), "the header claims 0 bytes"),
    "one byte short": (IMAGES[:-1], "the header claims 24 bytes of data for shape (2, 3, 4), the file has 23"),
    "one byte long": (IMAGES + b"x", "the header claims 24 bytes of data for shape (2, 3, 4), the file has 25"),
    "product wraps around 64 bits": (head(0x08, 2**31, 2**31, 4), "the header claims"),
}


@pytest.mark.parametrize(("data", "message"), HOSTILE.values(), ids=HOSTILE)
def test_hostile_files_are_rejected_with_one_line(tmp_path, data, message):
    (tmp_path / "file").write_bytes(data)
    with pytest.raises(ValueError, match=r"file: .*; remove it and run `dvc repro`$") as raised:
        idx.read(tmp_path / "file")
    assert message in str(raised.value)


@settings(max_examples=300, deadline=None)
@given(st.data())
def test_any_bytes_give_an_array_or_one_line(data):
    """Random bytes, and good files with some bytes changed; what is accepted has exactly these bytes."""
    content = bytearray(data.draw(st.sampled_from([IMAGES, idx_file(np.arange(6, dtype="i2")), b""])))
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    content += data.draw(st.binary(max_size=20))
    try:
        array = idx.parse(bytes(content))
    except ValueError as error:
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert head(content[2], *array.shape) + array.astype(array.dtype.newbyteorder(">")).tobytes() == content


@pytest.mark.parametrize("dtype", ["u1", "i2", "i4"])
@settings(max_examples=20, deadline=None)
@given(shape=st.lists(st.integers(1, 3), min_size=1, max_size=8), seed=st.integers(0, 2**32))
def test_the_parser_gives_back_any_array(dtype, shape, seed):
    array = np.random.default_rng(seed).integers(-(2**31), 2**31, shape).astype(dtype)
    parsed = idx.parse(idx_file(array))
    assert parsed.dtype == array.dtype
    assert np.array_equal(parsed, array)


def test_paths_that_are_not_files(tmp_path):
    (tmp_path / "loop").symlink_to(tmp_path / "loop")
    for name in ("absent", "loop"):
        with pytest.raises(FileNotFoundError, match=f"{name}: not found; run `dvc repro fetch`"):
            idx.read(tmp_path / name)
    for path in (tmp_path, Path(os.devnull)):
        with pytest.raises(ValueError, match="not a regular file; remove it and run `dvc repro`"):
            idx.read(path)


@unix
def test_a_pipe_is_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe")  # has no writer: opening it would block forever
    with pytest.raises(ValueError, match="not a regular file; remove it and run `dvc repro`"):
        idx.read(tmp_path / "pipe")


def test_the_digest_of_the_bytes_is_checked(tmp_path):
    (tmp_path / "file").write_bytes(IMAGES)
    right = hashlib.sha256(IMAGES).hexdigest()
    assert idx.read(tmp_path / "file", right).shape == (2, 3, 4)
    (tmp_path / "file").write_bytes(IMAGES[:-1] + b"\2")
    with pytest.raises(ValueError, match=rf"file: SHA-256 is \w{{12}}\.\.\., not {right[:12]}\.\.\.; remove it"):
        idx.read(tmp_path / "file", right)


def labeled(images=None, labels=None, valid=range(3)):
    images = np.ones((4, 2, 3), np.uint8) if images is None else images
    labels = np.array([0, 1, 2, 1], np.uint8) if labels is None else labels
    idx.check_labeled(images, labels, valid, "IMAGES", "LABELS")


def test_a_labeled_set_is_accepted():
    labeled(labels=np.array([0, 1, 2, 1], np.int32))
    labeled(labels=np.array([1, 3, 2, 1], np.uint8), valid=range(1, 4))
    labeled(valid=range(400))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"images": np.ones((4, 6), np.uint8)}, "IMAGES: expected 3-D uint8 images, got 2-D uint8"),
        ({"images": np.ones((4, 2, 3), np.float32)}, "IMAGES: expected 3-D uint8 images, got 3-D float32"),
        ({"images": np.ones((5, 2, 3), np.uint8)}, "IMAGES: 5 images but 4 labels in LABELS"),
        ({"labels": np.ones((4, 1), np.uint8)}, "LABELS: expected 1-D integer labels, got 2-D uint8"),
        ({"labels": np.array([0.0, 1, 2, 1])}, "LABELS: expected 1-D integer labels, got 1-D float64"),
        ({"labels": np.array([0, 1, 3, 1], np.uint8)}, r"LABELS: label 3 at index 2 is outside 0\.\.2"),
        ({"labels": np.array([0, -1, 2, 1], np.int8)}, r"LABELS: label -1 at index 1 is outside 0\.\.2"),
        ({"valid": range(1, 4)}, r"LABELS: label 0 at index 0 is outside 1\.\.3"),
        ({"labels": np.ones(4, np.uint8)}, "LABELS: only class 1 present"),
    ],
)
def test_an_invalid_labeled_set_is_rejected(change, message):
    with pytest.raises(ValueError, match=message):
        labeled(**change)
