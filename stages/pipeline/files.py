"""The only reader and writer of what the stages hand to each other.

Every file is whole or absent: it is written under a temporary name beside its place and renamed into it. Every
file is a function of what it holds: no time, path or version goes into it, so the same content gives the same
bytes and DVC can stop a rerun early. Nothing is ever pickled.
"""

import csv
import hashlib
import io
import json
import math
import os
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

PLACES = ("data", "models", "reports")  # where the stages write
UNFINISHED = ".unfinished"  # ends the name of a file that is being written


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` if the block succeeds, remove it if not.

    OSError, in one line, when the disk is full or the place cannot be written.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on the disk before it takes the old one's place
        temporary.replace(path)
    except OSError as error:
        reason = error.strerror or error  # NumPy tells a full disk in words of its own
        raise OSError(f"{path}: cannot be written, {reason}; mend that and run `dvc repro`") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def left_behind() -> list[Path]:
    """Return what killed stages left of files that they were writing; of no use to anyone."""
    return sorted(path for place in PLACES for path in Path(place).rglob(f".*{UNFINISHED}"))


def digest(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with explained(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_digest(path: Path | str, expected: str) -> None:
    """Raise ValueError unless the SHA-256 of a file is `expected`."""
    if (actual := digest(path)) != expected:
        raise ValueError(
            f"{path}: SHA-256 is {actual[:12]}..., {expected[:12]}... expected; run `make doctor`, which says how to "
            "repair it"
        )


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_array(path: Path | str, array: np.ndarray) -> None:
    """Write one array as `.npy`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        # Into a file that it knows to be one, NumPy writes through C's buffers, and does not notice when the last of
        # them finds no room on the disk.
        np.save(SimpleNamespace(write=file.write), array, allow_pickle=False)


def read_array(path: Path | str, shape: tuple[int | None, ...], sha256: str | None = None) -> np.ndarray:
    """Return the `.npy` array of float32 at `path`, left on disk: rows are read as they are asked for.

    ValueError unless it has this shape, where None stands for any size, and this digest, if one is given.
    """
    with explained(path):
        with Path(path).open("rb") as file:
            check_size(file, Path(path).stat().st_size)
        array: np.ndarray = np.load(path, mmap_mode="r", allow_pickle=False)
        fits = [size is None or size == actual for size, actual in zip(shape, array.shape, strict=False)]
        if array.dtype != np.float32 or array.ndim != len(shape) or not all(fits):
            expected = " x ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"holds {array.dtype} of shape {array.shape}; float32 of {expected} expected")
    if sha256 is not None:
        check_digest(path, sha256)
    return array


def write_arrays(path: Path | str, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as an uncompressed `.npz`.

    As np.savez does, but member by member: savez leaves the size of each open, which Pythons note in different bytes.
    """
    with replacing(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.save(data, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            member.create_system = 3  # Unix, even where it is not
            archive.writestr(member, data.getbuffer())


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Return all arrays of an uncompressed `.npz`, by name.

    Nothing is allocated before its size is known to be in the file; ValueError for what is torn, compressed or pickled.
    """
    arrays = {}
    with explained(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        for member in members:
            if member.compress_type != zipfile.ZIP_STORED:
                raise ValueError(f"{member.filename} is not stored plainly")
        if sum(member.file_size for member in members) > Path(path).stat().st_size:
            raise ValueError("it claims to hold more than it is large")
        for member in members:
            with archive.open(member) as file:
                check_size(file, member.file_size)
            with archive.open(member) as file:
                name = member.filename.removesuffix(".npy")
                arrays[name] = np.lib.format.read_array(file, allow_pickle=False)
    return arrays


def check_size(file: IO[bytes], size: int) -> None:
    """Raise ValueError unless the `.npy` array in `file` claims to be as large as `size` bytes of file can hold."""
    version = np.lib.format.read_magic(file)
    read_header = {
        (1, 0): np.lib.format.read_array_header_1_0,
        (2, 0): np.lib.format.read_array_header_2_0,
    }.get(version)
    if read_header is None:
        raise ValueError(f"version {version} of the .npy format")
    with warnings.catch_warnings(action="error"):  # NumPy warns of a header that it can only guess at
        shape, _, dtype = read_header(file)
    if file.tell() + math.prod(shape) * dtype.itemsize != size:
        raise ValueError(f"an array of shape {shape} does not fit in its {size} bytes")


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write JSON, a key a line, in the order given; ValueError for a number that is not finite."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str, kind: Any = Any) -> Any:
    """Return the JSON file at `path` as a value of the type `kind`, such as a dataclass; ValueError if it is none."""
    with explained(path):
        try:
            return TypeAdapter(kind).validate_json(Path(path).read_bytes(), strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from None


def write_rows(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write dictionaries with equal keys as CSV with a header line; None becomes an empty cell."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def read_rows(path: Path | str, columns: Sequence[str] = (), numbers: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV file with a header line; every value is text, as it stands there.

    ValueError when it has no rows, when a row lacks one of `columns` or of `numbers`, or holds in the latter what is
    neither a finite number nor empty.
    """
    with explained(path), Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
        if not rows:
            raise ValueError("it has no rows")
        for line, row in enumerate(rows, 2):
            if any(row.get(name) is None for name in (*columns, *numbers)):
                raise ValueError(f"line {line} has not all of the columns {', '.join((*columns, *numbers))}")
            if not all(math.isfinite(float(row[name] or 0)) for name in numbers):
                raise ValueError(f"line {line} holds a number that is not finite")
        return rows


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what goes wrong while reading `path` into one sentence: what, where, what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: not found; `dvc repro` makes it, `dvc checkout` restores it") from None
    except MemoryError:
        raise
    except Exception as error:  # there is no end to what parsers raise on bytes that are not theirs
        if isinstance(error, OSError) and error.filename is not None:
            raise  # it could not be opened, and the error says which file
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: cannot be read, {reason}; run `make doctor`, which says how to repair it") from error
