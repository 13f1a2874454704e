"""Read the IDX format of the original digits, and reject anything else.

    byte 0, 1      0
    byte 2         type of the items, see TYPES
    byte 3         number of dimensions
    4 bytes each   the size of each dimension, big-endian
    the rest       the items, big-endian, the last dimension running fastest

The header is checked against the size of the file before anything is allocated, so no more memory is used than the
file has bytes.
"""

import hashlib
import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
MAX_DIMENSIONS = 8
LOOKALIKES = {
    b"\x1f\x8b": "still gzip-compressed",
    b"<!": "a web page",
    b"<h": "a web page",
    b"{": "JSON",
    b"pk": "a zip archive",
    b"version https://git-lfs": "a Git LFS pointer",
}


def read(path: Path | str, sha256: str | None = None) -> np.ndarray:
    """Return the array in the IDX file at `path`: read-only, C-contiguous, in the machine's byte order.

    Raises OSError when the file cannot be read, and ValueError when it is not exactly one well-formed IDX array, or
    not the one with this digest.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; run `dvc repro fetch`")
    if not path.is_file():  # checked first: opening a named pipe waits for its other end
        raise ValueError(f"{path}: not a regular file; remove it and run `dvc repro`")
    with path.open("rb") as file:
        try:
            array, digest = parse(file, os.fstat(file.fileno()).st_size)
        except ValueError as error:
            raise ValueError(f"{path}: {error}; remove it and run `dvc repro`") from None
    if sha256 not in (None, digest):
        raise ValueError(f"{path}: SHA-256 is {digest[:12]}..., not {sha256[:12]}...; remove it and run `dvc repro`")
    return array


def parse(file: BinaryIO, size: int) -> tuple[np.ndarray, str]:
    """Return the array in an open IDX file of `size` bytes, and the SHA-256 of these bytes, or raise ValueError."""
    head = file.read(4 + 4 * MAX_DIMENSIONS)
    dtype, shape = parse_header(head, size)
    start = 4 + 4 * len(shape)
    file.seek(start)
    array = np.empty(math.prod(shape), dtype)
    data = array.view(np.uint8).data
    if file.readinto(data) != size - start or file.read(1):  # type: ignore[attr-defined]
        raise ValueError("changed while it was read")
    digest = hashlib.sha256(head[:start])
    digest.update(data)
    if not dtype.isnative:
        array = array.byteswap(inplace=True).view(dtype.newbyteorder("="))
    if array.dtype.kind == "f" and not np.isfinite([array.min(), array.max()]).all():
        raise ValueError("contains a number that is not finite")
    array.flags.writeable = False
    return array.reshape(shape), digest.hexdigest()


def parse_header(head: bytes, size: int) -> tuple[np.dtype[Any], tuple[int, ...]]:
    """Return the type and shape in the header of a file of `size` bytes, or raise ValueError."""
    if size == 0:
        raise ValueError("empty (0 bytes)")
    for start, what in LOOKALIKES.items():
        if head.lstrip(b" \t\r\n").lower().startswith(start):
            raise ValueError(f"{what}, not IDX")
    if size < 4:
        raise ValueError(f"too short for an IDX header ({size} of 4 bytes)")
    if head[:2] != b"\0\0":
        raise ValueError(f"bad magic 0x{head[:4].hex()}: the first two bytes must be 0")
    code, ndim = head[2], head[3]
    if code not in TYPES:
        raise ValueError(f"unknown data type 0x{code:02X} (known: {' '.join(f'{known:02X}' for known in TYPES)})")
    if not 1 <= ndim <= MAX_DIMENSIONS:
        raise ValueError(f"{ndim} dimensions; 1 to {MAX_DIMENSIONS} are accepted")
    if size < 4 + 4 * ndim:
        raise ValueError(f"truncated header: {4 * ndim} bytes needed for {ndim} dimensions, {size - 4} present")
    dtype = np.dtype(TYPES[code])
    shape = tuple(int.from_bytes(head[4 + 4 * i : 8 + 4 * i], "big") for i in range(ndim))
    if 0 in shape:
        raise ValueError(f"dimension {shape.index(0)} is 0")
    claimed, present = math.prod(shape) * dtype.itemsize, size - 4 - 4 * ndim
    if claimed != present:
        swapped = tuple(int.from_bytes(n.to_bytes(4, "big"), "little") for n in shape)
        if math.prod(swapped) * dtype.itemsize == present:
            raise ValueError(f"sizes {shape} do not fit; they look little-endian ({swapped})")
        if claimed > present:
            raise ValueError(f"truncated: the header claims {claimed} bytes of data, the file has {present}")
        raise ValueError(f"{present - claimed} byte(s) after the end of the data")
    return dtype, shape


def check_labeled(
    images: np.ndarray, labels: np.ndarray, valid: range, images_path: Path | str, labels_path: Path | str
) -> None:
    """Raise ValueError unless images (N, rows, columns) uint8 and labels (N,), all of them `valid`, make a set."""
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(f"{images_path}: contains {images.ndim}-D {images.dtype}, 3-D uint8 images expected")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{labels_path}: contains {labels.ndim}-D {labels.dtype}, 1-D integer labels expected")
    if len(images) != len(labels):
        raise ValueError(f"{images_path}: {len(images)} images but {len(labels)} labels in {labels_path}")
    bad = np.flatnonzero((labels < valid[0]) | (labels > valid[-1]))
    if bad.size:
        raise ValueError(f"{labels_path}: label {labels[bad[0]]} at index {bad[0]} is outside {valid[0]}..{valid[-1]}")
    if labels.min() == labels.max():
        raise ValueError(f"{labels_path}: only class {labels[0]} present")
    if not images.any():
        raise ValueError(f"{images_path}: all images are blank")
