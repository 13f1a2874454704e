"""Resume a long computation where it was killed.

A checkpoint lies next to the outputs but is not one of them, so DVC neither removes nor versions it. It has a key, the
digest of everything that the result depends on; one of different parameters, data or code is reported and ignored.
"""

import hashlib
import json
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from stages.pipeline import files

SECONDS = 1.0  # at least, between two checkpoints


class Checkpoint:
    """Arrays by name in a file at `path`, for runs with the same `key` only."""

    def __init__(self, path: Path | str, key: str) -> None:
        self.path, self.key, self.saved = Path(path), key, time.monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """Return what an interrupted run saved last, or None; print to standard error why a file is ignored."""
        if not self.path.exists():
            return None
        try:
            arrays = files.read_arrays(self.path)
            if str(arrays.pop("key", None)) == self.key:
                return arrays
            reason = "made with different parameters, data or code"
        except (ValueError, OSError) as error:
            reason = str(error)
        print(f"{self.path}: ignored: {reason}; starting over", file=sys.stderr)
        return None

    def save(self, arrays: Mapping[str, Any]) -> None:
        """Save the arrays for a later run, unless the last ones were saved less than SECONDS ago."""
        if time.monotonic() - self.saved >= SECONDS:
            files.write_arrays(self.path, {"key": self.key, **arrays})
            self.saved = time.monotonic()

    def remove(self) -> None:
        """Remove the file: the computation is done."""
        self.path.unlink(missing_ok=True)


def key_of(parameters: Mapping[str, Any], paths: Sequence[Path]) -> str:
    """Return a digest of the parameters, the content of the files, the loaded modules of ours and NumPy's version."""
    digest = hashlib.sha256(json.dumps([parameters, np.__version__], sort_keys=True).encode())
    modules = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "stages"]
    for path in [*paths, *(Path(module.__file__) for module in modules if module.__file__)]:
        digest.update(files.digest(path).encode())
    return digest.hexdigest()
