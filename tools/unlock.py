"""Remove the lock file of a killed DVC, if no DVC is running here. `make repro` does this first.

    python -m tools.unlock

DVC ignores entries of processes that have ended. It stops at a lock file that a killed DVC left half written, and where
another process now has the number of one that has ended.
"""

from contextlib import suppress
from pathlib import Path

import psutil

LOCK = Path(".dvc/tmp/rwlock")


def running(root: Path) -> list[int]:
    """Return the processes of DVC, its workers included, that run in this directory or below."""
    found = []
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            program = [Path(word).name for word in process.cmdline()[:3]]  # python -m dvc, python .../bin/dvc, dvc
            if "dvc" in program and Path(process.cwd()).is_relative_to(root):
                found.append(process.pid)
    return found


def main() -> None:
    """Remove the lock file if it is nobody's, and say so."""
    if LOCK.exists() and LOCK.read_text() != "{}" and not running(Path.cwd()):
        LOCK.unlink()
        print(f"removed {LOCK}: no dvc is running here")


if __name__ == "__main__":
    main()
