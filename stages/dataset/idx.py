"""Read the IDX format of the original digits, and reject anything else.

byte 0, 1      0
byte 2         type of the items, see TYPES
byte 3         number of dimensions
4 bytes each   the size of each dimension, big-endian
the rest       the items, big-endian, the last dimension running fastest
"""

import hashlib
import math
import mmap
from pathlib import Path

import numpy as np

TYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4"}  # whole numbers; images and labels need no others
MAX_DIMENSIONS = 8


def read(path: Path | str, sha256: str | None = None) -> np.ndarray:
    """Return the array in the IDX file at `path`, read-only and memory-mapped: images are read when they are used.

    Raises OSError when the file cannot be read, and ValueError when it is not exactly one well-formed IDX array, or
    not the one with this digest.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: not found; run `dvc repro fetch`")
    if not path.is_file():  # checked first: opening a named pipe waits for its other end
        raise ValueError(f"{path}: not a regular file; remove it and run `dvc repro`")
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
        data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) if file.tell() else b""  # an empty map is refused
    try:
        if sha256 not in (None, digest):
            raise ValueError(f"SHA-256 is {digest[:12]}..., not {sha256[:12]}...")
        return parse(data)
    except ValueError as error:
        raise ValueError(f"{path}: {error}; remove it and run `dvc repro`") from None


def parse(data: bytes | mmap.mmap) -> np.ndarray:
    """Return the array in the bytes of an IDX file, in the machine's byte order; ValueError unless it is one."""
    if data[:2] != b"\0\0" or len(data) < 4:
        raise ValueError(f"not IDX: starts with {data[:4]!r}, but the first two of four bytes must be 0")
    code, ndim = data[2], data[3]
    if code not in TYPES:
        raise ValueError(f"unknown data type 0x{code:02X} (known: {' '.join(f'{known:02X}' for known in TYPES)})")
    if not 1 <= ndim <= MAX_DIMENSIONS:
        raise ValueError(f"{ndim} dimensions; 1 to {MAX_DIMENSIONS} are accepted")
    start = 4 + 4 * ndim
    shape = tuple(int.from_bytes(data[at : at + 4], "big") for at in range(4, start, 4))
    dtype = np.dtype(TYPES[code])
    claimed, present = math.prod(shape) * dtype.itemsize, len(data) - start
    if claimed != present or not claimed:
        raise ValueError(f"the header claims {claimed} bytes of data for shape {shape}, the file has {present}")
    return np.frombuffer(data, dtype, offset=start).reshape(shape).astype(dtype.newbyteorder("="), copy=False)


def check_labeled(images: np.ndarray, labels: np.ndarray, valid: range, images_path: Path, labels_path: Path) -> None:
    """Raise ValueError unless images (N, rows, columns) uint8 and labels (N,), all of them `valid`, make a set."""
    if images.ndim != 3 or images.dtype != np.uint8:
        raise ValueError(f"{images_path}: expected 3-D uint8 images, got {images.ndim}-D {images.dtype}")
    if labels.ndim != 1 or labels.dtype.kind not in "iu":
        raise ValueError(f"{labels_path}: expected 1-D integer labels, got {labels.ndim}-D {labels.dtype}")
    if len(images) != len(labels):
        raise ValueError(f"{images_path}: {len(images)} images but {len(labels)} labels in {labels_path}")
    bad = np.flatnonzero((labels < valid[0]) | (labels > valid[-1]))
    if bad.size:
        raise ValueError(f"{labels_path}: label {labels[bad[0]]} at index {bad[0]} is outside {valid[0]}..{valid[-1]}")
    if labels.min() == labels.max():
        raise ValueError(f"{labels_path}: only class {labels[0]} present")
