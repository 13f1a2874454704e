"""The only reader and writer of what the stages hand to each other.

Every file is whole or absent: it is written under a temporary name beside its place and renamed into it. Every
file is a function of what it holds: no time, path or version goes into it, so the same content gives the same
bytes and DVC can stop a rerun early. Nothing is ever pickled.
"""

import csv
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]


@contextmanager
def replacing(path: Path | str) -> Iterator[Path]:
    """Give a temporary name beside `path`; rename it to `path` if the block succeeds, remove it if not."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def write_text(path: Path | str, text: str) -> None:
    """Write `text` as UTF-8 with Unix line ends."""
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8", newline="\n")


def write_array(path: Path | str, array: Array) -> None:
    """Write one array as `.npy`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.save(file, array, allow_pickle=False)


def read_array(path: Path | str, *, mapped: bool = False) -> Array:
    """Read a `.npy` array; `mapped` leaves it on disk and reads rows as they are asked for."""
    array: Array
    with explained(path), Path(path).open("rb") as file:
        array = np.load(path, mmap_mode="r", allow_pickle=False) if mapped else np.load(file, allow_pickle=False)
    return array


def write_arrays(path: Path | str, arrays: Mapping[str, Any]) -> None:
    """Write named arrays as an uncompressed `.npz`."""
    with replacing(path) as temporary, temporary.open("wb") as file:
        np.savez(file, allow_pickle=False, **arrays)


def read_arrays(path: Path | str) -> dict[str, Array]:
    """Read all arrays of a `.npz` by name."""
    with explained(path), Path(path).open("rb") as file, np.load(file, allow_pickle=False) as archive:
        return dict(archive)


def write_json(path: Path | str, content: Mapping[str, Any]) -> None:
    """Write JSON, a key a line, in the order given; ValueError for a number that is not finite."""
    write_text(path, json.dumps(content, indent=2, allow_nan=False, ensure_ascii=False) + "\n")


def read_json(path: Path | str) -> Any:
    """Read a JSON file."""
    with explained(path):
        return json.loads(Path(path).read_text(encoding="utf-8"))


def write_rows(path: Path | str, rows: Iterable[Mapping[str, Any]]) -> None:
    """Write dictionaries with equal keys as CSV with a header line; None becomes an empty cell."""
    with replacing(path) as temporary, temporary.open("w", encoding="utf-8", newline="") as file:
        writer: csv.DictWriter[str] | None = None
        for row in rows:
            if writer is None:
                writer = csv.DictWriter(file, fieldnames=list(row), lineterminator="\n")
                writer.writeheader()
            writer.writerow(row)


def read_rows(path: Path | str) -> list[dict[str, str]]:
    """Read a CSV file with a header line; every value is text, as it stands there."""
    with explained(path), Path(path).open(encoding="utf-8", newline="") as file:
        return list(csv.DictReader(file))


@contextmanager
def explained(path: Path | str) -> Iterator[None]:
    """Turn what goes wrong while reading `path` into one sentence: what, where, what to do."""
    try:
        yield
    except FileNotFoundError:
        raise FileNotFoundError(f"{path}: not found; `dvc repro` makes it, `dvc checkout` restores it") from None
    except (ValueError, TypeError, AttributeError, EOFError, KeyError, csv.Error, BadZipFile) as error:
        raise ValueError(
            f"{path}: cannot be read ({error}); remove it and run `dvc repro`, which makes it anew"
        ) from error
