"""Inject faults into the pipeline at every point, and count how many it survives: `make faults`.

    python -m tests.faults.run            everything; about half an hour on two processors
    python -m tests.faults.run --quick    a few faults of each kind, chosen by the seed; the tests run this

The report is printed; --report FILE also writes it to a file (`make faults` writes tests/faults/report.md). The exit
code is 1 if any fault was not survived.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

os.environ.update(OPENBLAS_NUM_THREADS="1", MPLBACKEND="agg")  # fork only from a single thread

from tests.faults import (
    environment,
    inject,
    kill,
)
from tests.faults.ledger import Ledger

PARTS = ["events", "bytes", "disk", "moments", "dvc", "resume", "environment", "memory"]


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="a few faults of each kind, none that needs DVC or root")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", nargs="+", choices=PARTS, default=PARTS)
    parser.add_argument("--report", type=Path, help="also write the report to this file")
    options = parser.parse_args()
    rng = random.Random(options.seed)
    ledger, started = Ledger(), time.monotonic()

    def choose(faults):
        """All of them, or one."""
        faults = list(faults)
        return [rng.choice(faults)] if options.quick else faults

    with tempfile.TemporaryDirectory() as temporary:
        directory = Path(temporary).resolve()
        wanted = set(options.only) - ({"disk", "dvc", "environment", "memory"} if options.quick else set())
        if wanted & {"events", "bytes", "moments"}:
            bench = inject.Bench(directory / "bench")
        if "events" in wanted:
            inject.at_events(bench, ledger, choose)
        if "bytes" in wanted:
            inject.at_bytes(bench, ledger, choose, 5, rng)
        if "disk" in wanted:
            with_small_disk(directory / "disk", ledger, choose, rng)
        if "moments" in wanted:
            kinds = [(signal.SIGKILL, 20), (signal.SIGTERM, 5), (signal.SIGINT, 5)]
            kill.stages_at_random_moments(bench, ledger, [(signal.SIGKILL, 1)] if options.quick else kinds, rng)
        if "dvc" in wanted:
            repository = kill.Repository(directory)
            kill.dvc_at_random_moments(repository, ledger, 9, rng)
            kill.orphaned_stage(repository, ledger)
            kill.two_writers(repository, ledger, 2)
            kill.linked_caches(repository, ledger)
            kill.killed_experiment(repository, ledger)
        if "resume" in wanted:
            amount = (2, 100, ["adam"]) if options.quick else (6, 300, kill.OPTIMIZERS)
            kill.resumed(directory, ledger, *amount, rng)
        if "environment" in wanted:
            environment.unusual_environments(directory, ledger)
        if "memory" in wanted:
            environment.full_size(directory, ledger)

    ledger.notes.append(f"Seed {options.seed}.")
    report = ledger.report()
    if options.report:
        options.report.write_text(f"# Faults injected and survived\n\n{report}", encoding="utf-8", newline="\n")
    print(report)
    print(f"{ledger.survived} of {ledger.injected} survived, in {time.monotonic() - started:.0f} s")
    sys.exit(ledger.survived != ledger.injected)


def with_small_disk(root, ledger, choose, rng):
    """Mount a file system of 32 MiB, which needs root, and fill it."""
    root.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=32m", "tmpfs", root], capture_output=True, check=False
    )
    if mounted.returncode:
        ledger.notes.append("The full disk was skipped: mounting a small one needs root.")
        return
    try:
        inject.full_disk(inject.Bench(root / "copy"), ledger, choose, 40, rng)
    finally:
        subprocess.run(["umount", root], check=True)


if __name__ == "__main__":
    main()
