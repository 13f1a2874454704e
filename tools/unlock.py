"""Remove the lock file of a killed DVC, if no DVC is running here. `make repro` does this first.

    python -m tools.unlock

DVC ignores entries of processes that have ended. It stops at a lock file that a killed DVC left half written, and where
another process now has the number of one that has ended.
"""

from contextlib import suppress
from pathlib import Path

import psutil

LOCK = Path(".dvc/tmp/rwlock")


def is_running(root: Path) -> bool:
    """Return True if a process of DVC, such as a worker of its queue, runs in this directory or below."""
    for process in psutil.process_iter():
        with suppress(psutil.Error):
            program = [Path(word).name for word in process.cmdline()[:3]]  # python -m dvc, python .../bin/dvc, dvc
            if "dvc" in program and Path(process.cwd()).is_relative_to(root):
                return True
    return False


def main() -> None:
    """Remove the lock file if it is nobody's, and say so."""
    if LOCK.exists() and LOCK.read_text() != "{}" and not is_running(Path.cwd()):
        LOCK.unlink()
        print(f"removed {LOCK}: no dvc is running here")


if __name__ == "__main__":
    main()
