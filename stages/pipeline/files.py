"""Read and write the files that the stages pass to each other.

Every file is whole or absent (writes are atomic): it is written under a temporary name in the same directory and
renamed. Its bytes are a function of its content: no time, path or version goes into it, so that DVC can stop a rerun
early. Nothing is ever pickled.
"""

import csv
import hashlib
import io
import json
import math
import os
import re
import warnings
import zipfile
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter, ValidationError

PLACES = ("data", "models", "reports")  # the directories that stages write to
REPAIR = "remove it and run `dvc repro`"
UNFINISHED = ".unfinished"  # the suffix of a file that is being written
FORMULA = re.compile(r"['=@]|[-+](?!\d*\.?\d+(e[-+]?\d+)?$)")  # but no number


@contextmanager
def atomic_write(path: Path | str) -> Iterator[Path]:
    """Give a temporary path; rename it to `path` when the block succeeds, remove it when the block fails.

    OSError, in one line, when the disk is full or the directory cannot be written to.
    """
    path = Path(path)
    temporary = path.with_name(f".{path.name}{UNFINISHED}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield temporary
        with temporary.open("rb+") as file:
            os.fsync(file.fileno())  # on disk before it replaces the old file
        temporary.replace(path)
    except OSError as error:
        raise OSError(f"{path}: cannot be written, {error.strerror or error}; fix that and run `dvc repro`") from error
    finally:
        with suppress(OSError):
            temporary.unlink()


def digest(path: Path | str) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    with explain_errors(path), Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 with Unix line endings."""
    with atomic_write(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_array(path: Path | str, shape: tuple[int, ...], chunks: Iterable[np.ndarray]) -> None:
    """Write a float32 array as `.npy`, given its shape and its rows in chunks; ValueError when they do not fit."""
    with atomic_write(path) as temporary, temporary.open("wb") as file:
        header = {"descr": "<f4", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(file, header)
        start = file.tell()
        for chunk in chunks:
            file.write(np.ascontiguousarray(chunk, "<f4").data)
        if file.tell() != start + 4 * math.prod(shape):
            raise ValueError(f"{path}: its chunks do not fill an array of shape {shape}")


def read_array(path: Path | str, shape: tuple[int | None, ...], sha256: str | None = None) -> np.ndarray:
    """Return the `.npy` array of float32 at `path`, memory-mapped: rows are read when they are used.

    ValueError unless it has this digest, if one is given, and this shape, where None stands for any size.
    """
    if sha256 and sha256 != (actual := digest(path)):
        raise ValueError(f"{path}: SHA-256 is {actual[:12]}..., not {sha256[:12]}...; {REPAIR}")
    with explain_errors(path):
        array: np.ndarray = np.lib.format.open_memmap(path, mode="r")
        fits = [size is None or size == actual for size, actual in zip(shape, array.shape, strict=False)]
        if array.dtype != np.float32 or array.ndim != len(shape) or not all(fits):
            expected = " x ".join("any" if size is None else str(size) for size in shape)
            raise ValueError(f"expected float32 of {expected}, got {array.dtype} of shape {array.shape}")
    return array


def write_arrays(path: Path | str, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as an uncompressed `.npz`.

    np.savez leaves the sizes of the members open, which versions of Python record in different bytes.
    """
    with atomic_write(path) as temporary, zipfile.ZipFile(temporary, "w") as archive:
        for name, array in arrays.items():
            data = io.BytesIO()
            np.save(data, array, allow_pickle=False)
            member = zipfile.ZipInfo(f"{name}.npy")  # dated 1980
            member.create_system = 3  # Unix, even where it is not
            archive.writestr(member, data.getbuffer())


def read_arrays(path: Path | str) -> dict[str, np.ndarray]:
    """Return all arrays of an uncompressed `.npz`, by name.

    No more memory is allocated than the file is large; ValueError when it is truncated, compressed or pickled.
    """
    with explain_errors(path), zipfile.ZipFile(path) as archive:
        members = archive.infolist()
        if any(member.compress_type != zipfile.ZIP_STORED for member in members):
            raise ValueError("compressed")
        if sum(member.file_size for member in members) > Path(path).stat().st_size:
            raise ValueError("its members are larger than the file")
        return {member.filename.removesuffix(".npy"): parse_array(archive.read(member)) for member in members}


def parse_array(data: bytes) -> np.ndarray:
    """Return the array in the bytes of an `.npy` file; ValueError, before memory is allocated, if its size is wrong."""
    file = io.BytesIO(data)
    if np.lib.format.read_magic(file) != (1, 0):
        raise ValueError("unknown version of the .npy format")
    with warnings.catch_warnings(action="error"):  # NumPy warns when it guesses what a header means
        shape, _, dtype = np.lib.format.read_array_header_1_0(file)
    if file.tell() + math.prod(shape) * dtype.itemsize != len(data):
        raise ValueError(f"an array of shape {shape} does not fit in its {len(data)} bytes")
    file.seek(0)
    return np.lib.format.read_array(file, allow_pickle=False)


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write JSON, one key per line, in the order given; ValueError for a number that is not finite."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def sealed(content: Mapping[str, Any]) -> dict[str, Any]:
    """Return content with the SHA-256 of its JSON as a last key, `seal`, which `read_json` checks."""
    text = json.dumps(content, sort_keys=True)
    return {**content, "seal": hashlib.sha256(text.encode()).hexdigest()}


def read_json(path: Path | str, kind: Any = Any) -> Any:
    """Return the JSON file at `path` as a value of the type `kind`, such as a dataclass.

    ValueError if it is not, or not what was sealed.
    """
    with explain_errors(path):
        text = Path(path).read_bytes()
        try:
            content = TypeAdapter(Any).validate_json(text)
            if isinstance(content, dict) and (seal := content.pop("seal", None)):
                if sealed(content)["seal"] != seal:
                    raise ValueError("its SHA-256 is not that of its content")
                text = json.dumps(content).encode()
            return TypeAdapter(kind).validate_json(text, strict=True)
        except ValidationError as error:
            first = error.errors()[0]
            raise ValueError(": ".join([*map(str, first["loc"]), first["msg"]])) from None


def write_rows(path: Path | str, rows: Iterable[Mapping[str, Any]], columns: Sequence[str] = ()) -> None:
    """Write dictionaries as CSV with a header line, by default with the keys of the first; None is an empty cell."""
    rows = list(rows)
    with atomic_write(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, columns or list(rows[0]), lineterminator="\n")
        writer.writeheader()
        writer.writerows(map(cells, rows))


def cells(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row with a ' before each text that a spreadsheet would run as a formula; `read_rows` removes it."""
    return {name: f"'{value}" if FORMULA.match(str(value)) else value for name, value in row.items()}


def read_rows(path: Path | str, columns: Sequence[str] = (), numbers: Sequence[str] = ()) -> list[dict[str, str]]:
    """Read a CSV file with a header line; every value is text.

    ValueError when it has no rows, when a row lacks one of `columns` or `numbers`, or when a value of `numbers` is
    neither a finite number nor empty.
    """
    with explain_errors(path), Path(path).open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file, strict=True))
        if not rows:
            raise ValueError("no rows")
        for line, row in enumerate(rows, 2):
            if any(row.get(name) is None for name in (*columns, *numbers)):
                raise ValueError(f"line {line} lacks one of the columns {', '.join((*columns, *numbers))}")
            if not all(math.isfinite(float(row[name] or 0)) for name in numbers):
                raise ValueError(f"line {line} has a number that is not finite")
        return [{name: text.removeprefix("'") for name, text in row.items()} for row in rows]


@contextmanager
def explain_errors(path: Path | str) -> Iterator[None]:
    """Turn an error while reading `path` into one line: which file, what is wrong, what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: not found; `dvc repro` makes it, `dvc checkout` restores it") from None
    except MemoryError:
        raise
    except Exception as error:  # parsers raise errors of any type on bytes that are not theirs
        if isinstance(error, OSError) and error.filename is not None:
            raise  # the error says which file could not be opened
        reason = (str(error) or type(error).__name__).splitlines()[0]
        raise ValueError(f"{path}: cannot be read, {reason}; {REPAIR}") from error
