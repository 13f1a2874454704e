"""Coverage-guided fuzzing of the file readers: any bytes give an array or a one-line ValueError.

    python -m tests.faults.fuzz idx -runs=10000000

Readers: idx (stages/dataset/idx.py), npy and npz (stages/pipeline/files.py). Further arguments go to libFuzzer, which
prints the number of executions, the coverage (cov) and the input of a crash.
"""

import contextlib
import functools
import io
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

try:
    import atheris

    instrumented = atheris.instrument_imports(include=["stages", "zipfile", "numpy.lib"])
except ModuleNotFoundError:  # the tests call the readers without it
    instrumented = contextlib.nullcontext()
with instrumented:
    import numpy as np

    from stages.dataset import idx
    from stages.pipeline import files

PLACE = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "input"


def read_idx(data: bytes) -> None:
    """An accepted array, written back, has the same bytes."""
    array = idx.parse(data)
    big_endian = array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
    assert bytes([0, 0, data[2], array.ndim]) + np.array(array.shape, ">u4").tobytes() + big_endian == data


def read_npy(data: bytes) -> None:
    """Read the bytes as a .npy file, then as a member of a valid archive. An array is no larger than its file."""
    PLACE.write_bytes(data)
    with contextlib.suppress(ValueError):
        assert files.read_array(PLACE, (None, 4)).nbytes <= len(data)
    with zipfile.ZipFile(PLACE, "w") as archive:
        archive.writestr("W1.npy", data)
    read_npz(PLACE.read_bytes())


def read_npz(data: bytes) -> None:
    """The arrays of an archive are no larger than the archive."""
    PLACE.write_bytes(data)
    assert sum(array.nbytes for array in files.read_arrays(PLACE).values()) <= len(data)


READERS = {"idx": read_idx, "npy": read_npy, "npz": read_npz}


def check(name: str, data: bytes) -> None:
    """Any bytes give an array, or a ValueError of one line and no warning, which would be a second one."""
    with warnings.catch_warnings(action="error"):
        try:
            READERS[name](data)
        except ValueError as error:
            if len(str(error).splitlines()) != 1:
                raise AssertionError(error) from error


def seeds(name: str) -> list[bytes]:
    """Valid files to start from, of every type and of one to eight dimensions."""
    found = []
    for code, dtype in idx.TYPES.items():
        for ndim in (1, 2, 3, 8):
            array, file = np.arange(2**ndim).reshape((2,) * ndim).astype(dtype), io.BytesIO()
            if name == "idx":
                header = bytes([0, 0, code, ndim]) + np.array(array.shape, ">u4").tobytes()
                file.write(header + array.tobytes())
            elif name == "npy":
                np.save(file, array.reshape(-1, 2))
            else:
                np.savez(file, W1=array, b1=array[0], activation="relu")
            found.append(file.getvalue())
    return found


if __name__ == "__main__":
    chosen, corpus = sys.argv.pop(1), Path(tempfile.mkdtemp())
    for number, data in enumerate(seeds(chosen)):
        (corpus / str(number)).write_bytes(data)
    options = ["-print_final_stats=1", "-artifact_prefix=tests/faults/", "-timeout=10", "-rss_limit_mb=1024"]
    atheris.Setup([*sys.argv, *options, str(corpus)], functools.partial(check, chosen))
    atheris.Fuzz()
