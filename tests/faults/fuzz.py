"""Coverage-guided fuzzing of the file readers: any bytes give an array or a one-line ValueError.

    python -m tests.faults.fuzz idx -runs=10000000

Readers: idx (stages/dataset/idx.py), npy and npz (stages/pipeline/files.py). Further arguments go to libFuzzer, which
prints the number of executions, the coverage (cov) and the input of a crash.
"""

import io
import sys
import tempfile
import warnings
import zipfile
from pathlib import Path

import atheris

with atheris.instrument_imports(include=["stages", "zipfile", "numpy.lib"]):
    import numpy as np

    from stages.dataset import idx
    from stages.pipeline import files

warnings.simplefilter("error")  # a warning would print a second line
PLACE = Path(tempfile.mkdtemp(dir="/dev/shm" if Path("/dev/shm").is_dir() else None)) / "input"


def only_one_line(error: ValueError) -> None:
    assert len(str(error).splitlines()) == 1, error


def fuzz_idx(data: bytes) -> None:
    """An accepted array, written back, has the same bytes."""
    try:
        array, _ = idx.parse(io.BytesIO(data), len(data))
    except ValueError as error:
        only_one_line(error)
    else:
        big_endian = array.astype(array.dtype.newbyteorder(">"), copy=False).tobytes()
        sizes = np.array(array.shape, ">u4").tobytes()
        assert bytes([0, 0, data[2], array.ndim]) + sizes + big_endian == data


def fuzz_npy(data: bytes) -> None:
    """Read the bytes as a .npy file, and as a member of a valid archive."""
    PLACE.write_bytes(data)
    try:
        array = files.read_array(PLACE, (None, 4))
        assert array.nbytes <= len(data)
    except ValueError as error:
        only_one_line(error)
    with zipfile.ZipFile(PLACE, "w") as archive:
        archive.writestr("W1.npy", data)
    read_arrays(len(data))


def fuzz_npz(data: bytes) -> None:
    PLACE.write_bytes(data)
    read_arrays(len(data))


def read_arrays(size: int) -> None:
    """The arrays of an archive are no larger than the archive."""
    try:
        arrays = files.read_arrays(PLACE)
    except ValueError as error:
        only_one_line(error)
    else:
        assert sum(array.nbytes for array in arrays.values()) <= size


def seeds(name: str, directory: Path) -> None:
    """Write valid files to start from, of every type and of one to eight dimensions; each must be accepted."""
    for code, dtype in idx.TYPES.items():
        for ndim in (1, 2, 3, 8):
            array = np.arange(2**ndim).reshape((2,) * ndim).astype(dtype)
            path = directory / f"{code:02x}-{ndim}"
            if name == "idx":
                header = bytes([0, 0, code, ndim]) + np.array(array.shape, ">u4").tobytes()
                path.write_bytes(header + array.tobytes())
                idx.read(path)
            elif name == "npy":
                with path.open("wb") as file:
                    np.save(file, array.reshape(-1, 2))
                files.parse_array(path.read_bytes())
            else:
                with path.open("wb") as file:
                    np.savez(file, W1=array, b1=array[0], activation="relu")
                files.read_arrays(path)


if __name__ == "__main__":
    chosen = sys.argv.pop(1)
    corpus = Path(tempfile.mkdtemp())
    seeds(chosen, corpus)
    atheris.Setup(
        [
            *sys.argv,
            "-print_final_stats=1",
            "-artifact_prefix=tests/faults/",
            "-timeout=10",
            "-rss_limit_mb=1024",
            str(corpus),
        ],
        globals()[f"fuzz_{chosen}"],
    )
    atheris.Fuzz()
