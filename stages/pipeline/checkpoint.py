"""Let a long computation go on where it was killed.

A checkpoint stands beside the outputs and is none of them, so DVC neither removes nor versions it. It bears a key, the
digest of all that the result depends on; one made with other parameters, data or code is told and left unused.
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

SECONDS = 1.0  # between two checkpoints, at least


class Checkpoint:
    """Arrays by name in a file at `path`, of use to a run that gives the same `key` only."""

    def __init__(self, path: Path | str, key: str) -> None:
        self.path, self.key, self.saved = Path(path), key, time.monotonic()

    def load(self) -> dict[str, np.ndarray] | None:
        """Return what an interrupted run saved last, or None; tell on standard error why a file is of no use."""
        if not self.path.exists():
            return None
        try:
            arrays = files.read_arrays(self.path)
            if str(arrays.pop("key", None)) == self.key:
                return arrays
            why = "made with other parameters, data or code"
        except (ValueError, OSError) as error:
            why = str(error)
        print(f"{self.path}: not used, {why}; starting from the beginning", file=sys.stderr)
        return None

    def save(self, arrays: Mapping[str, Any]) -> None:
        """Keep the arrays for a later run, unless others were saved less than SECONDS ago."""
        if time.monotonic() - self.saved >= SECONDS:
            files.write_arrays(self.path, {"key": self.key, **arrays})
            self.saved = time.monotonic()

    def remove(self) -> None:
        """The work is done."""
        self.path.unlink(missing_ok=True)


def key_of(parameters: Mapping[str, Any], paths: Sequence[Path]) -> str:
    """Return a digest of parameters, of the content of files, of the code of ours that is loaded, and of NumPy.

    Of NumPy also what it found of this processor's instructions: others may give other last bits.
    """
    numpy = [np.__version__, np.show_config(mode="dicts")]
    digest = hashlib.sha256(json.dumps([parameters, numpy, sys.version], sort_keys=True).encode())
    loaded = [module for name, module in sorted(sys.modules.items()) if name.split(".")[0] == "stages"]
    sources = [Path(module.__file__) for module in loaded if module.__file__]
    for path in [*paths, *sources]:
        digest.update(files.digest(path).encode())
    return digest.hexdigest()
